"""How fast a recorded run answers, beside VCR.py playing back the same traffic.

    python benchmarks/replay.py [--steps 1000] [--interactions 100,300,1000] [--json]

Two tables. The first is CPU of one process, all its threads, for each call of a loaded
run that is answered: tools, and model requests through a bare httpx client. The second
is the same HTTP traffic, of small requests and of a growing conversation, played back
by ours and by VCR.py, with bodies matched, through the same bare client; read the
ratio of their wall times.
Loading the run or the cassette is outside both; opening and closing are inside, with
the report that ours makes at the end.

VCR.py comes from `requirements-replay.txt`; without it the second table has ours alone.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import httpx
from rich.console import Console
from rich.table import Table

import otel_agent_replay
from otel_agent_replay import agent, open_store, replay, tool
from otel_agent_replay.model.payload import JsonValue, dump_json
from otel_agent_replay.model.run import Run

_URL: Final = "https://api.openai.com/v1/chat/completions"
_ROUNDS: Final = 3
_MANY: Final = 300
"""From here on one round of VCR.py is enough: it takes most of a minute."""
_WORDS: Final = ["the", "agent", "looked", "up", "the", "order", "and", "was", "done"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What answering a call took, in microseconds; the best of some rounds."""

    what: str
    calls: int
    cpu_us: float
    wall_us: float

    @property
    def per_second(self) -> float:
        """Calls a second of one core."""
        return 1e6 / self.cpu_us


def main() -> None:
    """Record, play back, and print tables or JSON."""
    asked = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["AGENT_REPLAY_STORE"] = f"sqlite:///{folder}/runs.db"
        redact = "off" if asked.plain else "default"
        otel_agent_replay.configure(redact=redact)
        calls = [_tools(asked.steps), _models(asked.steps)]
        sizes = [int(each) for each in asked.interactions.split(",")]
        traffic = [
            cost
            for growing in (False, True)
            for size in sizes
            if size <= _MANY or not growing
            for cost in _traffic(size, Path(folder), growing=growing)
        ]
        otel_agent_replay.shutdown()
    if asked.as_json:
        found = [asdict(each) for each in (*calls, *traffic)]
        print(dump_json(found))  # type: ignore[arg-type]
        return
    _show("calls answered out of a loaded run", calls)
    _show("the same traffic", traffic)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--interactions", default="100,300,1000")
    parser.add_argument("--plain", action="store_true", help="record without redaction")
    parser.add_argument("--json", action="store_true", dest="as_json")
    return parser.parse_args()


def _tools(steps: int) -> Cost:
    @tool
    def search(query: str, page: int) -> dict[str, JsonValue]:
        return {"query": query, "page": page, "hits": _WORDS}

    @agent
    def looker() -> None:
        for page in range(steps):
            search("refunds", page)

    run = _recorded(looker)
    return _measured("tool calls", steps, run, looker)


def _models(steps: int) -> Cost:
    bodies = [_body(index, turns=4) for index in range(steps)]

    @agent
    def asker() -> None:
        _post(bodies)

    run = _recorded(asker)
    return _measured("model calls through httpx, 1 KB each", steps, run, asker)


def _traffic(interactions: int, folder: Path, *, growing: bool) -> Iterator[Cost]:
    """Yield the costs of ours and of VCR.py for the same requests."""
    turns = [1 + index % 50 if growing else 4 for index in range(interactions)]
    bodies = [_body(index, turns=each) for index, each in enumerate(turns)]
    what = f"{interactions} of {'up to 13 KB' if growing else '1 KB'}"

    @agent
    def talker() -> None:
        _post(bodies)

    run = _recorded(talker)
    yield _measured(f"ours, {what}", interactions, run, talker)
    if importlib.util.find_spec("vcr") is not None:
        yield _with_vcr(f"VCR.py, {what}", bodies, folder)


def _body(index: int, *, turns: int) -> JsonValue:
    said = [f"{number} {' '.join(_WORDS)}" for number in range(turns)]
    roles = ("user", "assistant")
    messages: list[JsonValue] = [
        {"role": roles[number % 2], "content": text * 5}
        for number, text in enumerate(said)
    ]
    return {"model": "gpt-4o", "messages": [*messages, _last(index)]}


def _last(index: int) -> JsonValue:
    return {"role": "user", "content": f"question {index}"}


def _answer(request: httpx.Request) -> httpx.Response:
    del request
    message = {"role": "assistant", "content": " ".join(_WORDS * 5)}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    usage = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}
    return httpx.Response(
        200, json={"id": "chatcmpl-1", "choices": [choice], "usage": usage}
    )


def _post(bodies: Sequence[JsonValue]) -> None:
    with httpx.Client(transport=httpx.MockTransport(_answer)) as client:
        for body in bodies:
            client.post(_URL, json=body).raise_for_status()


def _recorded(act: Callable[[], None]) -> Run:
    act()
    otel_agent_replay.flush()
    with open_store() as store:
        return store.load(store.runs()[0].run_id)


def _measured(what: str, calls: int, run: Run, act: Callable[[], None]) -> Cost:
    def play() -> None:
        with replay(run) as session:
            act()
        assert session.report.ok

    return _best(what, calls, play)


def _with_vcr(what: str, bodies: Sequence[JsonValue], folder: Path) -> Cost:
    """Measure VCR.py between the first call and the last; its loading is left out."""
    import vcr  # noqa: PLC0415 - a peer that need not be there

    path = str(folder / f"{what}.yaml")
    matched = ("method", "uri", "body")
    with vcr.VCR(match_on=matched, record_mode="once").use_cassette(path):
        _post(bodies)
    player = vcr.VCR(match_on=matched, record_mode="none")
    found = []
    for _ in range(1 if len(bodies) > _MANY else _ROUNDS):
        with player.use_cassette(path) as played:
            found.append(_timed(lambda: _post(bodies)))
            assert played.all_played
    return _cost(what, len(bodies), found)


def _best(what: str, calls: int, act: Callable[[], None]) -> Cost:
    return _cost(what, calls, [_timed(act) for _ in range(_ROUNDS)])


def _timed(act: Callable[[], None]) -> tuple[float, float]:
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    act()
    return time.process_time() - cpu, time.perf_counter() - wall


def _cost(what: str, calls: int, found: Sequence[tuple[float, float]]) -> Cost:
    cpu, wall = (min(each) * 1e6 / calls for each in zip(*found, strict=True))
    return Cost(what=what, calls=calls, cpu_us=cpu, wall_us=wall)


def _show(title: str, costs: Sequence[Cost]) -> None:
    table = Table(title=title)
    for name in ("", "CPU us a call", "wall us a call", "calls/s of a core"):
        table.add_column(name, justify="right" if name else "left")
    for cost in costs:
        table.add_row(
            cost.what,
            f"{cost.cpu_us:,.0f}",
            f"{cost.wall_us:,.0f}",
            f"{cost.per_second:,.0f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
