"""Exceptions that cannot be had back, and those that are hard to record."""

from __future__ import annotations

import sys
import types

import pytest

from otel_agent_replay.errors import RecordedError
from otel_agent_replay.model.call import RecordedException
from otel_agent_replay.model.exceptions import rebuild_exception, record_exception
from tests.model.raised import Form, raised_by


@pytest.mark.parametrize(
    "name",
    ["gone:Error", "gone.module:Error", "", "builtins:", "builtins:eval", "os:system"],
)
def test_a_class_that_is_not_loaded_is_stood_for(name):
    """By an error that names it; nothing is imported, nothing run."""
    again = rebuild_exception(RecordedException(type_name=name, message="text"))

    assert type(again) is RecordedError
    assert (again.type_name, again.message) == (name, "text")
    assert "gone" not in sys.modules


def test_what_stands_for_an_exception_is_recorded_as_that():
    """A replay that ends with it ended as the recording did."""
    recorded = RecordedException(type_name="gone:Error", message="text")

    again = record_exception(rebuild_exception(recorded))

    assert (again.type_name, again.message) == ("gone:Error", "text")


def test_what_cannot_be_made_is_stood_for_by_its_kind():
    """A handler of `ValueError` still catches it."""
    name = "builtins:UnicodeDecodeError"
    again = rebuild_exception(RecordedException(type_name=name, message="bad"))

    assert isinstance(again, RecordedError)
    assert isinstance(again, ValueError)
    assert again.type_name == name


def test_no_module_is_asked_for_what_it_does_not_have(monkeypatch):
    """A module that imports on demand would run code by a stored name."""
    asked: list[str] = []
    module = types.ModuleType("lazy")
    module.__getattr__ = asked.append
    monkeypatch.setitem(sys.modules, "lazy", module)

    again = rebuild_exception(RecordedException(type_name="lazy:Error", message=""))

    assert type(again) is RecordedError
    assert asked == []


@pytest.mark.parametrize(
    "args",
    [({"$type": "object", "class": "os:system", "value": {}},), ("a",) * 9, ([[]],)],
    ids=str,
)
@pytest.mark.parametrize(
    "name", ["ValueError", "OSError", "UnicodeDecodeError", "ExceptionGroup"]
)
def test_damaged_arguments_raise_nothing(name, args):
    """The exception comes back as well as it can."""
    recorded = RecordedException(
        type_name=f"builtins:{name}",
        message="m",
        args=args,
        attributes={"__class__": 1, "args": 2, "__dict__": 3, "name": 4},
    )

    assert isinstance(rebuild_exception(recorded), Exception)


class UnspeakableError(Exception):
    @property
    def args(self):
        raise RuntimeError

    def __str__(self) -> str:
        raise RuntimeError

    @property
    def __dict__(self):
        raise RuntimeError


def test_an_exception_that_fails_itself_is_recorded():
    """Its class is all that is sure."""
    recorded = record_exception(UnspeakableError("a"))

    assert recorded.type_name.endswith(":UnspeakableError")
    assert recorded.message == ""


def test_a_stack_overflow_is_recorded():
    """At the end of the stack, too."""

    def deeper() -> RecordedException:
        try:
            return deeper()
        except RecursionError as error:
            return record_exception(error)

    assert deeper().type_name == "builtins:RecursionError"


def test_a_loop_of_exceptions_is_recorded():
    """Among the arguments and among the causes."""
    error = ValueError()
    error.args = (error,)
    error.__cause__ = error

    assert record_exception(error).type_name == "builtins:ValueError"


def test_the_stack_is_recorded():
    """It says where it came from."""
    recorded = record_exception(raised_by(lambda: Form.model_validate({})))

    assert "raised.py" in recorded.stacktrace


def test_a_deep_stack_is_recorded_from_where_it_broke():
    """Each of many calls inside each other writes it down, so it has a limit."""

    def there(depth: int) -> None:
        return back(depth - 1) if depth else Form.model_validate({})

    def back(depth: int) -> None:
        return there(depth - 1)

    recorded = record_exception(raised_by(lambda: there(400)))

    assert recorded.stacktrace.count("  File ") == 100
    assert "Form.model_validate({})" in recorded.stacktrace
