"""How capture starts where nobody calls `configure()`.

`start` is called by the launcher's `sitecustomize`, in spawned children, and by the
hook of `opentelemetry-instrument`. With `OTEL_TRACES_EXPORTER=agent_replay` the SDK
makes an `AgentReplaySpanExporter` too, which then leaves the spans to capture.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from otel_agent_replay._setup.children import SESSION
from otel_agent_replay._setup.configure import configure, run_ids
from otel_agent_replay._setup.ending import at_exit
from otel_agent_replay._setup.starting import CHECK_IN
from otel_agent_replay.errors import AgentReplayError

__all__ = ["EXPORTER", "after_instrument", "start"]

EXPORTER: Final = "agent_replay"
CANNOT_START: Final = 70
"""Exit code of a program whose session cannot be opened."""

_LOGGER = logging.getLogger("otel_agent_replay")


def start() -> None:
    """Open the session this process was started for, else begin to record."""
    configure()
    if os.environ.get(CHECK_IN):
        _check_in(f"process {os.getpid()}")
        at_exit(_check_out)


def _check_out() -> None:
    for run_id in run_ids():
        _check_in(f"run {run_id}")
    _check_in(f"ended {os.getpid()}")


def _check_in(words: str) -> None:
    # The launcher may have ended before a process that it did not wait for.
    with suppress(OSError), Path(os.environ[CHECK_IN]).open("a") as file:
        file.write(f"{words}\n")


def after_instrument() -> None:
    """Begin to record where `opentelemetry-instrument` was told to export to us.

    Its `sitecustomize` hides that of our launcher, so this stands for it too.
    """
    exporters = os.environ.get("OTEL_TRACES_EXPORTER", "").split(",")
    launched = CHECK_IN in os.environ or SESSION in os.environ
    if EXPORTER not in [name.strip() for name in exporters] and not launched:
        return
    try:
        start()
    except AgentReplayError as error:
        _LOGGER.error("Nothing is recorded: %s", error)  # noqa: TRY400 - a clear text
        if SESSION in os.environ:
            os._exit(CANNOT_START)  # a replay that cannot start must not go live
