"""The examples run as they stand, beside the scripted model."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["incident_agent.py"], "You can return shoes within 90 days."),
        (
            ["incident_agent.py", "--fixed"],
            "Not found: the documentation says nothing about this.",
        ),
        (["parallel_agent.py"], "Cairo is the warmest of the three."),
        (["plain_agent.py"], "The shop in Oslo opens at 10."),
    ],
)
def test_an_example_runs_offline(command, said, tmp_path):
    """Each example ends well and prints its answer, without a network."""
    script, *options = command
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))

    done = subprocess.run(
        [
            sys.executable,
            ROOT / "examples" / "offline.py",
            sys.executable,
            ROOT / "examples" / script,
            *options,
        ],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout.strip()) == (0, said), done.stderr
