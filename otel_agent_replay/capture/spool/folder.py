"""A process's folder in the spool: segments, a lock, and who may take them over."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from otel_agent_replay.capture.spool.frames import MAGIC, read_frames

__all__ = [
    "Folder",
    "FullError",
    "Segment",
    "dead_folders",
    "private_folder",
    "segments_in",
    "spool_bytes",
]

_LOCK: Final = "lock"
_SEGMENT: Final = ".segment"
_SENT: Final = "sent"
_GONE: Final = ".gone-"
_LONG: Final = 1 << 20
_PRIVATE: Final = 0o600
_PRIVATE_FOLDER: Final = 0o700


class FullError(OSError):
    """The spool has no room left."""


@dataclass(slots=True)
class Segment:
    """A file of a folder.

    Attributes:
        path, size: The file.
        last: The number of the last spans in it.
        held: The runs that are not decided on, of which it has spans.
    """

    path: Path
    size: int
    last: int = 0
    held: set[str] = field(default_factory=set)


class Folder:
    """The folder of one process, locked while it is open. Not safe from threads.

    Raises:
        OSError: It cannot be made, written or locked.
    """

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock
        self._file: int | None = None
        self._sent: int | None = None
        self._sent_size = 0
        self._count = 0
        self.segments: list[Segment] = []

    @classmethod
    def make(cls, root: Path) -> Folder:
        """Make a folder of this process's own."""
        private_folder(root)
        path = root / f"{os.getpid()}-{secrets.token_hex(6)}"
        # Locked before it has its name, so that nobody takes it over in between.
        hidden = root / f".{path.name}"
        hidden.mkdir(mode=_PRIVATE_FOLDER)
        lock = _locked(hidden)
        if lock is None:
            raise OSError(f"the new folder {hidden} is locked")
        hidden.rename(path)
        return cls(path, lock)

    @classmethod
    def take(cls, path: Path) -> Folder | None:
        """Return the folder of a process that is gone; None if one holds it."""
        try:
            lock = _locked(path)
        except OSError:  # somebody else has just finished with it, or it is not ours
            return None
        if lock is None:
            return None
        if not path.is_dir():
            os.close(lock)
            return None
        return cls(path, lock)

    @property
    def name(self) -> str:
        """What the folder is called, unlike any other."""
        return self.path.name

    def begin_segment(self) -> None:
        """Go on in a new file."""
        self._close_file()
        path = self.path / f"{self._count:08}{_SEGMENT}"
        self._count += 1
        self._file = _opened(path)
        os.write(self._file, MAGIC)
        self.segments.append(Segment(path, len(MAGIC)))

    def append(self, content: bytes) -> tuple[Path, int]:
        """Write at the end of the newest file, all or nothing; return where."""
        if self._file is None:
            self.begin_segment()
        file, segment = self._file, self.segments[-1]
        assert file is not None  # noqa: S101 - begun just now
        start = segment.size
        _write(file, content, start)
        segment.size += len(content)
        return segment.path, start

    def say_sent(self, frame: bytes, before: bytes) -> None:
        """Note what is being sent, or was; `before` is all that still matters of it."""
        if self._sent is not None and self._sent_size > _LONG:
            os.close(self._sent)
            self._sent = None
            renewed = self.path / f".{_SENT}"
            renewed.unlink(missing_ok=True)
            file = _opened(renewed)
            try:
                _write(file, MAGIC + before, 0)
            finally:
                os.close(file)
            renewed.rename(self.path / _SENT)
        if self._sent is None:
            found = self.sent()
            self._sent = _opened(self.path / _SENT)
            # Behind a torn note nothing would be read.
            self._sent_size = len(found) - read_frames(found).torn
            os.ftruncate(self._sent, self._sent_size)
        if not self._sent_size:
            frame = MAGIC + frame
        _write(self._sent, frame, self._sent_size)
        self._sent_size += len(frame)

    def release(self, number: int) -> None:
        """Remove the files whose spans are stored, up to a number."""
        while len(self.segments) > 1 and self._is_done(self.segments[0], number):
            self.segments.pop(0).path.unlink(missing_ok=True)

    def settle(self, run_id: str) -> None:
        """Say that a run is decided on: its held spans are not needed any more."""
        for each in self.segments:
            each.held.discard(run_id)

    @staticmethod
    def _is_done(segment: Segment, number: int) -> bool:
        return segment.last <= number and not segment.held

    def files(self) -> list[Path]:
        """Return the segments that a folder has, oldest first."""
        return sorted(self.path.glob(f"*{_SEGMENT}"))

    def sent(self) -> bytes:
        """Return what was noted of sending."""
        path = self.path / _SENT
        return path.read_bytes() if path.exists() else b""

    def close(self, *, remove: bool) -> None:
        """Let go of the folder; remove it if nothing in it is needed."""
        self._close_file()
        if self._sent is not None:
            os.close(self._sent)
            self._sent = None
        if remove:
            # Renamed first: what is half removed, nobody must take over.
            gone = self.path.with_name(f"{_GONE}{self.path.name}")
            with contextlib.suppress(OSError):
                self.path.rename(gone)
                shutil.rmtree(gone, ignore_errors=True)
        os.close(self._lock)

    def leave_to_parent(self) -> None:
        """Let go of it in a forked child, whose parent goes on with it."""
        for each in (self._file, self._sent, self._lock):
            if each is not None:
                os.close(each)
        self._file = self._sent = None

    def _close_file(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def private_folder(path: Path) -> None:
    """Make a folder, and those it is in, for their owner only."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=_PRIVATE_FOLDER, exist_ok=True)


def dead_folders(root: Path) -> Iterator[Folder]:
    """Yield the folders that no living process holds, each locked, oldest first."""
    try:
        found = [each for each in root.glob("[0-9]*") if each.is_dir()]
        found.sort(key=_written_at)
        for each in root.glob(f"{_GONE}*"):
            shutil.rmtree(each, ignore_errors=True)
    except OSError:
        return
    for path in found:
        folder = Folder.take(path)
        if folder is not None:
            yield folder


def _written_at(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:  # somebody else has just finished with it
        return 0


def spool_bytes(root: Path) -> int:
    """Return how much a spool takes on disk."""
    total = 0
    for folder, _, names in os.walk(root):
        for name in names:
            try:
                total += os.stat(os.path.join(folder, name)).st_size  # noqa: PTH116, PTH118 - many files
            except OSError:
                continue
    return total


def segments_in(root: Path) -> list[Path]:
    """Return the segments of all processes."""
    return sorted(root.glob(f"*/*{_SEGMENT}"))


def _write(file: int, content: bytes, size: int) -> None:
    """Write at the end of a file that has this size, all or nothing."""
    rest = memoryview(content)
    try:
        while rest:
            rest = rest[os.write(file, rest) :]
    except OSError:
        os.ftruncate(file, size)
        raise


def _opened(path: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    return os.open(path, flags, _PRIVATE)


def _locked(folder: Path) -> int | None:
    """Return a file of the folder, locked; None if another process holds it.

    The lock belongs to the open file: it ends with the process, however that ends,
    and a second opening of the same process does not get it.
    """
    file = _opened(folder / _LOCK)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        return None
    return file
