"""What the running program is called, and what it runs in."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

from otel_agent_replay._version import __version__
from otel_agent_replay.config import Settings, upwards
from otel_agent_replay.model.payload import JsonObject, JsonValue

__all__ = ["environment", "program_name"]


def program_name() -> str:
    """Return what the running program is called: its script or module."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name != "__main__":
        return str(spec.name.removesuffix(".__main__"))
    path = sys.argv[0] if sys.argv else ""
    if path == "-m":  # before the module is found; its name comes next
        path = sys.orig_argv[sys.orig_argv.index("-m") + 1]
    return Path(path).stem if path not in {"", "-", "-c"} else "python"


def environment(settings: Settings) -> JsonObject:
    """Return what a run is made with: versions, commit, and what was named to record.

    A session needs the names: a tool that is not taken where it is called would run.
    """
    found: JsonObject = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "otel_agent_replay": __version__,
        "program": program_name(),
    }
    for name in ("tools", "model_apis", "effects", "files"):
        named: tuple[str, ...] = getattr(settings, name)
        if named:
            found[name] = list[JsonValue](named)
    commit = _git_commit()
    if commit is not None:
        found["git_commit"] = commit
    return found


def _git_commit() -> str | None:
    """Return the checked-out commit, read off the repository's own files."""
    for folder in upwards(Path()):
        git = folder / ".git"
        try:
            head = (git / "HEAD").read_text().strip()
            if not head.startswith("ref: "):
                return head
            return (git / head.removeprefix("ref: ")).read_text().strip()
        except OSError:
            continue
    return None
