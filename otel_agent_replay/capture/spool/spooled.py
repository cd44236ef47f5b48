"""A packed span as a spool keeps it: one JSON object, versioned by the spool's files."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, Final

import orjson

from otel_agent_replay.model.content import PackedSpan
from otel_agent_replay.model.span import EventRecord, LinkRecord, SpanRecord, storable

__all__ = ["read_spans", "written_spans"]

_FIELDS: Final = (
    "trace_id",
    "span_id",
    "parent_span_id",
    "trace_state",
    "name",
    "kind",
    "resource",
    "scope_name",
    "scope_version",
    "attributes",
    "start_ns",
    "end_ns",
    "status_code",
    "status_message",
)
_MOST: Final = (1 << 63) - 1


def written_spans(spans: Sequence[PackedSpan]) -> bytes:
    """Return the spans as bytes, such as a store can hold.

    A lone surrogate becomes U+FFFD, a time beyond 64 bits the nearest within.
    """
    value = [_written(each) for each in spans]
    try:
        return orjson.dumps(value)
    except TypeError:
        return orjson.dumps(_storable(value))


def _written(packed: PackedSpan) -> list[Any]:
    span = packed.span
    return [
        [getattr(span, name) for name in _FIELDS],
        [(each.name, each.time_ns, each.attributes) for each in span.events],
        [
            (each.trace_id, each.span_id, each.trace_state, each.attributes)
            for each in span.links
        ],
        packed.scope,
        {base64.b64encode(key).decode(): text for key, text in packed.contents.items()},
        [base64.b64encode(key).decode() for key in packed.recipes],
    ]


def _storable(value: Any) -> Any:  # noqa: ANN401 - whatever `_written` gives
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(key): _storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(item) for item in value]
    if isinstance(value, int):  # a time that somebody gave
        return min(max(value, -_MOST - 1), _MOST)
    return value


def read_spans(content: bytes) -> tuple[PackedSpan, ...]:
    """Return the spans of `written_spans`.

    Raises:
        ValueError: It is none of its.
    """
    try:
        return tuple(_read(each) for each in orjson.loads(content))
    except (TypeError, KeyError, IndexError) as error:
        message = "the frame holds no spans"
        raise ValueError(message) from error


def _read(value: Any) -> PackedSpan:  # noqa: ANN401 - parsed JSON
    fields, events, links, scope, contents, recipes = value
    return PackedSpan(
        span=SpanRecord(
            **dict(zip(_FIELDS, fields, strict=True)),
            events=tuple(
                EventRecord(name=name, time_ns=time_ns, attributes=attributes)
                for name, time_ns, attributes in events
            ),
            links=tuple(
                LinkRecord(
                    trace_id=trace_id,
                    span_id=span_id,
                    trace_state=trace_state,
                    attributes=attributes,
                )
                for trace_id, span_id, trace_state, attributes in links
            ),
        ),
        scope=scope,
        contents={base64.b64decode(key): text for key, text in contents.items()},
        recipes=frozenset(map(base64.b64decode, recipes)),
    )
