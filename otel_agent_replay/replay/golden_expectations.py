r"""What has to hold of the replay of a bad run: a small language, parsed, never run.

    answer = Not found.            the answer is this text, or this JSON value
    answer ~ ^Not found            a regular expression is found in the answer
    answer !~ 90 days
    calls(search_docs) <= 3        how often a tool was called; calls() counts all
    steps < 10
    state.retrieved = 5            the last state, and one after a step
    state@3.docs[0].title != null
    cost_usd <= 0.05               also tokens
    status = success

A number is compared with `=`, `!=`, `<`, `<=`, `>` and `>=`, anything else with `=`,
`!=`, `~` and `!~`. What is not there (a state never told, a cost not known) meets
nothing.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from otel_agent_replay.errors import ConfigurationError, StepNotFoundError
from otel_agent_replay.model.payload import JsonValue, canonical_json, dump_json
from otel_agent_replay.model.untrusted import parse_payload
from otel_agent_replay.replay.golden_view import GoldenRun

__all__ = ["Expectation", "Unmet", "parse_expectation", "unmet"]

_LONGEST: Final = 1000
_SEARCHED: Final = 100_000
"""Characters of an answer that a regular expression is looked for in."""
_SUBJECT: Final = re.compile(
    r"(?:(?P<plain>answer|steps|cost_usd|tokens|status)"
    r"|calls\((?P<tool>[^()]*)\)"
    r"|state(?:@(?P<step>\d{1,6}))?(?P<path>(?:\.[^\s.\[\]=!<>~]+|\[\d{1,6}\])*))"
    r"\s*(?P<sign><=|>=|!=|!~|==|=|<|>|~)\s*(?P<value>.*)",
    re.DOTALL,
)
_PATH: Final = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")
_NUMBERS: Final[dict[str, Callable[[float, float], bool]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_COUNTED: Final = frozenset({"steps", "cost_usd", "tokens"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """One thing that has to hold.

    Attributes:
        text: As it was written.
        subject: `answer`, `calls`, `steps`, `state`, `cost_usd`, `tokens`, `status`.
        tool: The tool of `calls`; empty for all.
        step: The step of `state`; None for the last state.
        path: The keys into the state.
        sign: How it is compared.
        value: With what, as written.
    """

    text: str
    subject: str
    tool: str = ""
    step: int | None = None
    path: tuple[str | int, ...] = ()
    sign: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmet:
    """An expectation that does not hold, and what was found instead."""

    text: str
    found: str

    def __str__(self) -> str:
        return f"expected {self.text}; found {self.found}"


class _AbsentError(LookupError):
    """What is asked about is not there; the message says what."""


def parse_expectation(text: str) -> Expectation:
    """Return what a text expects.

    Raises:
        ConfigurationError: It is no expectation; the message says what one is.
    """
    found = _SUBJECT.fullmatch(text.strip())
    if found is None or len(text) > _LONGEST:
        raise _wrong(text, "it is none of: " + _FORMS)
    subject = found["plain"] or ("calls" if found["tool"] is not None else "state")
    sign = "=" if found["sign"] == "==" else found["sign"]
    made = Expectation(
        text=text.strip(),
        subject=subject,
        tool=(found["tool"] or "").strip(),
        step=None if found["step"] is None else int(found["step"]),
        path=_path(found["path"] or ""),
        sign=sign,
        value=found["value"].strip(),
    )
    _check(made)
    return made


_FORMS: Final = (
    "answer = TEXT, answer ~ REGEX, calls(TOOL) <= N, steps <= N, state@STEP.PATH = "
    "VALUE, state.PATH = VALUE, cost_usd <= N, tokens <= N, status = WORD"
)


def _wrong(text: str, problem: str) -> ConfigurationError:
    return ConfigurationError("expect", f"{text[:200]!r}: {problem}")


def _path(text: str) -> tuple[str | int, ...]:
    return tuple(int(index) if index else name for name, index in _PATH.findall(text))


def _check(made: Expectation) -> None:
    counted = made.subject in _COUNTED or made.subject == "calls"
    if made.sign in {"~", "!~"}:
        if counted:
            raise _wrong(made.text, f"{made.subject} is a number")
        try:
            re.compile(made.value)
        except re.error as error:
            raise _wrong(made.text, f"no regular expression: {error}") from None
    elif counted or made.sign in {"<", "<=", ">", ">="}:
        try:
            float(made.value)
        except ValueError:
            raise _wrong(made.text, f"{made.value!r} is no number") from None


def unmet(expectations: Iterable[str], run: GoldenRun) -> tuple[Unmet, ...]:
    """Return the expectations that do not hold of a run.

    Raises:
        ConfigurationError: One of them is none.
    """
    found = (_unmet(parse_expectation(each), run) for each in expectations)
    return tuple(each for each in found if each is not None)


def _unmet(expected: Expectation, run: GoldenRun) -> Unmet | None:
    try:
        value = _value(expected, run)
    except _AbsentError as error:
        return Unmet(text=expected.text, found=str(error))
    if _holds(expected, value):
        return None
    shown = value if isinstance(value, str) else dump_json(value)
    return Unmet(text=expected.text, found=shown[:_LONGEST])


def _value(expected: Expectation, run: GoldenRun) -> JsonValue:
    if expected.subject == "state":
        return _state(expected, run)
    if expected.subject == "calls":
        return run.calls(expected.tool or None)
    if expected.subject == "answer" and run.error is not None:
        raise _AbsentError(f"no answer but {run.error}")
    value = _OF_A_RUN[expected.subject](run)
    if expected.subject == "cost_usd" and value is None:
        raise _AbsentError("no step with a known price")
    return value


_OF_A_RUN: Final[dict[str, Callable[[GoldenRun], JsonValue]]] = {
    "answer": lambda run: run.answer,
    "cost_usd": lambda run: run.cost_usd,
    "status": lambda run: run.status,
    "steps": lambda run: len(run.steps),
    "tokens": lambda run: run.tokens,
}


def _state(expected: Expectation, run: GoldenRun) -> JsonValue:
    try:
        if expected.step is not None:
            value = run.state_at(expected.step)
        elif run.states:
            value = run.state
        else:
            raise _AbsentError("no state: the agent called no checkpoint(state)")
    except StepNotFoundError:
        raise _AbsentError(f"only {len(run.steps)} steps") from None
    except LookupError as error:
        raise _AbsentError(str(error)) from None
    for key in expected.path:
        match value, key:
            case dict(), str() if key in value:
                value = value[key]
            case list(), int() if key < len(value):
                value = value[key]
            case _:
                raise _AbsentError(f"no {key!r} in {dump_json(value)[:_LONGEST]}")
    return value


def _holds(expected: Expectation, value: JsonValue) -> bool:
    sign = expected.sign
    if sign in {"~", "!~"}:
        text = value if isinstance(value, str) else dump_json(value)
        return bool(re.search(expected.value, text[:_SEARCHED])) == (sign == "~")
    number = _number(expected.value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number is not None and _NUMBERS[sign](value, number)
    if sign not in {"=", "!="}:
        return False
    return _same(expected.value, value) == (sign == "=")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _same(text: str, value: JsonValue) -> bool:
    """Return whether a value is this text, or the JSON value that the text is."""
    if isinstance(value, str) and value == text:
        return True
    try:
        wanted = parse_payload(text)
    except ValueError:
        return False
    return canonical_json(wanted) == canonical_json(value)
