"""What waits for the store: in the spool's files, or in memory where those fail."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from otel_agent_replay.capture.flag import Flag
from otel_agent_replay.capture.forks import in_forked_child
from otel_agent_replay.capture.guard import LOGGER
from otel_agent_replay.capture.spool.folder import Folder, FullError, spool_bytes
from otel_agent_replay.capture.spool.frames import framed, header_size
from otel_agent_replay.capture.spool.sending import said_done, said_plan, token_of
from otel_agent_replay.capture.spool.spooled import read_spans, written_spans
from otel_agent_replay.model.content import PackedBatch, PackedSpan

__all__ = ["Backlog", "Limits", "Sending"]

_FRAME_SPANS: Final = 256
_FRAME_BYTES: Final = 4 << 20
_BROKEN: Final = (
    "The spool %s cannot be written (%s); what waits for the store is in memory only, "
    "and is lost if this process is killed."
)
_SPARE: Final = 16
"""What part of the spool is kept for the ends of runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much may wait, and what is sent at once.

    Attributes:
        disk: Bytes of all files in the spool.
        memory: Bytes of spans that wait in memory.
        segment: Bytes after which a new file begins.
        rows, batch: Spans and bytes that are sent at once.
        seconds: How long spans may wait for others to be sent with.
    """

    disk: int = 1 << 30
    memory: int = 64 << 20
    segment: int = 8 << 20
    rows: int = 5000
    batch: int = 16 << 20
    seconds: float = 1.0


@dataclass(slots=True)
class _Waiting:
    """Spans that one frame holds; in memory, in a file, or both."""

    number: int
    rows: int
    size: int
    since: float
    spans: tuple[PackedSpan, ...] | None
    place: tuple[Path, int] | None = None

    def load(self) -> tuple[PackedSpan, ...]:
        """Return the spans."""
        if self.spans is not None or self.place is None:
            return self.spans or ()
        path, start = self.place
        with path.open("rb") as file:
            file.seek(start)
            return read_spans(file.read(self.size))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """A batch on its way, and the number of its last frame."""

    batch: PackedBatch
    last: int


class Backlog:
    """Takes packed spans from one thread and gives them, in order, to another.

    A forked child begins with an empty one, in a folder of its own.

    Args:
        root: The spool's folder; None keeps everything in memory.
        limits: How much may wait.
    """

    def __init__(self, root: Path | None, limits: Limits) -> None:
        self._root = root
        self._limits = limits
        self._folder: Folder | None = None
        self._forget()
        in_forked_child(self._forget)

    def _forget(self) -> None:
        if self._folder is not None:
            self._folder.leave_to_parent()
        self._folder = None
        self._broken = self._root is None
        self._changed = threading.Condition()
        self._waiting: deque[_Waiting] = deque()
        self._in_memory = self._rows = self._size = 0
        self._unnamed = f"memory-{secrets.token_hex(16)}"
        self._others = 0
        self._number = 0
        self._done = 0
        self._urgent = 0
        self._carried: Callable[[], Iterable[PackedSpan]] = tuple
        self.closing = Flag()

    # --- taking ------------------------------------------------------------------

    def carry(self, opened: Callable[[], Iterable[PackedSpan]]) -> None:
        """Say what every new file begins with: all that is open."""
        self._carried = opened

    def hold(self, run_id: str, spans: Sequence[PackedSpan]) -> None:
        """Write down spans that are held back, in case the process is killed."""
        with self._changed:
            frames = b"".join(
                framed("held", 0, written_spans(part)) for part in _parts(spans)
            )
            with contextlib.suppress(FullError):
                if self._append(frames, (), spare=False) is not None and self._folder:
                    self._folder.segments[-1].held.add(run_id)

    def settle(self, run_id: str) -> None:
        """Say that a run is decided on, before what is left of it is put."""
        with self._changed:
            frame = framed("settled", 0, run_id.encode())
            with contextlib.suppress(FullError):
                self._append(frame, (), spare=True)
            if self._folder is not None:
                self._folder.settle(run_id)

    def put(
        self,
        spans: Sequence[PackedSpan],
        opened: Sequence[PackedSpan] = (),
        *,
        spare: bool = False,
    ) -> bool:
        """Take spans that have ended and such that have begun; False if it is full.

        Args:
            spans: Spans for the store.
            opened: What the store gets if the process is killed before they end.
            spare: Whether they may use the room that is kept for ends of runs.
        """
        with self._changed:
            notes = b"".join(
                framed("open", 0, written_spans(part)) for part in _parts(opened)
            )
            now = time.monotonic()
            found: list[_Waiting] = []
            frames: list[bytes] = []
            for number, part in enumerate(_parts(spans), self._number + 1):
                content = written_spans(part)
                frames.append(framed("spans", number, content))
                found.append(_Waiting(number, len(part), len(content), now, part))
            try:
                places = self._append(notes, frames, spare=spare)
            except FullError:
                return not found
            if not self._fits(found, places):
                return False
            self._number += len(found)
            self._waiting.extend(found)
            self._rows += sum(each.rows for each in found)
            self._size += sum(each.size for each in found)
            self._changed.notify_all()
            return True

    def _fits(
        self, found: Sequence[_Waiting], places: Sequence[tuple[Path, int]] | None
    ) -> bool:
        """Say where spans wait: in memory while there is room, and in their file."""
        size = sum(each.size for each in found)
        room = self._in_memory + size <= self._limits.memory
        if places is None and not room:
            return False
        for number, each in enumerate(found):
            each.place = places[number] if places else None
            each.spans = each.spans if room else None
        self._in_memory += size if room else 0
        return True

    def _append(
        self, notes: bytes, frames: Sequence[bytes], *, spare: bool
    ) -> list[tuple[Path, int]] | None:
        """Write to the newest file; return where frames' contents are, None if nowhere.

        Raises:
            FullError: There is no room for them.
        """
        content = b"".join(frames) + notes
        if self._broken or not content:
            return None
        try:
            folder = self._ready_folder(len(content), spare=spare)
            path, start = folder.append(content)
        except FullError:
            raise
        except OSError as error:
            self._broken = True
            LOGGER.warning(_BROKEN, self._root, error.strerror or error)
            return None
        folder.segments[-1].last = self._number + len(frames)
        places: list[tuple[Path, int]] = []
        for frame in frames:
            places.append((path, start + header_size()))
            start += len(frame)
        return places

    def _ready_folder(self, size: int, *, spare: bool) -> Folder:
        assert self._root is not None  # noqa: S101 - else it is broken
        if self._folder is None:
            self._folder = Folder.make(self._root)
            self._begin_segment(self._folder)
        folder = self._folder
        if folder.segments[-1].size > self._limits.segment:
            self._begin_segment(folder)
        used = self._others + sum(each.size for each in folder.segments)
        limit = self._limits.disk
        if used + size > (limit if spare else limit - limit // _SPARE):
            raise FullError(str(self._root))
        return folder

    def _begin_segment(self, folder: Folder) -> None:
        assert self._root is not None  # noqa: S101 - a folder lies in it
        folder.begin_segment()
        own = sum(each.size for each in folder.segments)
        self._others = max(0, spool_bytes(self._root) - own)
        for part in _parts([*self._carried()]):
            folder.append(framed("open", 0, written_spans(part)))

    # --- giving ------------------------------------------------------------------

    def next(self) -> Sending | None:
        """Wait for a batch and return it; None once it is closed and empty."""
        with self._changed:
            while not self._is_due():
                if not self._waiting and self.closing.is_set():
                    return None
                self._changed.wait(self._pause())
            found = self._due()
            first, last = found[0].number, found[-1].number
        return self._sending(found, first, last)

    def _sending(self, found: Sequence[_Waiting], first: int, last: int) -> Sending:
        """Note down which frames go together, so that they always will."""
        token = token_of(self._name, first, last)
        self._say(said_plan(first, last))
        spans = tuple(span for each in found for span in _loaded(each))
        return Sending(batch=PackedBatch(token=token, spans=spans), last=last)

    @property
    def _name(self) -> str:
        return self._folder.name if self._folder else self._unnamed

    def _is_due(self) -> bool:
        if not self._waiting:
            return False
        oldest = self._waiting[0]
        if self.closing.is_set() or oldest.number <= self._urgent:
            return True
        limits = self._limits
        full = self._rows >= limits.rows or self._size >= limits.batch
        return full or time.monotonic() >= oldest.since + limits.seconds

    def _pause(self) -> float | None:
        """Return how long the oldest may still wait; None if nothing does."""
        if not self._waiting:
            return None
        due = self._waiting[0].since + self._limits.seconds
        return max(0.0, due - time.monotonic())

    def _due(self) -> list[_Waiting]:
        found: list[_Waiting] = []
        rows = size = 0
        for each in self._waiting:
            rows, size = rows + each.rows, size + each.size
            if found and (rows > self._limits.rows or size > self._limits.batch):
                break
            found.append(each)
        return found

    def done(self, last: int) -> None:
        """Say that all up to a number is stored, or given up."""
        with self._changed:
            while self._waiting and self._waiting[0].number <= last:
                each = self._waiting.popleft()
                self._rows -= each.rows
                self._size -= each.size
                if each.spans is not None:
                    self._in_memory -= each.size
            self._done = max(self._done, last)
            if self._folder is not None:
                self._say(said_done(last))
                self._tidy(self._folder)
            self._changed.notify_all()

    def _tidy(self, folder: Folder) -> None:
        try:
            # What is stored shall not stay here: it may be erased there.
            if not self._waiting and folder.segments[-1].last:
                self._begin_segment(folder)
            folder.release(self._done)
        except OSError as error:
            LOGGER.warning("The spool cannot be tidied: %s", error)

    def _say(self, frame: bytes) -> None:
        if self._folder is None:
            return
        try:
            self._folder.say_sent(frame, said_done(self._done))
        except OSError as error:
            LOGGER.warning("The spool cannot be written: %s", error)

    # --- waiting -----------------------------------------------------------------

    def hurry(self) -> int:
        """Let nothing wait for company that is here by now; return its last number."""
        with self._changed:
            self._urgent = self._number
            self._changed.notify_all()
            return self._number

    def wait(self, number: int, timeout: float) -> bool:
        """Wait until all up to a number is done; False if time ran out."""
        with self._changed:
            return self._changed.wait_for(lambda: self._done >= number, timeout)

    def left(self) -> int:
        """Return how many spans wait."""
        with self._changed:
            return sum(each.rows for each in self._waiting)

    def is_safe(self) -> bool:
        """Return whether all that waits is in files."""
        with self._changed:
            return all(each.place for each in self._waiting)

    def spans_in_memory(self) -> list[PackedSpan]:
        """Return what is lost if it is given up now."""
        with self._changed:
            alone = [each for each in self._waiting if not each.place]
            return [span for each in alone for span in each.spans or ()]

    def finish(self) -> None:
        """Let go of the files; those are removed if nothing waits in them."""
        with self._changed:
            folder, self._folder = self._folder, None
            if folder is not None:
                folder.close(remove=not any(each.place for each in self._waiting))


def _loaded(waiting: _Waiting) -> tuple[PackedSpan, ...]:
    try:
        return waiting.load()
    except (OSError, ValueError) as error:
        LOGGER.error("%d spans in the spool are lost: %s", waiting.rows, error)
        return ()


def _parts(spans: Sequence[PackedSpan]) -> list[tuple[PackedSpan, ...]]:
    """Cut spans into frames: none so large that reading it back is a burden."""
    parts: list[list[PackedSpan]] = []
    size = 0
    for span in spans:
        held = sum(map(len, span.contents.values()))
        if not parts or len(parts[-1]) >= _FRAME_SPANS or size + held > _FRAME_BYTES:
            parts.append([])
            size = 0
        parts[-1].append(span)
        size += held
    return [tuple(each) for each in parts]
