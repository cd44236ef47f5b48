"""A process that was started inside a session joins it."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import Final

from otel_agent_replay._setup import children, sessions
from otel_agent_replay._setup.ending import at_exit
from otel_agent_replay._setup.pool_tasks import TaskStoppedError
from otel_agent_replay._setup.sigterm import undisturbed
from otel_agent_replay._setup.specs import SessionSpec
from otel_agent_replay._setup.stores import open_store
from otel_agent_replay.config import Settings
from otel_agent_replay.errors import ConfigurationError
from otel_agent_replay.replay.replayer import ReplayStopped

__all__ = ["join_session", "leave_session"]


_joined = ExitStack()
"""Holds the session that this process has joined."""


@dataclass(slots=True)
class _Told:
    """What this process had been told when it joined."""

    by: children.Handover | None = None


_told: Final = _Told()


def join_session(settings: Settings | None = None) -> bool:
    """Open the session that the environment names, once; return whether it names one.

    It stays open until the process ends, and leaves its log in any case. Settings
    that the program itself gives, its redaction above all, hold in the session too:
    one that was opened before the program gave them is opened anew.

    Raises:
        ConfigurationError: The program gave its settings after its first call.
        AgentReplayError: The session cannot be opened here.
    """
    text = os.environ.get(children.SESSION)
    if text is None:
        return False
    if settings is not None:
        sessions.use_settings(settings)
        if sessions.current() is not None:
            _leave_untouched()
    # A spawned child starts as a program does, before it is told what it is.
    if sessions.current() and _told.by != children.inherited() and sessions.withdraw():
        _joined.close()
    if sessions.current() is None:
        _open_session(SessionSpec.load(text))
    return True


def _leave_untouched() -> None:
    if not sessions.withdraw():
        raise ConfigurationError(
            "configure()",
            "was called after the first call of a replay, resume or fork; call it "
            "before, so that its settings hold for all of it",
        )
    _joined.close()


def _open_session(spec: SessionSpec) -> None:
    """Keep a session open until the process ends; its log is left in any case."""
    _told.by = children.inherited()
    with open_store(spec.store, create=False) as store:
        run = spec.run(store.load)
    _joined.enter_context(
        sessions.open_session(
            run,
            spec,
            strict=False,
            handover=_told.by,
            launched=True,
        ),
    )
    _prepare_end()


def leave_session() -> None:
    """Leave the session that this process has joined, if any; its log is written."""
    with undisturbed():
        _joined.close()


@cache
def _prepare_end() -> None:
    """Leave the session at the end; let a stopped agent end without a traceback."""
    at_exit(leave_session, in_forks=True)
    previous = sys.excepthook

    def hook(
        kind: type[BaseException],
        error: BaseException,
        traceback: TracebackType | None,
    ) -> None:
        if not _is_stop(error):
            previous(kind, error, traceback)

    sys.excepthook = hook


def _is_stop(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(_is_stop(each) for each in error.exceptions)
    return isinstance(error, ReplayStopped | TaskStoppedError)
