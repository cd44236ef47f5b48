"""A recording without what differs between two recordings of the same doings.

So that the diff of a golden that was recorded again shows what the agent did
otherwise, and nothing else. What a replay is answered with stays as it is.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from otel_agent_replay import semconv
from otel_agent_replay.model.payload import (
    JsonValue,
    content_hash,
    dump_json,
)
from otel_agent_replay.model.run import Recording
from otel_agent_replay.model.span import Attributes, EventRecord, LinkRecord, SpanRecord
from otel_agent_replay.model.untrusted import parse_payload

__all__ = ["day_of", "quiet"]

_ID: Final = re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{16}(?:[0-9a-f]{16})?(?![0-9A-Za-z])")
_DAY_NS: Final = 86_400 * 10**9
_TICK_NS: Final = 10**6
_LEFT_OUT: Final = frozenset(
    {
        semconv.RESPONSE_TIME_TO_FIRST_CHUNK,
        semconv.RUN_PARENT_ID,
        semconv.RUN_PARENT_RELATION,
        semconv.RUN_PARENT_STEP,
        semconv.EXCEPTION_STACKTRACE,
        semconv.RUN_CLASS,
    },
)
_ENVIRONMENT: Final = frozenset({"tools", "model_apis", "program"})
"""What a session needs to know of the recorded environment."""
_REQUEST_HEADERS: Final = frozenset({"accept", "content-encoding", "content-type"})
"""A replay is not answered by headers; these say how a body is to be read."""
_RESPONSE_NOISE: Final = frozenset(
    {
        "age",
        "alt-svc",
        "cf-cache-status",
        "cf-ray",
        "date",
        "nel",
        "openai-processing-ms",
        "report-to",
        "server-timing",
        "strict-transport-security",
        "via",
        "x-envoy-upstream-service-time",
    },
)
"""What a server's way to the client has added, and no agent reads."""


def day_of(recording: Recording) -> str:
    """Return the day a recording began, in UTC, as `2026-01-31`."""
    start = min((span.start_ns for span in recording.spans), default=0)
    return dt.datetime.fromtimestamp(start // 10**9, dt.UTC).date().isoformat()


def quiet(recording: Recording, name: str) -> Recording:
    """Return a recording with ids and times of its own kind.

    Spans are in order of start. Ids are numbers, or made of the name. Times are the
    day, and on it a millisecond for every moment at which something began or ended:
    what was before, at once with or inside another still is.
    """
    spans = sorted(recording.spans, key=_order)
    rename = _renaming(recording.run_id, spans, name)
    retime = _retiming(spans)
    return Recording(
        run_id=rename(recording.run_id),
        spans=tuple(_span(each, rename, retime) for each in spans),
    )


def _order(span: SpanRecord) -> tuple[int, int, str]:
    number = span.attributes.get(semconv.STEP_SEQUENCE, "")
    return span.start_ns, int(number) if number.isdecimal() else -1, span.span_id


def _renaming(
    run_id: str, spans: Iterable[SpanRecord], name: str
) -> Callable[[str], str]:
    """Return what puts new ids into a text, of the same length as the old."""
    new: dict[str, str] = {}

    def add(old: str, made: str) -> None:
        new.setdefault(old, made)

    add(run_id, content_hash(f"{name} run".encode())[: len(run_id)])
    for number, span in enumerate(spans, 1):
        add(span.trace_id, content_hash(f"{name} trace {len(new)}".encode())[:32])
        add(span.span_id, f"{number:016x}")
        process = span.attributes.get(semconv.STEP_PROCESS)
        if process is not None:
            made = content_hash(f"{name} process {number}".encode())
            add(process, made[: len(process)])
    return lambda text: _ID.sub(lambda found: new.get(found[0], found[0]), text)


def _retiming(spans: Iterable[SpanRecord]) -> Callable[[int], int]:
    moments = {
        moment
        for span in spans
        for moment in (span.start_ns, span.end_ns, *(e.time_ns for e in span.events))
    }
    midnight = min(moments, default=0) // _DAY_NS * _DAY_NS
    new = {
        moment: midnight + rank * _TICK_NS
        for rank, moment in enumerate(sorted(moments))
    }
    return new.__getitem__


def _span(
    span: SpanRecord, rename: Callable[[str], str], retime: Callable[[int], int]
) -> SpanRecord:
    wire = any(each.name == semconv.EVENT_HTTP_EXCHANGE for each in span.events)
    return replace(
        span,
        trace_id=rename(span.trace_id),
        span_id=rename(span.span_id),
        parent_span_id=rename(span.parent_span_id),
        trace_state="",
        resource={},
        scope_version="",
        attributes=_attributes(span.attributes, rename),
        start_ns=retime(span.start_ns),
        end_ns=retime(span.end_ns),
        events=tuple(
            EventRecord(
                name=each.name,
                time_ns=retime(each.time_ns),
                attributes=_attributes(each.attributes, rename),
            )
            for each in span.events
            # What it says is read off the wire again.
            if not (wire and each.name == semconv.EVENT_INFERENCE_DETAILS)
        ),
        links=tuple(
            LinkRecord(
                trace_id=rename(each.trace_id),
                span_id=rename(each.span_id),
                attributes=_attributes(each.attributes, rename),
            )
            for each in span.links
        ),
    )


def _attributes(attributes: Attributes, rename: Callable[[str], str]) -> dict[str, str]:
    return {
        key: rename(_QUIETER[key](text) if key in _QUIETER else text)
        for key, text in attributes.items()
        if key not in _LEFT_OUT
    }


def _environment(text: str) -> str:
    return _edited(text, lambda v: _only(v, _ENVIRONMENT))


def _only(value: JsonValue, names: frozenset[str]) -> JsonValue:
    if not isinstance(value, dict):
        return value
    return {key: item for key, item in value.items() if key in names}


def _error(text: str) -> str:
    """Paths of the machine stand in a stack trace."""
    return _edited(
        text, lambda v: {**v, "stacktrace": ""} if isinstance(v, dict) else v
    )


def _chunks(text: str) -> str:
    """Where the chunks end stays; when they came is not waited for in a replay."""
    return _edited(
        text,
        lambda v: (
            [[each[0], 0] if isinstance(each, list) and each else each for each in v]
            if isinstance(v, list)
            else v
        ),
    )


def _request_headers(text: str) -> str:
    return _headers(text, lambda name: name in _REQUEST_HEADERS)


def _response_headers(text: str) -> str:
    return _headers(text, lambda name: name not in _RESPONSE_NOISE)


def _headers(text: str, keep: Callable[[str], bool]) -> str:
    return _edited(
        text,
        lambda v: (
            [each for each in v if keep(_name(each))] if isinstance(v, list) else v
        ),
    )


def _name(header: JsonValue) -> str:
    named = isinstance(header, list) and bool(header)
    return str(header[0]).lower() if named and isinstance(header, list) else ""


def _edited(text: str, edit: Callable[[JsonValue], JsonValue]) -> str:
    try:
        return dump_json(edit(parse_payload(text)))
    except ValueError:
        return text


_QUIETER: Final[Mapping[str, Callable[[str], str]]] = {
    semconv.RUN_ENVIRONMENT: _environment,
    semconv.CALL_ERROR: _error,
    semconv.HTTP_RESPONSE_CHUNKS: _chunks,
    semconv.HTTP_REQUEST_HEADERS: _request_headers,
    semconv.HTTP_RESPONSE_HEADERS: _response_headers,
}
