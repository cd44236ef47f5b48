"""Spans of the ClickHouse store with their payloads put together. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from otel_agent_replay import semconv
from otel_agent_replay.model.reader import PayloadReader
from otel_agent_replay.model.recipe import content_item, key_in
from otel_agent_replay.model.span import SpanRecord
from otel_agent_replay.store.rows import Row, from_row

__all__ = ["inline", "lacks_payload"]


def inline(
    rows: Sequence[Row],
    scopes: Sequence[str],
    contents: Mapping[str, Mapping[str, str]],
) -> list[SpanRecord]:
    """Return the spans of rows, with payloads inline.

    Args:
        rows: The rows.
        scopes: The scope of each.
        contents: By scope, its contents by the items that name them as contents.
    """
    readers = {scope: _reader(contents.get(scope, {})) for scope in {*scopes}}
    return [
        from_row(row, readers[scope]) for row, scope in zip(rows, scopes, strict=True)
    ]


def lacks_payload(span: SpanRecord) -> bool:
    """Whether a part of what the span said was not found."""
    dropped = span.attributes.get(semconv.STEP_DROPPED)
    return dropped == semconv.DROPPED_PAYLOAD_MISSING


def _reader(contents: Mapping[str, str]) -> PayloadReader:
    def find(item: str) -> str | None:
        """Return what an item names that is a recipe, or has the whole hash."""
        key = key_in(item)
        return None if key is None else contents.get(content_item(key))

    return PayloadReader(find, contents)
