"""Other ways to keep steps in a SQLite file: a blob a step, LangGraph's checkpoints."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

import orjson

from otel_agent_replay import semconv
from otel_agent_replay.model.payload import JsonValue
from otel_agent_replay.model.span import SpanRecord
from otel_agent_replay.store.rows import to_row

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["Blobs", "body", "file_bytes", "save_checkpoints", "zstd"]

_ROW = 'INSERT INTO steps ("Trace", "Span", "Start", "Data") VALUES (?, ?, ?, ?)'


class Blobs:
    """A SQLite file with one zstd-1 blob a span."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute(
            """CREATE TABLE steps ("Trace" TEXT NOT NULL, "Span" TEXT NOT NULL,
            "Start" INTEGER NOT NULL, "Data" BLOB NOT NULL,
            PRIMARY KEY ("Trace", "Span"))"""
        )

    def write(self, spans: Sequence[SpanRecord]) -> None:
        """Store spans with their payloads inline."""
        self._add((each, orjson.dumps(tuple(to_row(each)))) for each in spans)

    def write_bodies(self, spans: Iterable[tuple[SpanRecord, bytes]]) -> None:
        """Store spans with one body each instead of all they hold."""
        self._add(spans)

    def _add(self, spans: Iterable[tuple[SpanRecord, bytes]]) -> None:
        rows = [
            (each.trace_id, each.span_id, each.start_ns, zstd.compress(data, 1))
            for each, data in spans
        ]
        with self._db:
            self._db.executemany(_ROW, rows)

    def close(self) -> None:
        """Close the file, its log written back."""
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.close()


def body(span: SpanRecord) -> bytes:
    """Return the bodies of a model call, as they went over the wire."""
    names = (semconv.HTTP_REQUEST_BODY, semconv.HTTP_RESPONSE_BODY)
    return "\n".join(
        event.attributes[name]
        for event in span.events
        for name in names
        if name in event.attributes
    ).encode()


def file_bytes(path: Path) -> int:
    """Return the size of a database whose log is written back."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.stat().st_size


def save_checkpoints(
    path: Path, histories: Iterable[tuple[str, Sequence[JsonValue]]]
) -> None:
    """Save a checkpoint for each state of a conversation, as LangGraph does.

    Args:
        path: The file.
        histories: The thread, and its messages after each step.

    Raises:
        ImportError: `langgraph-checkpoint-sqlite` is not there.
    """
    from langgraph.checkpoint.base import empty_checkpoint  # noqa: PLC0415
    from langgraph.checkpoint.sqlite import SqliteSaver  # noqa: PLC0415

    with SqliteSaver.from_conn_string(str(path)) as saver:
        configs: dict[str, dict[str, dict[str, str]]] = {}
        for step, (thread, messages) in enumerate(histories):
            config = configs.get(thread) or {
                "configurable": {"thread_id": thread, "checkpoint_ns": ""}
            }
            checkpoint = empty_checkpoint()
            version = f"{step:032}.0"
            checkpoint["channel_values"] = {"messages": [*messages]}
            checkpoint["channel_versions"] = {"messages": version}
            metadata = {"source": "loop", "step": step, "parents": {}}
            configs[thread] = saver.put(
                config, checkpoint, metadata, {"messages": version}
            )
