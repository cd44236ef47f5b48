"""Tools named in the settings: names, modules, functions and methods."""

from __future__ import annotations

import importlib
import inspect
import logging
import sys
import textwrap

import pytest

from otel_agent_replay.errors import ConfigurationError
from otel_agent_replay.instrument import named
from otel_agent_replay.instrument.named import NamedTool, parse_tool
from tests.instrument.tape import recorded

MODULE = """
    def search(word):
        return word

    async def later(word):
        return word

    class Mailer:
        def send(self, text):
            return text

        @staticmethod
        def check(text):
            return text

        @classmethod
        def make(cls, text):
            return cls, text

        class Inner:
            def deep(self):
                return 1

    class Better(Mailer):
        pass

    number = 3
"""


@pytest.fixture
def module(tmp_path, monkeypatch, request):
    """Return the name of a module that can be imported."""
    name = f"agent_{abs(hash(request.node.name))}"
    (tmp_path / f"{name}.py").write_text(textwrap.dedent(MODULE))
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("m:f", ("m", "f", "read")),
        ("a.b:C.f=write", ("a.b", "C.f", "write")),
        (" m : f = read ", ("m", "f", "read")),
        ("__main__:f", ("__main__", "f", "read")),
    ],
)
def test_a_setting_names_module_function_and_effect(text, expected):
    """A tool reads, unless it says otherwise."""
    module, path, effect = expected

    assert parse_tool(text) == NamedTool(module=module, path=path, effect=effect)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "f",
        ":f",
        "m:",
        "m:f=",
        "m:f=delete",
        "m:f:g",
        "m.:f",
        "m:f.",
        "m/x:f",
        "m:f()",
    ],
)
def test_what_names_no_function_is_refused(text):
    """With what is expected; nothing has been wrapped by then."""
    with pytest.raises(ConfigurationError, match="module:function"):
        named.install(["json:dumps", text])

    assert "__wrapped__" not in vars(
        inspect.getattr_static(importlib.import_module("json"), "dumps")
    )


def everything(module: str) -> list[str]:
    paths = "search later Mailer.send Mailer.check Mailer.make Mailer.Inner.deep Better.send"
    return [f"{module}:{path}" for path in paths.split()]


@pytest.mark.parametrize("when", ["before", "after"])
async def test_functions_and_methods_of_every_kind(module, when):
    """Whether their module is imported before or after."""
    if when == "before":
        importlib.import_module(module)
    named.install(everything(module))
    found = importlib.import_module(module)

    with recorded() as tape:
        assert found.search("a") == "a"
        assert await found.later("b") == "b"
        assert found.Mailer().send("c") == "c"
        assert found.Mailer.check("d") == found.Mailer().check("d") == "d"
        assert found.Mailer.make("e") == (found.Mailer, "e")
        assert found.Better.make("e") == (found.Better, "e")
        assert found.Mailer.Inner().deep() == 1
        assert found.Better().send("f") == "f"

    names = [each.call.name for each in tape.entries]
    assert names == [
        "search",
        "later",
        "send",
        "check",
        "check",
        "make",
        "make",
        "deep",
        "send",
    ]
    assert tape.inputs[2:6] == [
        {"text": "c"},
        {"text": "d"},
        {"text": "d"},
        {"text": "e"},
    ]


def test_who_imported_a_function_before_gets_the_wrapped_one(module, monkeypatch):
    """`from agent import search` above `configure()` is no trap."""
    original = importlib.import_module(module).search
    user = type(sys)("user_of_it")
    user.search, user.other = original, 3
    monkeypatch.setitem(sys.modules, "user_of_it", user)

    named.install([f"{module}:search"])

    assert user.search is importlib.import_module(module).search is not original
    assert user.search.__wrapped__ is original


def test_a_module_that_is_executed_again(module):
    """Reloaded, or imported anew."""
    named.install([f"{module}:search"])
    found = importlib.import_module(module)
    functions = [found.search, importlib.reload(found).search]
    del sys.modules[module]
    functions.append(importlib.import_module(module).search)

    assert len(set(functions)) == 3
    for function in functions:
        with recorded() as tape:
            function("a")
        assert len(tape.entries) == 1


def test_naming_twice_is_naming_once_and_the_last_effect_counts(module):
    """A call is recorded once; a tool that turns out to write is one that writes."""
    named.install([f"{module}:search"])
    found = importlib.import_module(module)
    first = found.search
    named.install([f"{module}:search"])
    assert found.search is first

    named.install([f"{module}:search=write"])

    with recorded() as tape:
        found.search("a")
    assert tape.only.call.effect == "write"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nothing", "no attribute 'nothing'"),
        ("Mailer.nothing", "nothing"),
        ("nothing.send", "no attribute 'nothing'"),
        ("number", "3 is no function"),
        ("Mailer", "Mailer is a class"),
    ],
)
def test_a_name_that_is_no_function_is_warned_of(module, path, said, caplog):
    """The import succeeds, and the other tools are recorded."""
    named.install([f"{module}:{path}", f"{module}:search"])

    found = importlib.import_module(module)

    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert f"{module}:{path}" in record.message
    assert said in record.message
    assert hasattr(found.search, "__wrapped__")


def test_a_built_in_type_cannot_be_changed(caplog):
    """That is a warning too."""
    named.install(["builtins:str.upper"])

    assert "builtins:str.upper" in caplog.text


def test_what_never_came_is_known():
    """So that it can be said at the end."""
    named.install(["no_such_module:f"])

    assert "no_such_module:f" in named.not_found()
    named._asked.clear()
