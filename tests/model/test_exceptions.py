"""Exceptions come back as their class, with all that handlers ask for."""

from __future__ import annotations

import dataclasses
import errno
import json
import subprocess
from pathlib import Path
from typing import ClassVar, Self

import httpx
import openai
import pytest
import requests

from otel_agent_replay.errors import RecordedError, RunNotFoundError
from otel_agent_replay.model.call import Call, Outcome, RecordedException
from otel_agent_replay.model.encoding import call_events, read_call
from otel_agent_replay.model.exceptions import rebuild_exception, record_exception
from tests.model.raised import Form, raised_by


def stored(error: BaseException) -> RecordedException:
    """Return an exception as a store gives it back."""
    call = Call(kind="tool", name="f", inputs={})
    events = call_events(call, Outcome(error=record_exception(error)))
    reading = read_call("tool", "f", "read", {}, events)
    assert reading.outcome.error is not None
    return reading.outcome.error


def back(error: BaseException) -> BaseException:
    return rebuild_exception(stored(error))


class RateLimitedError(Exception):
    """Takes other arguments than it gives on, and tells more than its text."""

    def __init__(self, retry_after: float, *, scope: str) -> None:
        super().__init__(f"retry after {retry_after} s")
        self.retry_after = retry_after
        self.scope = scope
        self.lock = object()


class DescribingError(Exception):
    """Makes its text of attributes."""

    def __init__(self, code: int) -> None:
        self.code = code

    def __str__(self) -> str:
        return f"code {self.code}"


class MysteriousError(Exception):
    """Makes its text of what cannot be stored."""

    def __init__(self, thing: object) -> None:
        self.thing = thing

    def __str__(self) -> str:
        return f"about {type(self.thing).__name__}"


class RegisteredError(Exception):
    """Notes its subclasses; its text is its own."""

    known: ClassVar[list[type]] = []

    def __init_subclass__(cls) -> None:
        RegisteredError.known.append(cls)

    def __init__(self, thing: object) -> None:
        self.thing = thing

    def __str__(self) -> str:
        return f"about {type(self.thing).__name__}"


class FileTroubleError(OSError):
    """An operating system error with arguments of its own."""

    def __init__(self, path: str) -> None:
        super().__init__(errno.EACCES, "refused", path)
        self.hint = "ask"


@dataclasses.dataclass
class FailureError(Exception):
    """An exception that is a dataclass."""

    reason: str
    count: int = 1


class EagerError(Exception):
    """Does things when it is made."""

    made = 0

    def __new__(cls, *args: object) -> Self:
        cls.made += 1
        return super().__new__(cls, *args)

    def __init__(self, *_: object) -> None:
        type(self).made += 1


def openai_error() -> openai.RateLimitError:
    request = httpx.Request("POST", "https://api.openai.com/v1/chat/completions")
    return openai.RateLimitError(
        "slow down",
        response=httpx.Response(429, request=request, headers={"x-request-id": "r-1"}),
        body={"code": "rate_limit", "message": "slow down"},
    )


