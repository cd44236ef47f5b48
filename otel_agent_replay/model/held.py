"""The mark of a run in a page that was written of it for people."""

from __future__ import annotations

from otel_agent_replay.model.payload import content_hash

__all__ = ["held_mark"]

_DIGITS = 32


def held_mark(run_id: str) -> str:
    """Return what a page says to be known again as one that holds the run.

    It does not name the run, so it may stand in any text.
    """
    return f"holds-run-{content_hash(run_id.encode(errors='replace'))[:_DIGITS]}"
