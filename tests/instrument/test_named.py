"""Tools named in the settings, in modules and in the script itself."""

from __future__ import annotations

import importlib
import inspect
import logging
import os
import subprocess
import sys
import textwrap
from pathlib import Path

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


# --- names ---------------------------------------------------------------------------


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


# --- modules -------------------------------------------------------------------------


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


# --- the script itself -----------------------------------------------------------------

SCRIPT = """
    def early(word):
        return word

    found = [early("a")]
    if True:
        def late(word):
            return word
    late("b")

    class Mailer:
        @staticmethod
        def send(text):
            return text

    Mailer.send("c")

    async def later(word):
        return word

    import asyncio
    asyncio.run(later("d"))

    import functools

    @functools.cache
    def cached(word):
        return word

    cached("e"), cached("e")
"""
NAMES = ["early", "late", "Mailer.send", "later", "cached"]
INSTALL = """
    import atexit, json, sys
    sys.path.insert(0, {root!r})
    from otel_agent_replay import intercept
    from otel_agent_replay.instrument import named
    from tests.instrument.tape import Tape
    tape = Tape()
    intercept.install(tape)
    named.install({tools!r})
    atexit.register(lambda: print(json.dumps([each.call.inputs for each in tape.entries])))
"""
ROOT = str(Path(__file__).parents[2])


def install_code(tools) -> str:
    return textwrap.dedent(INSTALL).format(
        root=ROOT, tools=[f"__main__:{t}" for t in tools]
    )


def run(
    folder: Path, *command: str, site: str = "", said: str = "", **environment: str
):
    (folder / "site").mkdir(exist_ok=True)
    (folder / "site" / "sitecustomize.py").write_text(site)
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "site"), **environment},
        input=said,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


EXPECTED = '[{"word": "a"}, {"word": "b"}, {"text": "c"}, {"word": "d"}, {"word": "e"}, {"word": "e"}]'


@pytest.mark.parametrize("started", ["by the launcher", "by the script", "as a module"])
def test_functions_of_the_script(tmp_path, started):
    """Each from its first call on, wherever it is defined; nobody traces after that."""
    script = textwrap.dedent(SCRIPT) + "\nimport sys\nassert sys.gettrace() is None\n"
    site = ""
    if started == "by the script":
        script = install_code(NAMES) + script
    else:
        site = install_code(NAMES)
    (tmp_path / "script.py").write_text(script)
    command = ["-m", "script"] if started == "as a module" else ["script.py"]

    done = run(tmp_path, *command, site=site)

    assert done.stdout.strip() == EXPECTED
    assert done.stderr == ""


def test_a_name_that_the_script_never_defines(tmp_path):
    """A warning at its end, and no trace function left."""
    (tmp_path / "script.py").write_text(
        install_code(["typo"]) + textwrap.dedent(SCRIPT)
    )

    done = run(tmp_path, "script.py")

    assert "__main__:typo cannot be recorded" in done.stderr


def test_a_placeholder_is_waited_through(tmp_path):
    """A name may stand for something else first."""
    script = "f = None\ndef f(word):\n    return word\nf('a')\n"
    (tmp_path / "script.py").write_text(install_code(["f"]) + script)

    done = run(tmp_path, "script.py")

    assert done.stdout.strip() == '[{"word": "a"}]'
    assert done.stderr == ""


TRACED = """
    import sys
    seen = []

    def local(frame, event, argument):
        seen.append((frame.f_code.co_name, event, frame.f_lineno))
        return local

    def tracer(frame, event, argument):
        if frame.f_code.co_filename != __file__:
            return None
        return local(frame, event, argument)

    def work():
        return 1

    sys.settrace(tracer)
    sys._getframe().f_trace = local
    PLACE
    work()
    def f(word):
        return word
    f("a")
    work()
    ended = sys.gettrace()
    sys.settrace(None)
    assert ended is tracer, ended
    del seen[-2:]
    print([each for each in seen if each[2] > 0])
"""


def test_another_trace_function_goes_on(tmp_path):
    """It sees what it would have seen alone, and is left in charge."""
    script = textwrap.dedent(TRACED)
    (tmp_path / "alone.py").write_text(script.replace("PLACE", "pass"))
    (tmp_path / "beside.py").write_text(
        install_code([]) + script.replace("PLACE", 'named.install(["__main__:f"])')
    )
    shift = install_code([]).count("\n")

    alone, beside = run(tmp_path, "alone.py"), run(tmp_path, "beside.py")

    expected = eval(alone.stdout)  # noqa: S307 - our own output
    seen, calls = beside.stdout.splitlines()
    assert [(name, event, line - shift) for name, event, line in eval(seen)] == expected  # noqa: S307
    assert calls == '[{"word": "a"}]'


@pytest.mark.parametrize("core", ["ctrace", "pytrace"])
def test_coverage_goes_on(tmp_path, core):
    """Every line is counted, before and after, in functions and outside."""
    pytest.importorskip("coverage")
    script = install_code(NAMES) + textwrap.dedent(SCRIPT)
    (tmp_path / "script.py").write_text(script)

    done = run(
        tmp_path,
        *["-m", "coverage", "run", "--branch", "--include=script.py", "script.py"],
        COVERAGE_CORE=core,
    )
    report = run(tmp_path, *["-m", "coverage", "report", "-m", "--fail-under=100"])

    assert done.stdout.strip() == EXPECTED
    assert done.stderr == ""
    assert "100%" in report.stdout


def test_a_debugger_goes_on(tmp_path):
    """It stops where it was told to, before and after the names have come."""
    script = "before = 1\ndef f(word):\n    return word\n\nf('a')\nafter = 2\n"
    (tmp_path / "alone.py").write_text(script)
    (tmp_path / "beside.py").write_text(install_code(["f"]) + script)
    shift = install_code([]).count("\n")

    def debug(name: str, shift: int) -> str:
        commands = [f"break {line + shift}" for line in (1, 3, 6)]
        stop = ["continue"] if shift else []  # it stops at the first line by itself
        commands += [*stop, "continue", "p word", "continue", "next", "p after", "quit"]
        return run(tmp_path, "-m", "pdb", name, said="\n".join(commands)).stdout

    alone, beside = debug("alone.py", 0), debug("beside.py", shift)

    for place in (
        "-> before = 1",
        "-> return word",
        "-> after = 2",
        "(Pdb) 'a'",
        "(Pdb) 2",
    ):
        assert place in alone
        assert place in beside
