"""A whole project as a dict of files, run as its owner would run it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from otel_agent_replay import open_store

ROOT = Path(__file__).parents[2]
OUTER = "AGENT_REPLAY_", "PYTEST_"
"""What the environment says of the pytest that this runs under."""
COUNTS = re.compile(r"(\d+) (passed|failed|errors?|skipped|xfailed)")
AGENT = '''\
import os

from otel_agent_replay import agent, checkpoint, tool

PAGES = {"refunds": "five days", "shoes": "ten days"}
CHANGE = os.environ.get("CHANGE", "")


@tool
def look_up(word: str) -> str:
    """Return a page."""
    assert "OFFLINE" not in os.environ, "went live"
    return PAGES[word]


@agent(name="clerk", version="1")
def clerk(words: list[str]) -> str:
    """Look words up and say what was found."""
    if CHANGE == "nothing":
        return "nothing"
    state = {"retrieved": 0}
    found = []
    for word in words[1:] if CHANGE == "less" else words:
        found.append(look_up("hats" if CHANGE == "other" else word))
        state["retrieved"] += 1
        state = checkpoint(state)
    return "all" if CHANGE == "answer" else ", ".join(found)
'''


@dataclass(frozen=True)
class Done:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def counts(self) -> dict[str, int]:
        """Return what pytest counted at its end."""
        found = COUNTS.findall(self.out.splitlines()[-1]) if self.out else []
        return {name.removesuffix("s"): int(number) for number, name in found}

    @property
    def json(self):
        """Return what it printed as JSON."""
        return json.loads(self.out)


class Project:
    """A directory of files."""

    def __init__(self, folder: Path, files: Mapping[str, str]) -> None:
        self.folder = folder
        self.write(files)

    def write(self, files: Mapping[str, str]) -> None:
        """Write files, by path."""
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(content), encoding="utf-8")

    def files(self) -> dict[str, bytes]:
        """Return every file but what runs leave behind."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file()
            and "__pycache__" not in path.parts
            and not {".agent-replay", ".pytest_cache"} & set(path.parts)
        }

    def python(self, *words: str, **added: str) -> Done:
        """Run Python in the directory, with the package and the directory to import."""
        known = {k: v for k, v in os.environ.items() if not k.startswith(OUTER)}
        known.pop("CI", None)
        paths = [str(self.folder), str(ROOT)]
        done = subprocess.run(
            [sys.executable, *words],
            cwd=self.folder,
            env={**known, "PYTHONPATH": os.pathsep.join(paths), **added},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def cli(self, *words: str, **added: str) -> Done:
        """Run `agent-replay`."""
        return self.python("-m", "otel_agent_replay.cli", *words, **added)

    def pytest(self, *words: str, **added: str) -> Done:
        """Run pytest as most do, offline."""
        quiet = ("-q", "-p", "no:cacheprovider", "-p", "otel_agent_replay_pytest")
        # Plugins that happen to be installed cost each run seconds.
        alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "OFFLINE": "1"}
        return self.python("-m", "pytest", *quiet, *words, **{**alone, **added})


def clerk_project(folder: Path) -> Project:
    """Return a project with an agent, one run of it recorded: four steps."""
    project = Project(folder, {"clerk_agent.py": AGENT})
    code = "import clerk_agent; print(clerk_agent.clerk(['refunds', 'shoes']))"
    project.write({"main.py": code})
    done = project.cli("record", "-q", "--", sys.executable, "main.py")
    assert done.code == 0, done.err
    return project


def added(project: Project, *words: str) -> Done:
    """Make a golden of the last run, and its test in `tests`."""
    done = project.cli("golden", "add", "last", "--test", "tests", *words)
    assert done.code == 0, done.err
    return done


def run_of_store(project: Project):
    """Return the newest run of a project's store."""
    with open_store(f"sqlite:///{project.folder}/.agent-replay/runs.db") as store:
        return store.load(store.runs()[0].run_id)


__all__ = ["AGENT", "Done", "Project", "added", "clerk_project", "run_of_store"]
