"""The code in README and docs runs as it stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import openai
import pytest

from otel_agent_replay.cli.app import cli
from otel_agent_replay.testing import Answer, ScriptedProvider

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    """Return the code blocks of a page."""
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [code for name, code in found if name == language]


def named(pages: list[Path], language: str) -> list:
    """Return the pages that have such blocks, as parameters."""
    return [
        pytest.param(page, id=str(page.relative_to(ROOT)))
        for page in pages
        if blocks(page, language)
    ]


@pytest.mark.parametrize("page", named(PAGES, "python"))
def test_python_blocks_run(page, monkeypatch):
    """Top to bottom, in one namespace, with a model that answers anything."""
    with ScriptedProvider(script=lambda _: Answer(text="An answer.")) as provider:
        monkeypatch.setenv("OPENAI_BASE_URL", provider.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "any")
        namespace: dict[str, object] = {"__name__": "docs"}
        for code in blocks(page, "python"):
            exec(compile(code, str(page), "exec"), namespace)  # noqa: S102
        for each in namespace.values():
            if isinstance(each, openai.OpenAI):
                each.close()


def commands(page: Path) -> list[str]:
    """Return the lines of a page's shell blocks that call `agent-replay`."""
    lines = [line for code in blocks(page, "sh") for line in code.splitlines()]
    return [line for line in lines if line.strip().startswith("agent-replay ")]


@pytest.mark.parametrize("page", named(PAGES, "sh"))
def test_commands_exist(page):
    """Every `agent-replay` line names a command and options that there are."""
    for line in commands(page):
        words = shlex.split(line, comments=True)[1:]
        name, arguments = words[0], words[1:]
        if name.startswith("-"):
            continue
        command = cli.get_command(click.Context(cli), name)
        assert command is not None, line
        if "--help" not in arguments:
            command.make_context(name, [*arguments])
