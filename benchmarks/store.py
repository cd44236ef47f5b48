"""What recorded steps cost in a store: bytes sent, bytes on disk, spans a second.

    python benchmarks/store.py [--spans 20000] [--long-runs 4] [--repeat 3] [--json]

takes the runs that AGENT_REPLAY_CORPUS has, recorded by the pipeline's own finisher
with redaction on, and copies them under new ids: to so many spans, of which 50 runs go
on at once (`corpus`), into long runs of 400 steps of one growing conversation
(`long`), and both interleaved in the same tables (`mixed`). They are written, in the
same batches and in one run, to

* ClickHouse: ours, and the Collector's `otel_traces` with payloads inline, as it was
  for years (bloom filters) and as it is now (text indexes);
* SQLite: ours, and a file with one zstd-1 blob a span, of all that the span holds
  and of the bodies alone; LangGraph's SqliteSaver with the same conversations.

`raw` is what the server was given, before any compression; `sent` is what went over the
socket: ours with zstd, the Collector's with lz4, its default, and once with zstd too;
`disk` is after merges, indexes included; spans a second are the median of the repeats, taken
in turn. `payload once` is what zstd-3 makes, in one frame a run, of all that it sends
and gets: each message, header list and answer once. `payload and rows once` has its
spans in it as well, without their payloads: ids, times, names, short attributes.
A ratio says how many times ours another one takes, in bytes or in time.
Read the ratios; the rest varies with the machine. A ClickHouse server is
started from `otel-agent-replay[clickhouse-server]`; LangGraph is in
`requirements-store.txt`.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table
from storing_clickhouse import (
    LAYOUTS,
    Counting,
    StockTable,
    disk_by_table,
    merge,
    raw_bytes,
)
from storing_sqlite import Blobs, body, file_bytes, save_checkpoints
from storing_unique import payload_once, said_once
from storing_work import (
    Copied,
    Example,
    batches,
    continued,
    histories,
    interleaved,
    packed,
)
from sustained import Workload

from otel_agent_replay import semconv
from otel_agent_replay.model.content import PackedBatch
from otel_agent_replay.model.payload import JsonValue, dump_json
from otel_agent_replay.model.span import SpanRecord
from otel_agent_replay.store import open_store
from otel_agent_replay.testing.clickhouse import ClickHouseServer
from otel_agent_replay.testing.corpus import CORPUS_ABSENT, Trajectory, trajectories

_AT_ONCE: Final = 50
_LONG: Final = 400
_BATCH: Final = 512
_LONG_BATCH: Final = 64
"""Stock rows of a long run have a megabyte and more."""
_OURS: Final = "ours"
_PROGRESS: Final = Console(stderr=True)

_Batches = Sequence[Sequence[Copied]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one way to store cost; a span each, but for the tables."""

    disk: float
    seconds: float | None = None
    sent: float | None = None
    raw: float | None = None
    tables: dict[str, float] | None = None


def main() -> None:
    """Measure, and print tables or JSON."""
    asked = _arguments()
    found = [*trajectories()]
    if not found:
        print(CORPUS_ABSENT)
        return
    work = Workload()
    runs = [packed(work.run(each, "run"), "run") for each in found]
    longs = [continued(found, _LONG, seed) for seed in range(asked.long_runs)]
    long_runs = [packed(work.run(each, "run"), "run") for each in longs]
    begun = time.time_ns() // 86_400_000_000_000 * 86_400_000_000_000
    spread = interleaved(runs, at_once=_AT_ONCE, base_ns=begun)
    some = batches(spread, count=asked.spans, size=_BATCH)
    spread = interleaved(long_runs, at_once=asked.long_runs, base_ns=begun)
    count = asked.long_runs * (_LONG + 1)
    long = batches(spread, count=count, size=_LONG_BATCH)
    spread = interleaved(
        runs, at_once=_AT_ONCE + asked.long_runs, base_ns=begun, beside=long_runs
    )
    mixed = batches(spread, count=asked.spans + count, size=_BATCH)
    with tempfile.TemporaryDirectory() as name, ClickHouseServer() as server:
        measure = _Measure(server=server, folder=Path(name), repeat=asked.repeat)
        results = {
            "corpus": measure.all("corpus", some, found),
            "long": measure.all("long", long, longs),
            "mixed": measure.all("mixed", mixed, ()),
        }
        growth = measure.growth(long_runs[0])
    if asked.json:
        print(dump_json({**results, "growth": growth}))
        return
    for title, result in results.items():
        _show(title, result)
    _show_growth(growth)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spans", type=int, default=20_000)
    parser.add_argument("--long-runs", type=int, default=4)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


