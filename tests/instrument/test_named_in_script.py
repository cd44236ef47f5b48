"""Tools named in the settings that the script itself defines."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

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
