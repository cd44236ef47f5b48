"""Rows of the state tables in a SQLite file, to and from what they hold."""

from __future__ import annotations

import sys
from typing import Final

from otel_agent_replay.store.sqlite_statements import Values
from otel_agent_replay.store.states import (
    SavedCheckpoint,
    SavedContent,
    SavedList,
    SavedValue,
    SavedWrite,
    entries_of,
    packed_entries,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = [
    "checkpoint_of",
    "checkpoint_row",
    "content_of",
    "content_row",
    "list_of",
    "list_row",
    "unpacked",
    "value_of",
    "value_row",
    "write_of",
    "write_row",
]

_LEVEL: Final = 3
_PLAIN: Final = b"\x00"  # no zstd frame begins so


def _packed(body: bytes) -> bytes:
    packed = zstd.compress(body, _LEVEL)
    return packed if len(packed) <= len(body) else _PLAIN + body


def unpacked(stored: bytes) -> bytes:
    """Return what a stored body is."""
    if stored.startswith(_PLAIN):
        return stored[1:]
    return zstd.decompress(stored)


def checkpoint_row(each: SavedCheckpoint) -> Values:
    """Return the row of a checkpoint."""
    return (
        each.namespace,
        each.checkpoint_id,
        each.parent_id,
        each.framework_run,
        each.recorded_by,
        _packed(each.versions.encode()),
        each.form,
        _packed(each.body),
    )


def checkpoint_of(row: Values) -> SavedCheckpoint:
    """Return the checkpoint of a row that begins with its thread."""
    thread, space, name, parent, framework_run, recorded_by, versions, form, body = row
    return SavedCheckpoint(
        thread=thread,
        namespace=space,
        checkpoint_id=name,
        parent_id=parent,
        framework_run=framework_run,
        recorded_by=recorded_by,
        versions=unpacked(versions).decode(),
        form=form,
        body=unpacked(body),
    )


def value_row(each: SavedValue) -> Values:
    """Return the row of a value."""
    return each.namespace, each.channel, each.version, each.key, each.root


def value_of(row: Values) -> SavedValue:
    """Return the value of a row."""
    space, channel, version, key, root = row
    return SavedValue(
        namespace=space, channel=channel, version=version, key=key, root=root
    )


def write_row(each: SavedWrite) -> Values:
    """Return the row of a write."""
    return (
        each.namespace,
        each.checkpoint_id,
        each.task_id,
        each.position,
        each.channel,
        each.path,
        each.is_list,
        packed_entries(each.entries),
        each.recorded_by,
    )


def write_of(row: Values) -> SavedWrite:
    """Return the write of a row."""
    return SavedWrite(
        namespace=row[0],
        checkpoint_id=row[1],
        task_id=row[2],
        position=row[3],
        channel=row[4],
        path=row[5],
        is_list=bool(row[6]),
        entries=entries_of(row[7]),
        recorded_by=row[8],
    )


def list_row(each: SavedList) -> Values:
    """Return the row of a list."""
    return each.root, each.key, each.before, each.keep, packed_entries(each.entries)


def list_of(row: Values) -> SavedList:
    """Return the list of a row."""
    root, key, before, keep, entries = row
    return SavedList(
        root=root, key=key, before=before, keep=keep, entries=entries_of(entries)
    )


def content_row(each: SavedContent) -> Values:
    """Return the row of a content."""
    return each.key, each.form, _packed(each.body)


def content_of(row: Values) -> SavedContent:
    """Return the content of a row."""
    key, form, body = row
    return SavedContent(key=key, form=form, body=unpacked(body))
