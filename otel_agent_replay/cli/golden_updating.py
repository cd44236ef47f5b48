"""`golden update`: the tests run by pytest, which writes what should change."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from otel_agent_replay.cli.exit_codes import ExitCode
from otel_agent_replay.errors import LaunchError
from otel_agent_replay.model.payload import JsonObject, JsonValue, parse_json

__all__ = ["CATEGORIES", "Updated", "update_goldens"]

CATEGORIES: Final = ("create", "fix", "update", "trim")
_TESTS_FAILED: Final = 1
_NO_TESTS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Updated:
    """What was written or would be, and how the tests went.

    Attributes:
        changes: Category, path, why, and whether it was written.
        tests: Exit code of pytest.
        said: What pytest said; empty if all tests passed.
    """

    changes: tuple[JsonObject, ...]
    tests: int
    said: str

    @property
    def exit_code(self) -> int:
        """0 if nothing is left to be written and all tests pass."""
        left = any(not each["written"] for each in self.changes)
        return ExitCode.CHECK_FAILED if left or self.tests else ExitCode.OK

    def to_json(self) -> JsonObject:
        """Return it for `--json`."""
        changes: list[JsonValue] = [*self.changes]
        return {"changes": changes, "tests_exit_code": self.tests}


def update_goldens(
    paths: Sequence[str], categories: Sequence[str], *, dry_run: bool
) -> Updated:
    """Run the tests of paths, and have the goldens written that should change.

    Raises:
        LaunchError: pytest did not run.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        words += [
            f"--golden-update={','.join(categories)}",
            f"--golden-report={report}",
        ]
        words += ["--golden-dry-run"] if dry_run else []
        words += ["-n", "0"] if _has_xdist() else []
        done = subprocess.run(  # noqa: S603 - the user's own tests
            [*words, *paths],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if not report.exists():
            raise LaunchError("pytest", f"{done.stdout}{done.stderr}".strip()[-2000:])
        changes = cast("list[JsonObject]", parse_json(report.read_text("utf-8")))
    said = done.stdout if done.returncode not in {0, _NO_TESTS} else ""
    return Updated(changes=tuple(changes), tests=done.returncode, said=said)


def _has_xdist() -> bool:
    """Return whether pytest will know how many processes it is told to use."""
    unloaded = os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    return not unloaded and importlib.util.find_spec("xdist") is not None
