"""A golden: a recording kept as an expectation, as JSON that reads well in a diff.

One field a line, in a stable order. A JSON payload stands as JSON, a text of several
lines as its lines; both only where that gives the text back exactly. A large text
stands in a file of its own beside the golden, named by its content, so that goldens
share it; not one with carriage returns, which git and editors take or give.

A golden may come from anyone. Reading one builds plain data and nothing else; whatever
is wrong with it is a `RecordingError`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from otel_agent_replay.errors import AgentReplayError, RecordingError
from otel_agent_replay.model.payload import (
    JsonObject,
    JsonValue,
    canonical_json,
    content_hash,
    dump_json,
)
from otel_agent_replay.model.run import Recording
from otel_agent_replay.model.untrusted import parse_payload
from otel_agent_replay.replay.codec import (
    content_key,
    recording_of,
    recording_parts,
)
from otel_agent_replay.replay.golden_expectations import parse_expectation

__all__ = [
    "FORMAT",
    "LARGEST",
    "NAME",
    "VERSION",
    "Golden",
    "GoldenText",
    "dump_golden",
    "load_golden",
]

FORMAT: Final = "agent-replay/golden"
VERSION: Final = 1
LARGEST: Final = 64 << 20
"""Characters that a golden, or a body beside it, may have."""
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""What a golden may be called: a file's name, and no path."""

_BESIDE: Final = 4096
_KEY: Final = re.compile(r"[0-9a-f]{24}")
_MOST_EXPECTED: Final = 100
_WIDTH: Final = 80
_MOST_ENDS: Final = 4
"""How many newlines a formatter may have taken off the end of a body, or added."""
_CUT: Final = "it is not whole JSON; it may be cut off"
_CONFLICT: Final = (
    "it has the marks of a merge conflict in it. Take one side, or record it again: "
    "agent-replay golden update --category create, after deleting it"
)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """A recording kept as an expectation.

    Attributes:
        name: What tests call it.
        agent: The agent that was recorded.
        recorded_on: The day, as in `2026-01-31`.
        origin: The mark by which `erase` knows the run it was made of; empty if that
            is in no store.
        expect: What has to hold of a bad run's replay instead of being alike, as
            written (see `golden_expectations`); empty for a run that was right.
        recording: The run.
    """

    name: str
    agent: str
    recorded_on: str
    origin: str = ""
    expect: tuple[str, ...] = ()
    recording: Recording


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenText:
    """A golden as files: its own text, and the large bodies beside it by their keys."""

    text: str
    bodies: Mapping[str, str]


class _DamagedError(ValueError):
    """Something in the file is not as it must be; the message says what."""


# --- writing -------------------------------------------------------------------


def dump_golden(golden: Golden) -> GoldenText:
    """Return a golden as files; equal goldens give equal texts."""
    contents, spans = recording_parts(golden.recording)
    bodies = {
        key: text
        for key, text in contents.items()
        if isinstance(text, str) and len(text) >= _BESIDE and "\r" not in text
    }
    expect: list[JsonValue] = [*golden.expect]
    value: JsonObject = {
        "format": FORMAT,
        "version": VERSION,
        "name": golden.name,
        "agent": golden.agent,
        "recorded_on": golden.recorded_on,
        "origin": golden.origin,
        "expect": expect,
        "run_id": golden.recording.run_id,
        "digest": _digest(golden.recording.run_id, contents, spans),
        "bodies": list[JsonValue](sorted(bodies)),
        "contents": {
            key: _readable(content)
            for key, content in contents.items()
            if key not in bodies
        },
        "spans": [_readable_span(each) for each in spans],
    }
    return GoldenText(text=_lines(value) + "\n", bodies=bodies)


def _digest(run_id: str, contents: JsonObject, spans: list[JsonValue]) -> str:
    return content_hash(canonical_json([run_id, contents, spans]))


def _lines(value: JsonValue, indent: str = "") -> str:
    """Return JSON text with a field a line; a short list of plain values stays on one."""
    deeper = indent + " "
    if isinstance(value, dict) and value:
        fields = [
            f"{deeper}{dump_json(key)}: {_lines(item, deeper)}"
            for key, item in value.items()
        ]
        return "{\n" + ",\n".join(fields) + f"\n{indent}}}"
    if isinstance(value, list) and not _fits(value):
        items = [deeper + _lines(item, deeper) for item in value]
        return "[\n" + ",\n".join(items) + f"\n{indent}]"
    return dump_json(value)


def _fits(value: list[JsonValue]) -> bool:
    plain = not any(isinstance(each, dict | list) for each in value)
    return plain and len(dump_json(value)) <= _WIDTH


def _readable_span(span: JsonValue) -> JsonValue:
    """Return a span whose attributes, and those of its events, read well."""
    if isinstance(span, list):
        return [_readable_span(each) for each in span]
    if not isinstance(span, dict):
        return span
    return {
        key: {name: _readable(text) for name, text in value.items()}
        if key in _ATTRIBUTES and isinstance(value, dict)
        else _readable_span(value)
        for key, value in span.items()
    }


_ATTRIBUTES: Final = frozenset({"attributes", "resource"})


def _readable(content: JsonValue) -> JsonValue:
    if isinstance(content, list):
        return [_readable(each) for each in content]
    if not isinstance(content, str):
        return content
    comma = content.startswith(",")
    value = _as_json(content[1:] if comma else content)
    if value is not None:
        return [",", value] if comma else value
    lines = content.split("\n")
    return {"lines": [*lines]} if len(lines) > 2 else content  # noqa: PLR2004 - worth it


