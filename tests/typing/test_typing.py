"""Type checkers see decorated functions as they see the bare ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def test_types_are_kept():
    """Arguments and results are checked; a wrong use is an error."""
    root = HERE.parents[1]
    found = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            f"--config-file={root / 'pyproject.toml'}",
            HERE / "decorated.py",
        ],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )

    assert found.returncode == 0, found.stdout + found.stderr
