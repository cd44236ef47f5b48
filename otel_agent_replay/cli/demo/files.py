"""The files that the demo works with, in a directory of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Final

__all__ = ["AGENT", "agent_text", "write_files"]

AGENT: Final = "incident_agent.py"

_SETTINGS: Final = """\
[tool.agent_replay]
store = "sqlite:///.agent-replay/runs.db"
"""


def agent_text() -> str:
    """Return the agent's code; in a checkout it stands among the examples."""
    packaged = Path(__file__).with_name(AGENT)
    if packaged.exists():
        return packaged.read_text(encoding="utf-8")
    checkout = Path(__file__).parents[3]
    return (checkout / "examples" / AGENT).read_text(encoding="utf-8")


def write_files(folder: Path) -> None:
    """Write the agent and its settings into a directory."""
    contents = {AGENT: agent_text(), "pyproject.toml": _SETTINGS}
    for name, content in contents.items():
        (folder / name).write_text(content, encoding="utf-8")