ERRORS = [
    ValueError(),
    ValueError("text"),
    ValueError(1, "two", None, 2.5),
    ValueError(b"bytes", (1, 2), {3}),
    KeyError("key"),
    KeyError(("a", 1)),
    SystemExit(3),
    KeyboardInterrupt(),
    StopIteration([1]),
    raised_by(b"\xff".decode),
    raised_by("\udcff".encode),
    raised_by(lambda: json.loads("{")),
    raised_by(lambda: Path("/none/such").read_text()),
    raised_by(lambda: Path("/none/a").rename("/none/b")),
    raised_by(lambda: compile("a b", "name.py", "exec")),
    raised_by(lambda: __import__("no.such.module")),
    raised_by(lambda: [].nothing),
    raised_by(lambda: undefined_name),  # noqa: F821
    ConnectionResetError(104, "reset by peer"),
    TimeoutError(),
    FileTroubleError("a.txt"),
    RateLimitedError(2.5, scope="day"),
    DescribingError(7),
    FailureError("no", 3),
    subprocess.CalledProcessError(2, ["ls", "-l"], output=b"out"),
    RunNotFoundError("r-1"),
    ExceptionGroup("several", [ValueError("a"), RateLimitedError(1, scope="s")]),
    BaseExceptionGroup(
        "deep", [ExceptionGroup("inner", [KeyError("k")]), SystemExit(1)]
    ),
    RuntimeError("outer", ValueError("inner")),
    raised_by(lambda: Form.model_validate({"count": "x", "name": ""})),
    raised_by(lambda: Form.model_validate({"count": 1, "name": "odd"})),
    openai_error(),
    requests.exceptions.ConnectionError("refused"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
def test_exceptions_come_back(error):
    """Of the same class, with the same text and arguments."""
    again = back(error)

    assert type(again) is type(error)
    assert str(again) == str(error)
    if not isinstance(error, BaseExceptionGroup | RuntimeError):
        assert again.args == error.args


def test_what_handlers_ask_for_comes_back():
    """The fields of Python's own exceptions, and values that others keep."""
    missing = back(raised_by(lambda: Path("/none/such").read_text()))
    undecodable = back(raised_by(b"a\xff".decode))
    unparsable = back(raised_by(lambda: json.loads("[1,")))
    unknown = back(raised_by(lambda: __import__("no_such_module")))
    limited = back(RateLimitedError(2.5, scope="day"))
    refused = back(openai_error())
    failed = back(subprocess.CalledProcessError(2, ["ls"], output=b"out"))
    own = back(FileTroubleError("a.txt"))

    assert (missing.errno, missing.filename) == (errno.ENOENT, "/none/such")
    assert (undecodable.start, undecodable.reason) == (1, "invalid start byte")
    assert (unparsable.doc, unparsable.pos) == ("[1,", 3)
    assert unknown.name == "no_such_module"
    assert (limited.retry_after, limited.scope) == (2.5, "day")
    assert (refused.status_code, refused.code, refused.request_id) == (
        429,
        "rate_limit",
        "r-1",
    )
    assert (failed.returncode, failed.cmd, failed.stdout) == (2, ["ls"], b"out")
    assert (own.filename, own.hint) == ("a.txt", "ask")


def test_a_group_can_be_taken_apart_again():
    """`except*` finds in it what it found."""
    group = back(
        ExceptionGroup("g", [ValueError("a"), ExceptionGroup("h", [KeyError(1)])])
    )

    values, rest = group.split(ValueError)

    assert [str(each) for each in values.exceptions] == ["a"]
    assert rest.exceptions[0].exceptions[0].args == (1,)


def test_validation_errors_can_be_asked():
    """Place, kind and input of each error."""
    error = raised_by(lambda: Form.model_validate({"count": "x", "name": ""}))

    again = back(error)

    assert again.error_count() == 2
    for name in ("loc", "type", "msg", "input"):
        assert [e[name] for e in again.errors()] == [e[name] for e in error.errors()]


def test_notes_come_back():
    """Tracebacks show them."""
    error = ValueError("a")
    error.add_note("while reading")

    assert back(error).__notes__ == ["while reading"]


def test_a_text_that_cannot_be_made_again_is_fixed():
    """The class is still the class, and the text the recorded one."""
    again = back(MysteriousError(object()))

    assert isinstance(again, MysteriousError)
    assert str(again) == "about object"
    assert (
        record_exception(again).type_name
        == record_exception(MysteriousError(1)).type_name
    )


def test_arguments_that_cannot_be_stored_leave_the_text():
    """As a text alone."""
    again = back(ValueError("bad", object))

    assert type(again) is ValueError
    assert str(again) == str(ValueError("bad", object))
    assert str(back(KeyError(object))) == str(KeyError(object))


def test_a_class_with_code_in_its_making_is_not_run():
    """Neither `__new__` nor `__init__` nor `__init_subclass__`."""
    recorded = stored(EagerError("a"))
    made = EagerError.made

    again = rebuild_exception(recorded)
    assert isinstance(again, EagerError)
    assert again.args == ("a",)
    assert EagerError.made == made

    assert isinstance(back(RegisteredError(1)), RegisteredError)
    assert RegisteredError.known == []


class OfScriptError(Exception):
    """Defined in a script that is run, or imported."""


def test_a_script_is_one_module_run_or_imported(monkeypatch):
    """Its exceptions are found either way; another module's of that name are not."""
    name = OfScriptError.__qualname__
    run = RecordedException(type_name=f"__main__:{name}", message="m", args=("m",))
    imported = RecordedException(type_name=f"script:{name}", message="m", args=("m",))

    assert type(rebuild_exception(run)) is OfScriptError
    assert type(rebuild_exception(imported)) is RecordedError
    monkeypatch.setattr(OfScriptError, "__module__", "__main__")
    assert type(rebuild_exception(imported)) is OfScriptError
