"""What made a difference, as far as its look tells."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final

from otel_agent_replay.model.call import Kind
from otel_agent_replay.model.divergence import Cause, Divergence, FieldDifference
from otel_agent_replay.model.payload import JsonValue
from otel_agent_replay.redact.forms import pseudonyms_in
from otel_agent_replay.replay.normalise import normalised

__all__ = ["cause_of", "follows"]

_CLOCK: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
    r"|\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?: ?[AaPp][Mm]\b)?"
    r"|\d{1,2}[./]\d{1,2}[./]\d{2,4}"
    r"|\b(?:Mon|Tues?|Wed(?:nes)?|Thu(?:rs)?|Fri|Sat(?:ur)?|Sun)(?:day)?\b"
    r"|\b(?:\d{1,2}\.? )?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}"
    r"(?: \d{1,2})?,?(?: \d{4})?\b"
    r"|\b1[4-9]\d{8}(?:\d{3}|\d{6}|\d{9})?(?:\.\d+)?\b"  # Unix time
)
_RANDOM: Final = re.compile(
    r"\b0\.\d{8,}\b"
    r"|(?<![\w-])(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[A-Za-z0-9_-]{16,}(?![\w-])"
    r"|\b\d{10,}\b"
)
_RANDOM_NAMES: Final = ("uuids", "request_ids", "temp_paths")
_LEAST_RANDOM: Final = 1 << 31
_LEAST_DIGITS: Final = 10
_PART: Final = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
_RESULT_ROLES: Final = frozenset({"tool", "function"})
_RESULT_TYPES: Final = frozenset({"tool_result", "function_call_output"})
_RESULT_KEYS: Final = frozenset({"functionResponse", "function_response", "toolResult"})
_MARK: Final = "\0"


def cause_of(
    divergence: Divergence, asked: JsonValue = None, altered: Sequence[Kind] = ()
) -> Cause:
    """Return the class of what made a divergence.

    Where all that differs are pseudonyms, times, or values that look random, it is
    that. Else, where the result of a tool differs that a model was told, it is the
    tool; where a call that went live was answered in another way than then, what
    answered it; else the code.

    Args:
        divergence: The divergence.
        asked: What the live call asked for, which `divergence.fields` point into.
        altered: Kinds of the calls that went live and ended differently, in order.
    """
    looks = [_look(field) for field in divergence.fields]
    told = [look for look in looks if look is not None]
    if told and len(told) == len(looks):
        return told[0]
    plain = next(
        (f for f, look in zip(divergence.fields, looks, strict=True) if not look), None
    )
    if plain is not None and _is_result(asked, plain.path):
        return "tool"
    if altered:
        return "model" if altered[0] == "model" else "tool"
    return "code"


def follows(divergence: Divergence, earlier: Collection[Divergence]) -> bool:
    """Return whether all that differs had come up in an earlier divergence."""
    known = {_change(field) for each in earlier for field in each.fields}
    changes = [_change(field) for field in divergence.fields]
    return bool(changes) and all(change in known for change in changes)


def _change(field: FieldDifference) -> tuple[str, str]:
    return repr(field.expected), repr(field.actual)


# --- what a difference looks like ----------------------------------------------


def _look(field: FieldDifference) -> Cause | None:
    then, now = field.expected, field.actual
    if not (field.in_expected and field.in_actual):
        return None
    if isinstance(then, str) and isinstance(now, str):
        return _look_of_texts(then, now)
    if isinstance(then, int | float) and isinstance(now, int | float):
        return _look_of_numbers(then, now)
    return None


def _look_of_texts(then: str, now: str) -> Cause | None:
    if _differ_in_pseudonyms(then, now):
        return "redaction"
    if _CLOCK.sub(_MARK, then) == _CLOCK.sub(_MARK, now):
        return "clock"
    if _without_random(then) == _without_random(now):
        return "randomness"
    both = (
        _without_random(_CLOCK.sub(_MARK, then)),
        _without_random(_CLOCK.sub(_MARK, now)),
    )
    return "clock" if both[0] == both[1] else None


def _without_random(text: str) -> JsonValue:
    plain, _ = normalised(text, _RANDOM_NAMES)
    return _RANDOM.sub(_MARK, re.sub("\0[^\0]*\0", _MARK, str(plain)))


def _look_of_numbers(then: float, now: float) -> Cause | None:
    if isinstance(then, bool) or isinstance(now, bool):
        return None
    if all(normalised(each, ["timestamps"])[1] for each in (then, now)):
        return "clock"
    return "randomness" if _is_random(then) and _is_random(now) else None


def _is_random(value: float) -> bool:
    if isinstance(value, float):
        return len(repr(value).partition(".")[2]) >= _LEAST_DIGITS
    return abs(value) >= _LEAST_RANDOM


def _differ_in_pseudonyms(then: str, now: str) -> bool:
    """Return whether two texts are one but for what stands where one has pseudonyms."""
    return _fits(then, now) or _fits(now, then)


def _fits(pattern: str, text: str) -> bool:
    spans = [*pseudonyms_in(pattern)]
    ends = [0, *(end for _, end in spans)]
    starts = [*(start for start, _ in spans), len(pattern)]
    first, *others = [pattern[a:b] for a, b in zip(ends, starts, strict=True)]
    if not others or not text.startswith(first):
        return False
    *between, last = others
    at = len(first)
    for piece in between:
        found = text.find(piece, at + 1)
        if found < 0:
            return False
        at = found + len(piece)
    return text.endswith(last) and len(text) - len(last) > at


# --- where it stands ---------------------------------------------------------------


def _is_result(asked: JsonValue, path: str) -> bool:
    """Return whether a place in a model request is a tool's result."""
    value = asked
    for index, name in _PART.findall(path):
        if _holds_result(value) or name in _RESULT_KEYS:
            return True
        if index and isinstance(value, list) and int(index) < len(value):
            value = value[int(index)]
        elif name and isinstance(value, dict):
            value = value.get(name)
        else:
            return False
    return _holds_result(value)


def _holds_result(value: JsonValue) -> bool:
    if not isinstance(value, dict):
        return False
    role, kind = value.get("role"), value.get("type")
    return role in _RESULT_ROLES or kind in _RESULT_TYPES
