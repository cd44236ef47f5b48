"""Where spans wait for a store, and what dead processes left there."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from otel_agent_replay.capture.spool.backlog import Limits
from otel_agent_replay.capture.spool.folder import (
    private_folder,
    segments_in,
    spool_bytes,
)
from otel_agent_replay.capture.spool.recovery import Recovered, recover
from otel_agent_replay.config import Settings
from otel_agent_replay.store.base import Store

__all__ = [
    "keep_key",
    "kept_key",
    "limits_of",
    "recover_into",
    "spool_of",
    "spooled_files",
    "waiting_in",
]

_OFF: Final = "off"
_SERVER_FOLDER: Final = Path(".agent-replay/spool")
_KEY: Final = "key"


def spool_of(settings: Settings, store_url: str) -> Path | None:
    """Return the spool's folder for a store, None if there shall be none.

    Each store has a folder of its own, named by where it is; the password is no part
    of that.
    """
    if settings.spool == _OFF:
        return None
    where, beside = _place(store_url)
    base = Path(settings.spool) if settings.spool else beside
    return base.absolute() / hashlib.sha256(where.encode()).hexdigest()[:12]


def _place(store_url: str) -> tuple[str, Path]:
    parts = urlsplit(store_url)
    if parts.scheme not in {"", "sqlite"}:
        host = (parts.netloc.rpartition("@")[2]).lower()
        return f"{parts.scheme}://{host}{parts.path}", _SERVER_FOLDER
    path = Path(store_url.removeprefix("sqlite:///")).absolute()
    return str(path), path.parent / "spool"


def limits_of(settings: Settings) -> Limits:
    """Return how much may wait, by the settings."""
    return Limits(
        disk=settings.spool_bytes,
        rows=settings.batch_rows,
        seconds=settings.batch_ms / 1000,
    )


def recover_into(store: Store, settings: Settings, store_url: str) -> Recovered:
    """Store what dead processes left for a store.

    Raises:
        StoreError: The store does not take it; it stays in the spool.
    """
    root = spool_of(settings, store_url)
    return recover(root, store.write_packed) if root else Recovered()


def spooled_files(settings: Settings, store_url: str) -> list[Path]:
    """Return the files in which processes hold what waits for a store."""
    root = spool_of(settings, store_url)
    return segments_in(root) if root else []


def waiting_in(root: Path) -> tuple[int, int]:
    """Return how many processes have a part in a spool, and the bytes of it all."""
    processes = sum(each.is_dir() for each in root.glob("[0-9]*"))
    return processes, spool_bytes(root)


def keep_key(root: Path | None, key: bytes) -> None:
    """Remember the store's key, for a process that begins while the store is away."""
    if root is None:
        return
    try:
        private_folder(root)
        fresh = root / f".{_KEY}-{os.getpid()}"
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(key)
        fresh.rename(root / _KEY)
    except OSError:  # it is only missed while the store is away
        return


def kept_key(root: Path | None) -> bytes | None:
    """Return the store's key as it was last seen here, None if it never was."""
    try:
        return (root / _KEY).read_bytes() if root else None
    except OSError:
        return None
