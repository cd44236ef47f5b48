"""A process that was started inside a session joins it."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from types import TracebackType

from otel_agent_replay._setup import children, sessions
from otel_agent_replay._setup.ending import at_exit
from otel_agent_replay._setup.specs import SessionSpec
from otel_agent_replay._setup.stores import open_store
from otel_agent_replay.replay.replayer import ReplayStopped

__all__ = ["join_session"]


def join_session() -> bool:
    """Open the session that the environment names, once; return whether it names one.

    It stays open until the process ends, and leaves its log in any case.

    Raises:
        AgentReplayError: The session cannot be opened here.
    """
    text = os.environ.get(children.SESSION)
    if text is None:
        return False
    if sessions.current() is None:
        _open_session(SessionSpec.load(text))
    return True


def _open_session(spec: SessionSpec) -> None:
    """Keep a session open until the process ends; its log is left in any case."""
    with open_store(spec.store, create=False) as store:
        run = store.load(spec.run_id)
    stack = ExitStack()
    stack.enter_context(
        sessions.open_session(
            run,
            spec,
            strict=False,
            handover=children.inherited(),
            launched=True,
        ),
    )
    at_exit(stack.close)
    _quiet_stop()


def _quiet_stop() -> None:
    """Let a stopped agent end without a traceback: the report says why."""
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
    return isinstance(error, ReplayStopped)
