"""How capture starts where nobody calls `configure()`.

`start` is called by the launcher's `sitecustomize`, in spawned children, and by the
hook of `opentelemetry-instrument`. `EnvironmentExporter` is what
`OTEL_TRACES_EXPORTER=agent_replay` names.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from otel_agent_replay._setup import children, sessions
from otel_agent_replay._setup.configure import configure
from otel_agent_replay._setup.specs import SessionSpec
from otel_agent_replay._setup.stores import open_store
from otel_agent_replay.errors import AgentReplayError
from otel_agent_replay.replay.replayer import ReplayStopped

__all__ = ["CHECKED_IN", "EXPORTER", "EnvironmentExporter", "after_instrument", "start"]

EXPORTER: Final = "agent_replay"
CHECKED_IN: Final = "AGENT_REPLAY_CHECK_IN"
"""Names the file by which a started program says that it is being recorded."""

_LOGGER = logging.getLogger("otel_agent_replay")


def start() -> None:
    """Open the session this process was started for, else begin to record."""
    if children.SESSION in os.environ:
        if sessions.current() is None:
            _open_session(SessionSpec.load(os.environ[children.SESSION]))
    else:
        configure()
    check_in = os.environ.get(CHECKED_IN)
    if check_in:
        with open(check_in, "a", encoding="utf-8") as file:  # noqa: PTH123 - at start-up
            file.write(f"{os.getpid()}\n")


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
    atexit.register(stack.close)
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


def after_instrument() -> None:
    """Begin to record where `opentelemetry-instrument` was told to export to us."""
    exporters = os.environ.get("OTEL_TRACES_EXPORTER", "")
    if EXPORTER not in [name.strip() for name in exporters.split(",")]:
        return
    try:
        start()
    except AgentReplayError as error:
        _LOGGER.error("Nothing is recorded: %s", error)  # noqa: TRY400 - a clear text


class EnvironmentExporter(SpanExporter):
    """Stands for us among the exporters that the SDK's environment names.

    The spans reach the store through the processor that `configure()` adds, with
    their payloads; a second way would only find them stored.
    """

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Take spans that the processor has taken already."""
        del spans
        return SpanExportResult.SUCCESS
