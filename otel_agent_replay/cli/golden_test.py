"""The pytest file that `golden add` writes: made to be read and edited."""

from __future__ import annotations

import keyword
import re
from typing import Final

from otel_agent_replay.cli.golden_entry import Entry
from otel_agent_replay.model.payload import JsonValue
from otel_agent_replay.model.run import Run
from otel_agent_replay.replay.golden import Golden
from otel_agent_replay.replay.golden_view import GoldenRun, plain

__all__ = ["test_text"]

_KEYS: Final = {
    "anthropic": "ANTHROPIC_API_KEY",
    "azure.ai.openai": "AZURE_OPENAI_API_KEY",
    "deepseek": "DEEPSEEK_API_KEY",
    "gcp.gemini": "GEMINI_API_KEY",
    "gcp.gen_ai": "GEMINI_API_KEY",
    "groq": "GROQ_API_KEY",
    "mistral_ai": "MISTRAL_API_KEY",
    "openai": "OPENAI_API_KEY",
    "x_ai": "XAI_API_KEY",
}
"""What the SDK of a provider wants to be set before it makes a client."""
_WIDTH: Final = 88
_LONGEST: Final = 2000
_MOST_TOOLS: Final = 30


def test_text(golden: Golden, run: Run, entry: Entry) -> str:
    """Return a test that runs the agent on a golden, and says what it sees."""
    keys = sorted({name for name in map(_KEYS.get, _providers(run)) if name})
    name = re.sub(r"\W", "_", golden.name)
    arguments = ["agent_replay: AgentReplay"]
    if keys:
        arguments.append("monkeypatch: pytest.MonkeyPatch")
    setting = [
        f'monkeypatch.setenv("{key}", "unused")  # nothing is sent' for key in keys
    ]
    called = _called(entry, plain(run.input))
    body = [
        f'"""{_says(golden, run)}"""',
        *setting,
        called,
        "",
        *_asserted(golden, GoldenRun(run)),
    ]
    imports = ["import asyncio", ""] if entry.is_async else []
    return "\n".join(
        [
            f'"""A recorded run of `{entry.function}` as a test: yours to edit.',
            "",
            "Made by `agent-replay golden add`. No model, tool or network is needed.",
            '"""',
            "",
            "from __future__ import annotations",
            "",
            *imports,
            "import pytest",
            f"from {entry.module} import {entry.function}",
            "",
            "from otel_agent_replay.pytest_plugin import AgentReplay",
            "",
            "",
            f'@pytest.mark.golden("{golden.name}")',
            _signature(f"test_{name}", arguments),
            *[f"    {line}".rstrip() for line in "\n".join(body).split("\n")],
            "",
        ]
    )


def _providers(run: Run) -> list[str]:
    return [s.request.provider or "" for s in run.steps if s.request is not None]


def _signature(name: str, arguments: list[str]) -> str:
    line = f"def {name}({', '.join(arguments)}) -> None:"
    if len(line) <= _WIDTH:
        return line
    return f"def {name}(\n    {', '.join(arguments)}\n) -> None:"


def _says(golden: Golden, run: Run) -> str:
    steps = len([each for each in run.steps if not each.superseded])
    if golden.expect:
        return f"A run of {golden.recorded_on} that went wrong, {steps} steps, does not again."
    return (
        f"The run of {golden.recorded_on}, {steps} steps: asked and answered as then."
    )


def _called(entry: Entry, given: JsonValue) -> str:
    """Return the line that runs the agent with what it was given."""
    arguments = _arguments(given)
    call = f"{entry.function}({arguments})"
    line = f"asyncio.run({call})" if entry.is_async else call
    return line if entry.is_known else f"{line}  # await it, if it is a coroutine"


def _arguments(given: JsonValue) -> str:
    if not isinstance(given, dict) or not given:
        return ""
    written = ", ".join(f"{name}={_python(value)}" for name, value in given.items())
    plain_names = all(n.isidentifier() and not keyword.iskeyword(n) for n in given)
    short = len(written) <= _LONGEST
    return written if plain_names and short else "**agent_replay.input"


def _python(value: JsonValue) -> str:
    """Return a value as Python code, as formatters write it."""
    match value:
        case str() if value.isprintable() and value.isascii() and '"' not in value:
            return f'"{value}"' if "\\" not in value else repr(value)
        case list():
            return f"[{', '.join(map(_python, value))}]"
        case dict():
            items = (f"{_python(k)}: {_python(v)}" for k, v in value.items())
            return f"{{{', '.join(items)}}}"
        case _:
            return repr(value)


def _asserted(golden: Golden, run: GoldenRun) -> list[str]:
    """Return lines that assert what was seen; of a bad run, what is expected."""
    if golden.expect:
        listed = [f"#   {_one_line(each)}" for each in golden.expect]
        says = "# The test fails unless these hold; they stand in the golden."
        return [says, *listed, 'assert agent_replay.run.status == "success"']
    lines = ["run = agent_replay.run  # fails here if anything was asked otherwise"]
    if run.error is not None:
        return [*lines, f'assert run.status == "{run.status}"']
    if len(run.tools) <= _MOST_TOOLS:
        lines.append(f"assert run.tools == {_names(run.tools)}")
    answer = run.answer
    if len(repr(answer)) <= _LONGEST and not isinstance(answer, float):
        compared = "is" if answer is None or isinstance(answer, bool) else "=="
        lines.append(f"assert run.answer {compared} {_python(answer)}")
    return lines


def _names(tools: list[str]) -> str:
    quoted = [*map(_python, tools)]
    line = f"[{', '.join(quoted)}]"
    if len(line) + 24 <= _WIDTH:
        return line
    return "[\n" + "".join(f"    {each},\n" for each in quoted) + "]"


def _one_line(text: str) -> str:
    return " ".join(text.split())
