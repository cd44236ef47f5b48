"""How fast a run comes back from a store of a million spans, and a list of runs.

    python benchmarks/read.py [--spans 1000000] [--folder FOLDER] [--json]

fills three stores with the same spans, 50 runs of 200 steps going on at once: ours
on SQLite, ours on ClickHouse, and the Collector's `otel_traces` with payloads inline
(`--layout`). The runs are recorded by the pipeline's own finisher with redaction on
and copied under new ids. Filling takes many minutes; with a folder it goes on where
it was left, and another start only reads.

Printed are the median and the least of 20 warm reads: a run's 200 spans decoded, ours with payloads
put together again, the stock layout also with its time range known beforehand; and
lists of 50 runs. AGENT_REPLAY_CORPUS names the conversations; a ClickHouse server is
started from `otel-agent-replay[clickhouse-server]`. Read the ratios; the rest varies
with the machine.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from storing_clickhouse import LAYOUTS, StockTable, disk, merge
from storing_sqlite import file_bytes
from storing_work import AGENTS, Copied, Example, interleaved, packed, short_steps
from sustained import Workload

from otel_agent_replay.loader import load
from otel_agent_replay.model.content import PackedBatch
from otel_agent_replay.model.payload import JsonValue, dump_json
from otel_agent_replay.model.run import RunFilter, RunSummary
from otel_agent_replay.store import Store, open_store
from otel_agent_replay.testing.clickhouse import ClickHouseServer
from otel_agent_replay.testing.corpus import CORPUS_ABSENT, Trajectory, trajectories

_AT_ONCE: Final = 50
_STEPS: Final = 199
"""And a root: 200 spans a run."""
_EXAMPLES: Final = 100
_BATCH: Final = 5000
_READS: Final = 20
_DAY_NS: Final = 86_400_000_000_000
_OURS: Final = "agent_replay_bench"
_STOCK: Final = "stock_bench"
_PROGRESS: Final = Console(stderr=True)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stores:
    """The stores of a folder, open."""

    server: ClickHouseServer
    sqlite: Store
    sqlite_path: Path
    clickhouse: Store
    stock: StockTable


def main() -> None:
    """Fill the stores, read, and print tables or JSON."""
    asked = _arguments()
    found = [*trajectories()]
    if not found:
        print(CORPUS_ABSENT)
        return
    with ExitStack() as stack:
        folder = asked.folder or Path(stack.enter_context(_temporary()))
        folder.mkdir(parents=True, exist_ok=True)
        server = ClickHouseServer(directory=folder / "clickhouse", environment={})
        stack.enter_context(server)
        stores = _opened(server, folder, asked.layout)
        _fill(stores, found, asked.spans, _begun(folder))
        results = _measured(stores)
    print(dump_json(results)) if asked.json else _show(results)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spans", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where the stores are kept")
    parser.add_argument("--layout", choices=LAYOUTS, default="v0.100")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _temporary() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="agent-replay-read-")


def _begun(folder: Path) -> int:
    """Return the midnight that the spans begin at: that of the first start here."""
    path = folder / "begun"
    if not path.exists():
        path.write_text(str(time.time_ns() // _DAY_NS * _DAY_NS), encoding="utf-8")
    return int(path.read_text(encoding="utf-8"))


def _opened(server: ClickHouseServer, folder: Path, layout: str) -> _Stores:
    path = folder / "store.db"
    stock = f"{_STOCK}_{layout.replace('.', '_')}"
    return _Stores(
        server=server,
        sqlite=open_store(str(path)),
        sqlite_path=path,
        clickhouse=open_store(f"{server.base_url}/{_OURS}"),
        stock=StockTable(f"{server.base_url}/{stock}", layout),
    )


# --- filling -------------------------------------------------------------------


def _fill(
    stores: _Stores, found: Sequence[Trajectory], count: int, base_ns: int
) -> None:
    fills: dict[str, tuple[int, Callable[[int, list[Copied]], None]]] = {
        "SQLite": (stores.sqlite.check().spans, _ours(stores.sqlite)),
        "ClickHouse": (stores.clickhouse.check().spans, _ours(stores.clickhouse)),
        "stock": (stores.stock.count(), _inline(stores.stock)),
    }
    if all(done >= count for done, _ in fills.values()):
        return
    examples = _examples(found)
    with Progress(console=_PROGRESS) as progress:
        for name, (done, write) in fills.items():
            bar = progress.add_task(name, total=count, completed=done)
            spans = interleaved(examples, at_once=_AT_ONCE, base_ns=base_ns)
            for number, batch in enumerate(_in_batches(spans, count)):
                if number * _BATCH >= done:
                    write(number, batch)
                    progress.advance(bar, len(batch))
    for database in (_OURS, stores.stock.database):
        merge(stores.server, database)


def _examples(found: Sequence[Trajectory]) -> list[Example]:
    work = Workload()
    return [
        packed(islice(short_steps(work, found, seed), _STEPS), "run")
        for seed in range(_EXAMPLES)
    ]


def _in_batches(spans: Iterator[Copied], count: int) -> Iterator[list[Copied]]:
    taken = islice(spans, count)
    while batch := [*islice(taken, _BATCH)]:
        yield batch


def _ours(store: Store) -> Callable[[int, list[Copied]], None]:
    def write(number: int, batch: list[Copied]) -> None:
        spans = tuple(copy for _, _, copy in batch)
        store.write_packed(PackedBatch(token=f"batch-{number}", spans=spans))

    return write


def _inline(stock: StockTable) -> Callable[[int, list[Copied]], None]:
    def write(_: int, batch: list[Copied]) -> None:
        stock.write([example.inline(at, copy.span) for example, at, copy in batch])

    return write


# --- reading -------------------------------------------------------------------


def _measured(stores: _Stores) -> dict[str, JsonValue]:
    runs = _runs(stores.sqlite)
    _check(stores, runs[0])
    texts = [dump_json(asdict(each)) for each in stores.sqlite.spans(runs[0].run_id)]
    return {
        "spans": stores.stock.count(),
        "inline": sum(map(len, texts)) // len(texts),
        "disk": _disk(stores),
        "a run of 200 spans": _read_runs(stores, runs),
        "lists of 50 runs": _read_lists(stores, runs),
    }


def _check(stores: _Stores, run: RunSummary) -> None:
    """Fail where the stores do not give the same spans."""
    spans = stores.sqlite.spans(run.run_id)
    assert len(spans) == _STEPS + 1
    assert spans == stores.clickhouse.spans(run.run_id)
    assert spans == stores.stock.spans(run.trace_id)


def _disk(stores: _Stores) -> JsonValue:
    return {
        "SQLite": file_bytes(stores.sqlite_path),
        "ClickHouse": disk(stores.server, _OURS),
        "stock": disk(stores.server, stores.stock.database),
    }


def _runs(store: Store) -> list[RunSummary]:
    """Return whole runs from everywhere in the store."""
    listed = store.runs(RunFilter(limit=100_000))
    whole = [run for run in listed if run.status != "interrupted"]
    return whole[:: max(1, len(whole) // _READS)][:_READS]


def _read_runs(stores: _Stores, runs: Sequence[RunSummary]) -> JsonValue:
    within = {run.trace_id: (run.start_ns, run.end_ns) for run in runs}
    ids, traces = [run.run_id for run in runs], [*within]
    ours = {"SQLite": stores.sqlite, "ClickHouse": stores.clickhouse}
    found: dict[str, JsonValue] = {}
    for name, store in ours.items():
        found[name] = _timed([(store.spans, each) for each in ids])
        loads = [(lambda each, at=store: load(at.spans(each), each), e) for e in ids]
        found[f"{name}, as a Run"] = _timed(loads)
    found["stock"] = _timed([(stores.stock.spans, each) for each in traces])
    found["stock, time known"] = _timed(
        [(lambda each: stores.stock.spans(each, within[each]), e) for e in traces]
    )
    return found


def _read_lists(stores: _Stores, runs: Sequence[RunSummary]) -> JsonValue:
    middle = sorted(run.start_ns for run in runs)[len(runs) // 2]
    cost = statistics.median(run.cost_usd or 0 for run in runs)
    filters = {
        "the newest": RunFilter(),
        "agent": RunFilter(agent=AGENTS[1]),
        "status": RunFilter(status="failed"),
        "time": RunFilter(until_ns=middle),
        "cost": RunFilter(min_cost_usd=cost),
        "all four": RunFilter(
            agent=AGENTS[1], status="failed", until_ns=middle, min_cost_usd=cost / 2
        ),
    }
    return {
        name: {
            "SQLite": _timed([(stores.sqlite.runs, where)] * _READS),
            "ClickHouse": _timed([(stores.clickhouse.runs, where)] * _READS),
            "found": len(stores.sqlite.runs(where)),
        }
        for name, where in filters.items()
    }


def _timed(reads: Sequence[tuple[Callable[[_T], object], _T]]) -> JsonValue:
    """Return the milliseconds that reads take, once they have been made.

    Beside other work on the machine the least of them says more than the median.
    """
    for read, what in reads:
        read(what)
    times = []
    for read, what in reads:
        start = time.perf_counter()
        read(what)
        times.append((time.perf_counter() - start) * 1000)
    return {"median": statistics.median(times), "least": min(times)}


# --- tables ----------------------------------------------------------------------


def _show(results: dict[str, JsonValue]) -> None:
    runs, lists, disks = (
        results[name] for name in ("a run of 200 spans", "lists of 50 runs", "disk")
    )
    assert isinstance(runs, dict)
    assert isinstance(lists, dict)
    assert isinstance(disks, dict)
    table = Table("a run of 200 spans", "median ms", "of stock", "least ms", "of stock")
    for name, row in runs.items():
        cells = []
        for which in ("median", "least"):
            value, stock = _number(row, which), _number(runs["stock"], which)
            cells += [f"{value:.1f}", f"{value / stock:.2f}"]
        table.add_row(name, *cells)
    Console().print(
        f"{results['spans']:,} spans of {results['inline']:,} bytes", disks, table
    )
    table = Table("50 runs by", "SQLite ms", "least", "ClickHouse ms", "least", "found")
    for name, row in lists.items():
        assert isinstance(row, dict)
        cells = [
            f"{_number(row[store], which):.1f}"
            for store in ("SQLite", "ClickHouse")
            for which in ("median", "least")
        ]
        table.add_row(name, *cells, str(row["found"]))
    Console().print(table)


def _number(row: JsonValue, name: str) -> float:
    value = row.get(name) if isinstance(row, dict) else None
    assert isinstance(value, float)
    return value


if __name__ == "__main__":
    main()
