"""The directory of a session, where its processes leave what they saw."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from otel_agent_replay._setup.stores import open_store
from otel_agent_replay.model.span import SpanRecord
from otel_agent_replay.replay.log import SessionLog, dump_log, load_log

__all__ = [
    "children_spans",
    "children_store",
    "collect_logs",
    "leave_log",
    "own_directory",
]

_CHILDREN: Final = "children.db"


@contextmanager
def own_directory() -> Generator[str]:
    """Make a directory, and delete it at the end.

    A child that is forked meanwhile leaves the same block, and must leave the
    directory to its parent; `tempfile.TemporaryDirectory` would delete it there.
    """
    owner, path = os.getpid(), tempfile.mkdtemp(prefix="agent-replay-")
    try:
        yield path
    finally:
        if os.getpid() == owner:
            shutil.rmtree(path, ignore_errors=True)


def leave_log(directory: str, process_id: str, log: SessionLog) -> None:
    """Leave a process's log for the one that opened the session; whole or not at all."""
    path = Path(directory) / f"log-{process_id}.json"
    draft = path.with_suffix(".draft")
    draft.write_text(dump_log(log), encoding="utf-8")
    draft.replace(path)


def collect_logs(directory: str, log: SessionLog) -> None:
    """Add the logs that other processes have left since it was last called."""
    for path in sorted(Path(directory).glob("log-*.json")):
        log.add(load_log(path.read_text(encoding="utf-8")))
        path.unlink()


def children_store(directory: str) -> str:
    """Return the URL of the store for what child processes do in a replay."""
    return f"sqlite:///{directory}/{_CHILDREN}"


def children_spans(directory: str) -> tuple[SpanRecord, ...]:
    """Return what child processes did in a replay; nothing if there were none."""
    if not (Path(directory) / _CHILDREN).exists():
        return ()
    with open_store(children_store(directory)) as store:
        return tuple(
            span for each in store.runs() for span in store.load(each.run_id).spans
        )
