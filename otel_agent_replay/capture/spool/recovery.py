"""What a process left in its folder when it was gone: to the store, each span once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeAlias

from otel_agent_replay import semconv
from otel_agent_replay.capture.guard import LOGGER, place_of
from otel_agent_replay.capture.spool.folder import Folder, dead_folders
from otel_agent_replay.capture.spool.frames import (
    MAGIC,
    Frame,
    is_of_other_version,
    read_frames,
)
from otel_agent_replay.capture.spool.sending import (
    Sent,
    read_sent,
    said_done,
    said_plan,
    token_of,
)
from otel_agent_replay.capture.spool.spooled import read_spans
from otel_agent_replay.errors import StoreError
from otel_agent_replay.model.content import PackedBatch, PackedSpan

__all__ = ["Recovered", "cut_off", "recover"]

_ROWS: Final = 5000
Write: TypeAlias = Callable[[PackedBatch], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What was taken over from processes that are gone.

    Attributes:
        processes: How many processes left something.
        spans: How many finished spans went to the store.
        opened: How many steps and runs had begun and not ended; they are stored so.
        torn: How many files ended in a record that was not written whole.
        runs: The ids of the runs that were cut short.
    """

    processes: int = 0
    spans: int = 0
    opened: int = 0
    torn: int = 0
    runs: tuple[str, ...] = ()

    def __add__(self, other: Recovered) -> Recovered:
        return Recovered(
            processes=self.processes + other.processes,
            spans=self.spans + other.spans,
            opened=self.opened + other.opened,
            torn=self.torn + other.torn,
            runs=self.runs + other.runs,
        )


def recover(
    root: Path, write: Write, *, stop: Callable[[], bool] = lambda: False
) -> Recovered:
    """Store what dead processes left in a spool, oldest first, and remove it.

    A folder that a living process holds is left alone. Whoever is cut off in the
    middle of this leaves the rest for the next one, and nothing is stored twice.

    Args:
        root: The spool.
        write: Stores a batch.
        stop: Asked before each folder.

    Raises:
        StoreError: What `write` raises; the folder stays.
    """
    total = Recovered()
    for folder in dead_folders(root):
        whole = False
        try:
            if stop():
                break
            if _is_readable(folder):
                total += _recovered(folder, write)
                whole = True
        finally:
            folder.close(remove=whole)
    return total


def cut_off(opened: Sequence[PackedSpan], end_ns: int) -> tuple[PackedSpan, ...]:
    """Return spans that were open when their process ended, as ended then."""
    return tuple(
        replace(each, span=replace(each.span, end_ns=max(end_ns, each.span.start_ns)))
        for each in opened
    )


class _Left:
    """What is found while a folder is read."""

    def __init__(self, sent: Sent) -> None:
        self.sent = sent
        self.opened: dict[tuple[str, str], PackedSpan] = {}
        self.held: dict[str, list[PackedSpan]] = {}
        self.last_ns = 0
        self.torn = 0
        self.spans = 0

    def frames(self, folder: Folder) -> Iterator[tuple[Frame, tuple[PackedSpan, ...]]]:
        """Yield the frames whose spans are not stored yet; note what is open."""
        for path in folder.files():
            content = read_frames(path.read_bytes())
            self.torn += content.torn > 0
            for frame in content.frames:
                spans = self._read(frame)
                if spans and frame.kind == "spans" and frame.number > self.sent.done:
                    yield frame, spans

    def _read(self, frame: Frame) -> tuple[PackedSpan, ...]:
        if frame.kind == "settled":
            self.held.pop(frame.content.decode(), None)
            return ()
        try:
            spans = read_spans(frame.content)
        except ValueError:
            self.torn += 1
            return ()
        for each in spans:
            span = each.span
            key = (span.trace_id, span.span_id)
            if frame.kind == "open":
                self.opened[key] = each
                self.last_ns = max(self.last_ns, span.start_ns)
            else:
                self.opened.pop(key, None)
                if frame.kind == "held":
                    run_id = span.attributes.get(semconv.RUN_ID, "")
                    self.held.setdefault(run_id, []).append(each)
                self.last_ns = max(self.last_ns, span.end_ns)
        return spans

    def cut_off(self) -> tuple[PackedSpan, ...]:
        """Return what was open; a run says so where a record was torn."""
        found = cut_off([*self.opened.values()], self.last_ns)
        return tuple(_with_torn(each, self.torn) for each in found)


def _is_readable(folder: Folder) -> bool:
    """Whether this version wrote a folder; one of another version stays as it is."""
    for path in folder.files():
        with path.open("rb") as file:
            if is_of_other_version(file.read(len(MAGIC))):
                LOGGER.warning(
                    "%s was written by another version of otel-agent-replay; `recover` "
                    "of that version can store it.",
                    folder.path,
                )
                return False
    return True


def _recovered(folder: Folder, write: Write) -> Recovered:
    left = _Left(read_sent(folder.sent()))
    for first, last, spans in _batches(left, folder):
        folder.say_sent(said_plan(first, last), b"")
        token = token_of(folder.name, first, last)
        _write(write, PackedBatch(token=token, spans=spans))
        folder.say_sent(said_done(last), b"")
        left.spans += len(spans)
    held = tuple(span for spans in left.held.values() for span in spans)
    if held:
        _write(write, PackedBatch(token=f"{folder.name}-held", spans=held))
        left.spans += len(held)
    ended = left.cut_off()
    if ended:
        _write(write, PackedBatch(token=f"{folder.name}-open", spans=ended))
    return Recovered(
        processes=bool(left.spans or ended),
        spans=left.spans,
        opened=len(ended),
        torn=left.torn,
        runs=tuple(each.scope for each in ended if _is_root(each)),
    )


def _write(write: Write, batch: PackedBatch) -> None:
    """Write a batch; a span that no store takes keeps nothing else back."""
    try:
        write(batch)
    except StoreError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it would come again
        if len(batch.spans) > 1:
            for number, span in enumerate(batch.spans):
                token = f"{batch.token}-{number}"
                _write(write, PackedBatch(token=token, spans=(span,)))
            return
        LOGGER.error("A span cannot be stored (%s)", place_of(error))


def _batches(
    left: _Left, folder: Folder
) -> Iterator[tuple[int, int, tuple[PackedSpan, ...]]]:
    """Yield what is to be stored together: first what had been planned so."""
    first = last = 0
    found: list[PackedSpan] = []
    planned = left.sent.planned[1] if left.sent.planned else 0
    for frame, spans in left.frames(folder):
        full = len(found) >= _ROWS if last > planned else frame.number > planned
        if found and full:
            yield first, last, tuple(found)
            found = []
        first = frame.number if not found else first
        last = frame.number
        found += spans
    if found:
        yield first, last, tuple(found)


def _is_root(packed: PackedSpan) -> bool:
    return semconv.RUN_STATUS in packed.span.attributes


def _with_torn(packed: PackedSpan, torn: int) -> PackedSpan:
    if not torn or not _is_root(packed):
        return packed
    attributes = {**packed.span.attributes, f"{semconv.RUN_DROPPED}torn": str(torn)}
    return replace(packed, span=replace(packed.span, attributes=attributes))
