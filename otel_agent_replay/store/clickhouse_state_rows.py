"""Rows of `agent_replay_states` in ClickHouse, to and from what they hold.

The migration that makes the table says how each sort of row uses the columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from otel_agent_replay.store.states import (
    SavedCheckpoint,
    SavedContent,
    SavedList,
    SavedValue,
    SavedWrite,
    StateBatch,
    entries_of,
    packed_entries,
)

__all__ = [
    "COLUMNS",
    "SELECTED",
    "StateRow",
    "checkpoint_of",
    "content_of",
    "list_of",
    "rows_of",
    "value_of",
    "write_of",
]


class StateRow(NamedTuple):
    """A row."""

    thread: str
    sort: str
    namespace: str = ""
    name: str = ""
    part: str = ""
    number: int = 0
    parent: str = ""
    run: str = ""
    recorded_by: str = ""
    kind: str = ""
    refs: str = ""
    body: str = ""


COLUMNS: Final = {
    "Thread": "String",
    "Sort": "LowCardinality(String)",
    "Namespace": "String",
    "Name": "String",
    "Part": "String",
    "Number": "Int64",
    "Parent": "String",
    "Run": "String",
    "RecordedBy": "String",
    "Kind": "LowCardinality(String)",
    "Refs": "String",
    "Body": "String",
}
"""The type of each column, in the order of a row."""

SELECTED: Final = ", ".join(COLUMNS)
# A column of text, in which each byte is a character of its own.
_BYTES: Final = "latin-1"


def rows_of(batch: StateBatch) -> Iterator[StateRow]:
    """Yield the rows of a batch, what others build on first."""
    thread = batch.thread
    for content in batch.contents:
        yield StateRow(
            thread,
            "content",
            name=content.key.hex(),
            kind=content.form,
            body=content.body.decode(_BYTES),
        )
    for each in batch.lists:
        yield StateRow(
            thread,
            "list",
            name=each.root.hex(),
            part=each.key.hex(),
            number=each.keep,
            parent=each.before.hex(),
            refs=packed_entries(each.entries).hex(),
        )
    for value in batch.values:
        yield StateRow(
            thread,
            "value",
            namespace=value.namespace,
            name=value.channel,
            part=value.version,
            parent=value.root.hex(),
            refs=value.key.hex(),
        )
    yield from (_write_row(thread, each) for each in batch.writes)
    yield from (_checkpoint_row(thread, each) for each in batch.checkpoints)


def _write_row(thread: str, write: SavedWrite) -> StateRow:
    return StateRow(
        thread,
        "write",
        namespace=write.namespace,
        name=write.checkpoint_id,
        part=write.task_id,
        number=write.position,
        parent=write.channel,
        recorded_by=write.recorded_by,
        kind="list" if write.is_list else "one",
        refs=packed_entries(write.entries).hex(),
        body=write.path,
    )


def _checkpoint_row(thread: str, checkpoint: SavedCheckpoint) -> StateRow:
    return StateRow(
        thread,
        "checkpoint",
        namespace=checkpoint.namespace,
        name=checkpoint.checkpoint_id,
        parent=checkpoint.parent_id,
        run=checkpoint.framework_run,
        recorded_by=checkpoint.recorded_by,
        kind=checkpoint.form,
        refs=checkpoint.versions,
        body=checkpoint.body.decode(_BYTES),
    )


def checkpoint_of(row: StateRow) -> SavedCheckpoint:
    """Return the checkpoint of a row."""
    return SavedCheckpoint(
        thread=row.thread,
        namespace=row.namespace,
        checkpoint_id=row.name,
        parent_id=row.parent,
        framework_run=row.run,
        recorded_by=row.recorded_by,
        versions=row.refs,
        form=row.kind,
        body=row.body.encode(_BYTES),
    )


def write_of(row: StateRow) -> SavedWrite:
    """Return the write of a row."""
    return SavedWrite(
        namespace=row.namespace,
        checkpoint_id=row.name,
        task_id=row.part,
        position=row.number,
        channel=row.parent,
        path=row.body,
        is_list=row.kind == "list",
        entries=entries_of(bytes.fromhex(row.refs)),
        recorded_by=row.recorded_by,
    )


def value_of(row: StateRow) -> SavedValue:
    """Return the value of a row."""
    return SavedValue(
        namespace=row.namespace,
        channel=row.name,
        version=row.part,
        key=bytes.fromhex(row.refs),
        root=bytes.fromhex(row.parent),
    )


def list_of(row: StateRow) -> SavedList:
    """Return the list of a row."""
    return SavedList(
        root=bytes.fromhex(row.name),
        key=bytes.fromhex(row.part),
        before=bytes.fromhex(row.parent),
        keep=row.number,
        entries=entries_of(bytes.fromhex(row.refs)),
    )


def content_of(row: StateRow) -> SavedContent:
    """Return the content of a row."""
    return SavedContent(
        key=bytes.fromhex(row.name), form=row.kind, body=row.body.encode(_BYTES)
    )
