"""The files that the demo works with, in a directory of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Final

__all__ = ["AGENT", "RECORDING", "TEST", "agent_text", "write_files"]

AGENT: Final = "incident_agent.py"
RECORDING: Final = "fixed_run.json"
TEST: Final = "test_incident.py"

_SETTINGS: Final = """\
[tool.agent_replay]
store = "sqlite:///.agent-replay/runs.db"
"""
_TEST_TEXT: Final = '''\
"""The incident must not come back. Made by `agent-replay demo`."""

import os
import tempfile
from pathlib import Path

import incident_agent
from otel_agent_replay import open_store, replay
from otel_agent_replay.replay.codec import load_recording

RECORDING = Path(__file__).with_name("fixed_run.json")


def test_an_empty_index_is_admitted():
    """The agent asks and answers as in the fixed run; no model is needed for it."""
    os.environ.setdefault("OPENAI_API_KEY", "not needed")
    recording = load_recording(RECORDING.read_text(encoding="utf-8"), RECORDING.name)
    with tempfile.TemporaryDirectory() as folder:
        with open_store(f"sqlite:///{folder}/runs.db") as store:
            store.add(recording)
            run = store.load(recording.run_id)
        with replay(run):  # raises DivergenceError where the agent differs
            answer = incident_agent.answer(incident_agent.QUESTION)
    assert answer == "Not found: the documentation says nothing about this."
'''


def agent_text() -> str:
    """Return the agent's code; in a checkout it stands among the examples."""
    packaged = Path(__file__).with_name(AGENT)
    if packaged.exists():
        return packaged.read_text(encoding="utf-8")
    checkout = Path(__file__).parents[3]
    return (checkout / "examples" / AGENT).read_text(encoding="utf-8")


def write_files(folder: Path) -> None:
    """Write the agent, its settings and its test into a directory."""
    contents = {AGENT: agent_text(), TEST: _TEST_TEXT, "pyproject.toml": _SETTINGS}
    for name, content in contents.items():
        (folder / name).write_text(content, encoding="utf-8")
