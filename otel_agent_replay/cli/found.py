"""Stores and runs as the command line names them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from otel_agent_replay._setup.launch import sqlite_path
from otel_agent_replay._setup.stores import RunStore, open_store
from otel_agent_replay.config import load_settings
from otel_agent_replay.errors import RunNotFoundError

__all__ = [
    "FIRST_STEP",
    "checked_store",
    "named_run",
    "nothing_stored",
    "opened_store",
    "store_url",
    "whole_id",
]

FIRST_STEP: Final = (
    "Record one with `agent-replay record -- python your_agent.py`, or see how it "
    "goes with `agent-replay demo`."
)
_NEWEST: Final = frozenset({"last", "latest"})


def store_url(given: str | None) -> str:
    """Return the URL of the store that an option or else the settings name."""
    return given or load_settings().store


def nothing_stored(url: str) -> bool:
    """Return whether a store of this URL was never made."""
    path = sqlite_path(url)
    return path is not None and not path.exists()


@contextmanager
def opened_store(given: str | None) -> Iterator[RunStore]:
    """Open a store that is there.

    Raises:
        StoreError: It is not there, or cannot be opened.
    """
    with open_store(store_url(given), create=False) as store:
        yield store


@contextmanager
def checked_store(given: str | None, reference: str | None) -> Iterator[RunStore]:
    """Open a store; where none was ever made, the run looked for is not there.

    Raises:
        RunNotFoundError: There is no store, and a run was looked for.
        StoreError: The store cannot be opened.
    """
    url = store_url(given)
    if reference is not None and nothing_stored(url):
        raise _no_run(reference, url)
    with opened_store(url) as store:
        yield store


@contextmanager
def named_run(given: str | None, reference: str) -> Iterator[tuple[RunStore, str]]:
    """Open a store and find a run in it; give the store and the run's whole id.

    Raises:
        RunNotFoundError: There is no such run, or no run at all.
        AmbiguousRunError: The reference fits several.
        StoreError: The store cannot be opened.
    """
    with checked_store(given, reference) as store:
        yield store, whole_id(store, reference)


def whole_id(store: RunStore, reference: str) -> str:
    """Return the id of the run that an id, a prefix of one, or `last` names.

    Raises:
        RunNotFoundError: There is no such run.
        AmbiguousRunError: The reference fits several.
    """
    if reference in _NEWEST:
        newest = store.runs(limit=1)
        if not newest:
            raise _no_run(reference, store.shown_url)
        return newest[0].run_id
    try:
        return store.resolve(reference)
    except RunNotFoundError as error:
        if not store.runs(limit=1):
            raise _no_run(reference, store.shown_url) from error
        raise


def _no_run(reference: str, url: str) -> RunNotFoundError:
    error = RunNotFoundError(reference)
    error.add_note(f"There are no runs yet in {url}. {FIRST_STEP}")
    return error
