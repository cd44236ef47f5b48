"""Erases runs wherever we put them: the store, and files that we exported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from otel_agent_replay._setup.golden_files import lone_bodies
from otel_agent_replay.errors import RecordingError
from otel_agent_replay.model.held import held_mark
from otel_agent_replay.model.payload import content_hash
from otel_agent_replay.model.run import RunFilter
from otel_agent_replay.replay.codec import load_recording
from otel_agent_replay.store.base import Store
from otel_agent_replay.store.states import HoldsStates, SavedCheckpoint, StateFilter

__all__ = ["Erased", "erase_runs", "files_holding", "remember_export"]

_DIGITS: Final = 32
_CHUNK: Final = 8 << 20
_ALL: Final = 1 << 31
_TEST: Final = ".py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What was erased.

    Attributes:
        run_ids: The runs.
        users: What the user of these runs is stored as, if they were a user's.
        spans: How many spans they had in the store.
        content_bytes: How many bytes of payloads they had there.
        files: Exported files that held them, and are deleted.
        kept: Files that may hold them too: exported ones that could not be read or
            deleted, and tests that were written for them.
        forks: Runs that came from them and stay; they hold what they share.
        threads: Threads that went on from what they wrote, and hold it.
    """

    run_ids: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    spans: int = 0
    content_bytes: int = 0
    files: tuple[Path, ...] = ()
    kept: tuple[Path, ...] = ()
    forks: tuple[str, ...] = ()
    threads: tuple[str, ...] = ()


def erase_runs(
    store: Store,
    run_ids: Sequence[str],
    *,
    users: Sequence[str] = (),
) -> Erased:
    """Erase runs, and all that this package wrote of them; return what it was.

    Raises:
        RunNotFoundError: One is not there; those before it are erased.
    """
    before = store.stats().content_bytes
    deleted: list[Path] = []
    kept: list[Path] = []
    for run_id in run_ids:
        for path in _exports(store, run_id):
            gone, left = _delete(path, run_id)
            deleted += gone
            kept += left
    forks = [fork for each in run_ids for fork in _forks(store, each)]
    written = [one for each in run_ids for one in _checkpoints(store, each)]
    spans = sum(map(store.erase, run_ids))
    return Erased(
        run_ids=tuple(run_ids),
        users=tuple(users),
        spans=spans,
        content_bytes=max(0, before - store.stats().content_bytes),
        files=tuple(deleted),
        kept=tuple(kept),
        forks=tuple(fork for fork in dict.fromkeys(forks) if fork not in run_ids),
        threads=_went_on(store, written),
    )


def _forks(store: Store, run_id: str) -> list[str]:
    where = RunFilter(parent_run_id=run_id, limit=_ALL)
    return [run.run_id for run in store.runs(where)]


def _checkpoints(store: Store, run_id: str) -> list[SavedCheckpoint]:
    """Return the checkpoints that a run made."""
    if not isinstance(store, HoldsStates):
        return []
    return store.states().checkpoints(StateFilter(recorded_by=run_id))


def _went_on(store: Store, erased: Sequence[SavedCheckpoint]) -> tuple[str, ...]:
    """Return the threads that have checkpoints later than erased ones."""
    if not erased or not isinstance(store, HoldsStates):
        return ()
    first: dict[str, str] = {}
    for each in erased:
        id_ = each.checkpoint_id
        first[each.thread] = min(id_, first.get(each.thread, id_))
    states = store.states()
    latest = {
        thread: states.checkpoints(StateFilter(thread=thread, limit=1))
        for thread in sorted(first)
    }
    return tuple(
        thread
        for thread, found in latest.items()
        if any(each.checkpoint_id > first[thread] for each in found)
    )


def remember_export(store: Store, run_id: str, path: Path) -> None:
    """Note that a file holds a run, so that erasing the run deletes the file."""
    text = str(path.absolute())
    for name in _names(run_id):
        if store.set_setting_once(name, text) == text:
            return


def files_holding(paths: Sequence[Path], words: Sequence[str]) -> tuple[Path, ...]:
    """Return the files in which one of the words stands."""
    wanted = [word.encode() for word in words]
    return tuple(path for path in paths if any(_holds(path, each) for each in wanted))


def _holds(path: Path, word: bytes) -> bool:
    rest = b""
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                if word in rest + chunk:
                    return True
                rest = chunk[-len(word) :]
    except FileNotFoundError:  # a segment of a spool, stored meanwhile
        return False
    return False


def _names(run_id: str) -> Iterator[str]:
    """Yield the settings that exports of a run are noted in.

    They outlive the run, so they must not name it.
    """
    digest = content_hash(run_id.encode())[:_DIGITS]
    return (f"export/{digest}/{number}" for number in count())


def _exports(store: Store, run_id: str) -> Iterator[Path]:
    for name in _names(run_id):
        path = store.setting(name)
        if path is None:
            return
        yield Path(path)


def _delete(path: Path, run_id: str) -> tuple[list[Path], list[Path]]:
    """Delete a file if it holds the run, with a golden's bodies; return what went.

    The second list is what could not be deleted, or is its owner's: a test that was
    written for the run has its input and answer. None of a file that is gone, or holds
    another run by now.
    """
    if path.suffix == _TEST:
        return [], [path] if path.exists() else []
    gone: list[Path] = []
    wanted = [path]
    try:
        text = path.read_text(encoding="utf-8", errors="surrogatepass")
        if held_mark(run_id) in text:
            wanted = [*lone_bodies(path), path]
        elif not _is_recording_of(text, run_id):
            return [], []
        for each in wanted:
            each.unlink(missing_ok=True)
            gone.append(each)
    except FileNotFoundError:
        return [], []
    except (OSError, UnicodeError):
        return gone, [each for each in wanted if each not in gone]
    return gone, []


def _is_recording_of(text: str, run_id: str) -> bool:
    try:
        return load_recording(text, "").run_id == run_id
    except RecordingError:
        return False  # somebody wrote something else there
