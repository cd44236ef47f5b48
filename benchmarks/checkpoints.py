"""Bytes and time of LangGraph's checkpoints: `AgentReplaySaver` and `SqliteSaver`.

One graph, whose only node answers with a message of about 1.5 KB, goes round so many
times; each saver in turn keeps its checkpoints, in a new file each time. Bytes are of
the file with its log written back (ClickHouse: of active parts), time is what a step
took, LangGraph's own work included, which the row without a saver shows. `state` and
`history` are the time to read the latest state and all of them.

    python benchmarks/checkpoints.py [--steps 100 200 400] [--clickhouse]

Needs `langgraph-checkpoint-sqlite` (requirements-langgraph.txt) for the comparison,
and `.[clickhouse-server]` for `--clickhouse`.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, TypedDict
from urllib.parse import urlsplit

import clickhouse_connect
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages

from otel_agent_replay.langgraph import AgentReplaySaver
from otel_agent_replay.testing.clickhouse import ClickHouseServer

_WORDS = 220
_LETTERS = "eeeetttaaaooiinnsshhrrdlucmfwygpbvk"


class State(TypedDict):
    """What the graph hands on."""

    messages: Annotated[list[BaseMessage], add_messages]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a saver cost."""

    steps: int
    file_bytes: int
    step_ms: float
    state_ms: float
    history_ms: float


def texts(count: int) -> list[str]:
    """Return texts of made-up words, the same each time."""
    draw = random.Random(400)  # noqa: S311 - a benchmark
    words = ["".join(draw.choices(_LETTERS, k=draw.randint(3, 9))) for _ in range(5000)]
    return [" ".join(draw.choices(words, k=_WORDS)) for _ in range(count)]


def graph(answers: Sequence[str], saver: Any) -> Any:  # noqa: ANN401 - LangGraph's
    """Return a graph that gives all answers, one a step."""

    def answer(state: State) -> dict[str, list[BaseMessage]]:
        return {"messages": [AIMessage(answers[len(state["messages"]) - 1])]}

    def go_on(state: State) -> str:
        return "answer" if len(state["messages"]) <= len(answers) else END

    made = StateGraph(State)
    made.add_node("answer", answer)
    made.add_edge(START, "answer")
    made.add_conditional_edges("answer", go_on, ["answer", END])
    return made.compile(checkpointer=saver)


def measure(answers: Sequence[str], saver: Any, size: Callable[[], int]) -> Cost:  # noqa: ANN401
    """Run the graph and read it back."""
    made = graph(answers, saver)
    config = {"configurable": {"thread_id": "t"}, "recursion_limit": 10 * len(answers)}
    took = _timed(lambda: made.invoke({"messages": [HumanMessage("Go.")]}, config))
    if saver is None:
        return Cost(
            steps=len(answers),
            file_bytes=0,
            step_ms=took / len(answers),
            state_ms=0,
            history_ms=0,
        )
    state = _timed(lambda: made.get_state(config))
    history = _timed(lambda: [*made.get_state_history(config)])
    said = [each.content for each in made.get_state(config).values["messages"]]
    assert said[1:] == [*answers]
    return Cost(
        steps=len(answers),
        file_bytes=size(),
        step_ms=took / len(answers),
        state_ms=state,
        history_ms=history,
    )


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def _file_bytes(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.stat().st_size


def ours(answers: Sequence[str], folder: Path) -> Cost:
    """Measure our saver on a SQLite file."""
    path = folder / "ours.db"
    with AgentReplaySaver(f"sqlite:///{path}") as saver:
        return measure(answers, saver, lambda: _file_bytes(path))


def theirs(answers: Sequence[str], folder: Path) -> Cost:
    """Measure LangGraph's saver on a SQLite file."""
    from langgraph.checkpoint.sqlite import SqliteSaver  # noqa: PLC0415 - a peer's

    path = folder / "theirs.db"
    with SqliteSaver.from_conn_string(str(path)) as saver:
        return measure(answers, saver, lambda: _file_bytes(path))


def on_clickhouse(answers: Sequence[str], url: str) -> Cost:
    """Measure our saver on a ClickHouse server."""
    with AgentReplaySaver(url) as saver:
        return measure(answers, saver, lambda: _table_bytes(url))


def _table_bytes(url: str) -> int:
    parts = urlsplit(url)
    with clickhouse_connect.get_client(
        host=parts.hostname,
        port=parts.port,
        username=parts.username,
        password=parts.password,
        database=parts.path[1:],
    ) as client:
        client.command("OPTIMIZE TABLE agent_replay_states FINAL")
        found = client.query(
            "SELECT sum(bytes_on_disk) FROM system.parts WHERE active"
            " AND database = currentDatabase() AND table = 'agent_replay_states'"
        )
    return int(found.result_rows[0][0])


@contextmanager
def _server(*, wanted: bool) -> Generator[ClickHouseServer | None]:
    if not wanted:
        yield None
        return
    with ClickHouseServer() as server:
        yield server


def _line(name: str, cost: Cost, unique: int) -> None:
    print(
        f"{name:32} {cost.steps:6} {cost.file_bytes / 1e6:9.2f}"
        f" {cost.file_bytes / unique:9.1f} {cost.step_ms:9.2f} {cost.state_ms:9.1f}"
        f" {cost.history_ms:9.0f}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, nargs="+", default=[100, 200, 400])
    parser.add_argument("--clickhouse", action="store_true")
    arguments = parser.parse_args()
    peer = f"SqliteSaver {version('langgraph-checkpoint-sqlite')}"
    print(
        f"{'saver':32} {'steps':>6} {'MB':>9} {'x unique':>9} {'ms/step':>9}"
        f" {'state ms':>9} {'history':>9}"
    )
    with _server(wanted=arguments.clickhouse) as server:
        for steps in arguments.steps:
            _compare(texts(steps), peer, server)


def _compare(
    answers: Sequence[str], peer: str, server: ClickHouseServer | None
) -> None:
    unique = sum(map(len, answers))
    with tempfile.TemporaryDirectory() as folder:
        alone = measure(answers, None, lambda: 0)
        mine, other = ours(answers, Path(folder)), theirs(answers, Path(folder))
    _line("no saver", alone, unique)
    _line("AgentReplaySaver, SQLite", mine, unique)
    _line(peer, other, unique)
    if server is not None:
        with server.database() as url:
            _line("AgentReplaySaver, ClickHouse", on_clickhouse(answers, url), unique)
    print(
        f"ours takes 1/{other.file_bytes / mine.file_bytes:.0f} of the bytes and"
        f" {mine.step_ms / other.step_ms:.2f} of the time of a step"
    )


if __name__ == "__main__":
    main()
