"""The runs around a run: what it came from, and all forks and replays of that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from otel_agent_replay import semconv
from otel_agent_replay._setup.stores import RunStore
from otel_agent_replay.errors import RunNotFoundError
from otel_agent_replay.model.run import Run, RunSummary

__all__ = ["Family", "Member", "family_of"]

_MOST: Final = 500
_ALL: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A run of a family.

    Attributes:
        summary, run: The run.
        depth: How many runs it comes from inside the family.
        lasts: Of it and each of those below the first, whether no other of the same
            parent follows.
    """

    summary: RunSummary
    run: Run
    depth: int
    lasts: tuple[bool, ...] = ()

    @property
    def resumes(self) -> int:
        """How often the run was resumed: each part of it has a root of its own."""
        roots = sum(semconv.RUN_STATUS in span.attributes for span in self.run.spans)
        return max(0, roots - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Runs that come from each other.

    Attributes:
        members: The first run, then its children, the oldest first, each followed by
            its own.
        missing: Id of the run that the first one came from and that is not stored.
        left_out: How many more there are.
    """

    members: tuple[Member, ...]
    missing: str | None = None
    left_out: int = 0


def family_of(store: RunStore, run_id: str) -> Family:
    """Return the family of a stored run.

    Raises:
        RunNotFoundError: No such run.
    """
    first = _first(store, run_id)
    walked = list(_walk(store, first))
    members = tuple(
        Member(
            summary=summary,
            run=store.load(summary.run_id),
            depth=len(lasts),
            lasts=lasts,
        )
        for summary, lasts in walked[:_MOST]
    )
    # A file may say that two runs come from each other; then neither is missing.
    known = first.parent_run_id in {each.run_id for each, _ in walked}
    return Family(
        members=members,
        missing=None if known else first.parent_run_id,
        left_out=len(walked) - len(members),
    )


def _first(store: RunStore, run_id: str) -> RunSummary:
    """Return the oldest run that a run comes from and that is stored."""
    found = _stored(store, run_id)
    if found is None:
        raise RunNotFoundError(run_id)
    seen = {run_id}
    while found.parent_run_id is not None and found.parent_run_id not in seen:
        seen.add(found.parent_run_id)
        above = _stored(store, found.parent_run_id)
        if above is None:
            break
        found = above
    return found


def _stored(store: RunStore, run_id: str) -> RunSummary | None:
    return next(
        (each for each in store.runs(run_id=run_id) if each.run_id == run_id), None
    )


def _walk(
    store: RunStore, first: RunSummary
) -> Iterator[tuple[RunSummary, tuple[bool, ...]]]:
    """Give each run once, its children after it, the oldest first."""
    seen = {first.run_id}
    waiting: list[tuple[RunSummary, tuple[bool, ...]]] = [(first, ())]
    while waiting:
        summary, lasts = waiting.pop()
        yield summary, lasts
        # Newest first, as they are taken from the end.
        found = store.runs(parent=summary.run_id, limit=_ALL)
        children = [each for each in found if each.run_id not in seen]
        seen |= {each.run_id for each in children}
        for place, child in enumerate(children):
            waiting.append((child, (*lasts, place == 0)))
