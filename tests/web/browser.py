"""A real browser that shows a page, where one is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

VARIABLE = "AGENT_REPLAY_BROWSER"
NAMES = ("chromium", "chromium-browser", "google-chrome")
FOUND = os.environ.get(VARIABLE) or next(filter(None, map(shutil.which, NAMES)), None)
ABSENT = f"no Chromium here: install one, or name its program in {VARIABLE}"


def _run(profile: Path, *words: str) -> str:
    done = subprocess.run(
        [
            str(FOUND),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--no-first-run",
            "--hide-scrollbars",
            f"--user-data-dir={profile}",
            *words,
        ],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    return done.stdout


def dom(page: Path, profile: Path) -> str:
    """Return the document as it stands once the page was loaded, as HTML."""
    return _run(profile, "--dump-dom", page.as_uri())


def screenshot(page: Path, profile: Path, *, width: int = 1200) -> bytes:
    """Return the page as a PNG."""
    target = profile.parent / f"{page.stem}-{width}.png"
    size = f"--window-size={width},900"
    _run(profile, size, f"--screenshot={target}", page.as_uri())
    return target.read_bytes()