def _as_json(text: str) -> JsonValue:
    """Return a JSON text as JSON, None where that would not give it back exactly."""
    if not text.startswith(("{", "[")):
        return None
    try:
        value = parse_payload(text)
    except ValueError:
        return None
    return {"json": value} if dump_json(value) == text else None


# --- reading -------------------------------------------------------------------


def load_golden(text: str, source: str, body: Callable[[str], str]) -> Golden:
    """Return the golden of a file's text.

    Args:
        text: The file.
        source: What to call it in an error, such as its path.
        body: Reads a large body by its key.

    Raises:
        RecordingError: It is no golden, damaged, too large, or of a version that this
            package does not know.
    """
    try:
        wire = _checked(text)
        contents = _contents(wire, body)
        spans = [_plain_span(each) for each in _list(wire, "spans")]
        run_id = _text(wire, "run_id")
        _check_digest(wire, _digest(run_id, contents, spans))
        return Golden(
            name=_text(wire, "name"),
            agent=_text(wire, "agent"),
            recorded_on=_day(wire),
            origin=_origin(wire),
            expect=_expectations(wire),
            recording=recording_of(run_id, contents, spans, source),
        )
    except _DamagedError as error:
        raise RecordingError(source, str(error)) from None
    except (ValueError, RecursionError, OverflowError) as error:
        if isinstance(error, AgentReplayError):
            raise
        raise RecordingError(source, "it is nested too deep, or no text") from None


def _check_digest(wire: JsonObject, digest: str) -> None:
    if wire.get("digest") != digest:
        problem = "its digest does not fit: something in it was changed or removed"
        raise _DamagedError(problem)


def _checked(text: str) -> JsonObject:
    if not text.strip():
        raise _DamagedError("it is empty")
    if len(text) > LARGEST:
        raise _DamagedError(f"it has {len(text)} characters, more than {LARGEST}")
    try:
        wire = parse_payload(text)
    except ValueError:
        conflict = all(f"\n{mark} " in f"\n{text}" for mark in ("<<<<<<<", ">>>>>>>"))
        raise _DamagedError(_CONFLICT if conflict else _CUT) from None
    if not isinstance(wire, dict) or wire.get("format") != FORMAT:
        raise _DamagedError(f'its "format" is not "{FORMAT}"')
    version = wire.get("version")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise _DamagedError('its "version" is no version')
    if version > VERSION:
        raise _DamagedError(
            f"it has version {version}, this package knows up to {VERSION}; upgrade "
            "otel-agent-replay"
        )
    return wire


def _contents(wire: JsonObject, body: Callable[[str], str]) -> JsonObject:
    given = wire.get("contents")
    if not isinstance(given, dict):
        raise _DamagedError('"contents" is no object')
    found = {key: _plain(content) for key, content in given.items()}
    size = 0
    for key in _list(wire, "bodies"):
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            raise _DamagedError('"bodies" holds what is no key of a body')
        text = body(key)
        size += len(text)
        if size > LARGEST:
            raise _DamagedError(f"its bodies have more than {LARGEST} characters")
        found[key] = _body(key, text)
    return {key: found[key] for key in sorted(found)}


def _body(key: str, text: str) -> str:
    """Return a body as it was written; its key tells how its lines ended."""
    bare = text.replace("\r\n", "\n")
    ends = (bare.rstrip("\n") + "\n" * number for number in range(_MOST_ENDS))
    for found in (text, bare, *ends):
        if content_key(found) == key:
            return found
    raise _DamagedError(
        f"the body {key} is not the one that it was made with. If a formatter or an "
        "editor changed it, keep goldens out of its way"
    )


def _plain_span(span: JsonValue) -> JsonValue:
    if isinstance(span, list):
        return [_plain_span(each) for each in span]
    if not isinstance(span, dict):
        return span
    return {
        key: {name: _plain(text) for name, text in value.items()}
        if key in _ATTRIBUTES and isinstance(value, dict)
        else _plain_span(value)
        for key, value in span.items()
    }


def _plain(content: JsonValue) -> JsonValue:
    """Return a content as the codec has it: a text, or a list of pieces."""
    match content:
        case {"json": value, **rest} if not rest:
            return dump_json(value)
        case {"lines": [*lines], **rest} if not rest:
            return "\n".join(str(each) for each in lines)
        case [",", {"json": value, **rest}] if not rest:
            return "," + dump_json(value)
        case [*pieces]:
            return [_plain(each) for each in pieces]
        case _:
            return content


def _expectations(wire: JsonObject) -> tuple[str, ...]:
    listed = _list(wire, "expect")
    if len(listed) > _MOST_EXPECTED:
        raise _DamagedError(f'"expect" has more than {_MOST_EXPECTED} entries')
    for each in listed:
        if not isinstance(each, str):
            raise _DamagedError('"expect" holds what is no text')
        parse_expectation(each)
    return tuple(str(each) for each in listed)


def _day(wire: JsonObject) -> str:
    day = _text(wire, "recorded_on")
    if not _DATE.fullmatch(day):
        raise _DamagedError('"recorded_on" is no day')
    return day


def _origin(wire: JsonObject) -> str:
    origin = wire.get("origin", "")
    if not isinstance(origin, str) or len(origin) > _WIDTH:
        raise _DamagedError('"origin" is no mark')
    return origin


def _list(wire: JsonObject, name: str) -> list[JsonValue]:
    value = wire.get(name)
    if not isinstance(value, list):
        raise _DamagedError(f'"{name}" is no list')
    return value


def _text(wire: JsonObject, name: str) -> str:
    value = wire.get(name)
    if not isinstance(value, str) or not value:
        raise _DamagedError(f'"{name}" is no text')
    return value
