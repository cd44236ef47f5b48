"""The one guard between our code and the agent's."""

from __future__ import annotations

import logging
import os
from collections.abc import Generator
from contextlib import contextmanager

from otel_agent_replay.capture.losses import Losses

__all__ = ["guarded"]

_LOGGER = logging.getLogger("otel_agent_replay")
_SEEN: set[tuple[str, str]] = set()


@contextmanager
def guarded(what: str, losses: Losses, run_id: str = "") -> Generator[None]:
    """Keep a failure of ours away from the agent: log it once, count it, go on.

    Under pytest the failure is raised, so that tests see it.
    """
    try:
        yield
    except Exception as error:
        if "PYTEST_CURRENT_TEST" in os.environ:
            raise
        losses.count(run_id, "capture")
        seen = (what, type(error).__name__)
        if seen not in _SEEN:
            _SEEN.add(seen)
            _LOGGER.warning(
                "%s failed; your code goes on, this run is marked incomplete",
                what,
                exc_info=True,
            )
