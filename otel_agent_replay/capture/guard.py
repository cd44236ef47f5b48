"""The one guard between our code and the agent's."""

from __future__ import annotations

import logging
import os
import signal
import traceback

from otel_agent_replay.capture.losses import Losses

__all__ = ["LOGGER", "kept_away", "place_of"]

LOGGER = logging.getLogger("otel_agent_replay")
_SEEN: set[tuple[str, str]] = set()


def kept_away(what: str, error: Exception, losses: Losses, run_id: str = "") -> None:
    """Keep a failure of ours away from the agent: count it, log it once, go on.

    To be called where the failure is caught. Under pytest it is raised again, so
    that tests see it. So is what a handler of a signal raised while our code ran: a
    time limit, say, is the agent's to see. The log has type and place of a failure,
    never its message: that may quote a payload.
    """
    if "PYTEST_CURRENT_TEST" in os.environ:
        raise error
    losses.count(run_id, "capture")
    if _is_of_a_signal(error):
        raise error
    seen = (what, type(error).__name__)
    if seen not in _SEEN:
        _SEEN.add(seen)
        LOGGER.warning(
            "%s failed (%s); your code goes on, this run is marked incomplete",
            what,
            place_of(error),
        )


def _is_of_a_signal(error: Exception) -> bool:
    """Whether a handler of a signal raised it: it did, or what it called."""
    handlers = map(signal.getsignal, signal.valid_signals())
    codes = {getattr(each, "__code__", None) for each in handlers} - {None}
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_code in codes for frame, _ in frames)


def place_of(error: BaseException) -> str:
    """Return an exception's type and where it was raised, without its message."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"