@dataclass(slots=True, kw_only=True)
class _Measure:
    """Measures in a folder and on a server."""

    server: ClickHouseServer
    folder: Path
    repeat: int
    _files: int = 0

    def all(
        self, title: str, some: _Batches, conversations: Sequence[Trajectory]
    ) -> dict[str, JsonValue]:
        """Return what every way to store these batches costs, and what there is."""
        spans = [each for batch in some for each in batch]
        given = {
            "spans": len(spans),
            "runs": len({each.scope for _, _, each in spans}),
            "batch": len(some[0]),
            "inline": sum(int(_inline_size(each)) for each in spans) / len(spans),
            "payload once": sum(map(payload_once, spans)) / len(spans),
            "payload and rows once": sum(map(said_once, spans)) / len(spans),
        }
        costs: dict[str, JsonValue] = {}
        for kind, each in (
            ("ClickHouse", self._clickhouse(title, some)),
            ("SQLite", self._sqlite(title, some)),
        ):
            costs[kind] = {name: _plain(cost) for name, cost in each.items()}
        return {**given, **costs, "LangGraph": self._langgraph(title, conversations)}

    # --- ClickHouse ----------------------------------------------------------------

    def _clickhouse(self, title: str, some: _Batches) -> dict[str, Cost]:
        ways: dict[str, Callable[[str, _Batches], float]] = {_OURS: _write_ours}
        ways |= {f"stock {name}": partial(_write_stock, name) for name in LAYOUTS}
        name = next(iter(LAYOUTS))
        ways[f"stock {name}, zstd"] = partial(_write_stock, name, compression="zstd")
        costs = {}
        for name, way in ways.items():
            _PROGRESS.print(f"{title}: ClickHouse, {name}, bytes")
            costs[name] = self._counted(way, some)
        times: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(self.repeat):
            for name, way in ways.items():
                _PROGRESS.print(f"{title}: ClickHouse, {name}, {turn + 1}")
                with self.server.database() as url:
                    times[name].append(way(url, some))
        return {
            name: _per_span(cost, some, statistics.median(times[name]))
            for name, cost in costs.items()
        }

    def _counted(self, way: Callable[[str, _Batches], float], some: _Batches) -> Cost:
        with self.server.database() as url, Counting(url) as counting:
            way(counting.url, some)
            database = urlsplit(url).path.strip("/")
            merge(self.server, database)
            tables = disk_by_table(self.server, database)
            raw = raw_bytes(self.server, database)
        return Cost(
            disk=sum(tables.values()), sent=counting.sent, raw=raw, tables={**tables}
        )

    # --- SQLite --------------------------------------------------------------------

    def _sqlite(self, title: str, some: _Batches) -> dict[str, Cost]:
        ways: dict[str, Callable[[Path, _Batches], float]] = {
            _OURS: lambda path, some: _write_ours(str(path), some),
            "blob": _write_blobs,
            "blob of bodies": _write_bodies,
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        sizes = {}
        for turn in range(self.repeat):
            for name, way in ways.items():
                _PROGRESS.print(f"{title}: SQLite, {name}, {turn + 1}")
                path = self._path()
                times[name].append(way(path, some))
                sizes[name] = file_bytes(path)
                path.unlink()
        return {
            name: _per_span(Cost(disk=size), some, statistics.median(times[name]))
            for name, size in sizes.items()
        }

    def _langgraph(
        self, title: str, conversations: Sequence[Trajectory]
    ) -> dict[str, JsonValue]:
        if not conversations:
            return {"skipped": "measured with the others"}
        _PROGRESS.print(f"{title}: LangGraph")
        path = self._path()
        states = [*histories(conversations)]
        try:
            save_checkpoints(path, states)
        except ImportError as error:
            return {"skipped": str(error)}
        return {"disk": file_bytes(path) / len(states)}

    def growth(self, run: Example) -> list[JsonValue]:
        """Return what a long run takes in both stores after more and more steps."""
        rows: list[JsonValue] = []
        spread = interleaved([run], at_once=1, base_ns=time.time_ns())
        copies = [next(spread) for _ in run.spans]
        for steps in (0, 100, 200, 300, _LONG):
            some = [copies[:steps][at : at + 20] for at in range(0, steps, 20)]
            _PROGRESS.print(f"growth: {steps} steps")
            path = self._path()
            _write_ours(str(path), some)
            with self.server.database() as url:
                _write_ours(url, some)
                database = urlsplit(url).path.strip("/")
                merge(self.server, database)
                tables = sum(disk_by_table(self.server, database).values())
            rows.append(
                {"steps": steps, "SQLite": file_bytes(path), "ClickHouse": tables}
            )
        return rows

    def _path(self) -> Path:
        self._files += 1
        return self.folder / f"{self._files}.db"


def _plain(cost: Cost) -> JsonValue:
    return {name: value for name, value in asdict(cost).items() if value is not None}


def _per_span(cost: Cost, some: _Batches, seconds: float) -> Cost:
    count = sum(map(len, some))
    return Cost(
        disk=cost.disk / count,
        sent=None if cost.sent is None else cost.sent / count,
        raw=None if cost.raw is None else cost.raw / count,
        seconds=seconds / count,
        tables={name: size / count for name, size in (cost.tables or {}).items()},
    )


def _inline_size(each: Copied) -> str:
    return each[2].span.attributes[semconv.SPAN_BYTES]


# --- writing, timed ----------------------------------------------------------------


def _write_ours(url: str, some: _Batches) -> float:
    store = open_store(url)
    seconds = 0.0
    for number, batch in enumerate(some):
        spans = tuple(copy for _, _, copy in batch)
        start = time.perf_counter()
        store.write_packed(PackedBatch(token=f"batch-{number}", spans=spans))
        seconds += time.perf_counter() - start
    store.close()
    return seconds


def _write_stock(
    layout: str, url: str, some: _Batches, *, compression: str = "lz4"
) -> float:
    table = StockTable(url, layout, compression)
    seconds = _timed(table.write, some)
    table.close()
    return seconds


def _write_blobs(path: Path, some: _Batches) -> float:
    blobs = Blobs(path)
    seconds = _timed(blobs.write, some)
    blobs.close()
    return seconds


def _write_bodies(path: Path, some: _Batches) -> float:
    blobs = Blobs(path)
    seconds = _timed(lambda s: blobs.write_bodies([(e, body(e)) for e in s]), some)
    blobs.close()
    return seconds


def _timed(write: Callable[[Sequence[SpanRecord]], None], some: _Batches) -> float:
    seconds = 0.0
    for batch in some:
        whole = [example.inline(place, copy.span) for example, place, copy in batch]
        start = time.perf_counter()
        write(whole)
        seconds += time.perf_counter() - start
    return seconds


# --- tables ------------------------------------------------------------------------


def _show(title: str, result: dict[str, JsonValue]) -> None:
    facts = ", ".join(f"{k} {v:.0f}" for k, v in result.items() if _is_number(v))
    columns = ("raw", "ratio", "sent", "ratio", "disk", "ratio", "spans/s", "ratio")
    table = Table("", *columns)
    table.title = f"{title}: bytes a span ({facts})"
    ours: JsonValue = {}
    for kind in ("ClickHouse", "SQLite"):
        costs = result[kind]
        assert isinstance(costs, dict)
        ours = costs[_OURS]
        for name, cost in costs.items():
            table.add_row(f"{kind}, {name}", *_cells(cost, ours))
    table.add_row("LangGraph checkpoints", *_cells(result["LangGraph"], ours))
    for name in ("payload once", "payload and rows once"):
        table.add_row(f"{name}, zstd-3", *_cells({"disk": result[name]}, ours))
    Console().print(table)
    skipped = result["LangGraph"]
    if isinstance(skipped, dict) and "skipped" in skipped:
        print(f"LangGraph: skipped, {skipped['skipped']}")


def _cells(cost: JsonValue, ours: JsonValue) -> Iterator[str]:
    assert isinstance(cost, dict)
    assert isinstance(ours, dict)
    for name in ("raw", "sent", "disk", "seconds"):
        value, base = cost.get(name), ours.get(name)
        if not isinstance(value, float):
            yield from ("", "")
            continue
        yield f"{1 / value:,.0f}" if name == "seconds" else f"{value:,.0f}"
        yield f"{value / base:.2f}" if isinstance(base, float) else ""


def _is_number(value: JsonValue) -> bool:
    return isinstance(value, int | float)


def _show_growth(growth: list[JsonValue]) -> None:
    table = Table("steps", "SQLite", "a step", "ClickHouse", "a step")
    table.title = "one run of growing length: bytes on disk, and those of each step"
    before: dict[str, JsonValue] = {}
    for row in growth:
        assert isinstance(row, dict)
        cells = [str(row["steps"])]
        for kind in ("SQLite", "ClickHouse"):
            cells.append(f"{row[kind]:,}")
            steps = _number(row, "steps") - _number(before, "steps")
            more = _number(row, kind) - _number(before, kind)
            cells.append(f"{more / steps:,.0f}" if steps else "")
        table.add_row(*cells)
        before = row
    Console().print(table)


def _number(row: dict[str, JsonValue], name: str) -> int:
    value = row.get(name, 0)
    return value if isinstance(value, int) else 0


if __name__ == "__main__":
    main()
