"""Where an open call stands in the recording."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from otel_agent_replay.model.call import Call
from otel_agent_replay.model.step import Step
from otel_agent_replay.replay.plan import Plan

__all__ = ["Covers", "Place", "covers_of", "may_run"]

Covers: TypeAlias = Literal["nothing", "http", "all"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an open call stands in the recording.

    Attributes:
        step: Its recorded step, None for the run itself.
        live: Whether it goes live, and what is inside it as well.
        root: Whether it is the agent's own call.
        covers: What of a live call's doing is its own: HTTP requests of a tool, all
            that a write does that was allowed.
        instead: The recorded step that a live call stands for in a replay, if any.
        unknown: Whether it is a process that the recording does not know: that it was
            started changes nothing, and no call in it has a step.
    """

    step: int | None = None
    live: bool = False
    root: bool = False
    covers: Covers = "nothing"
    instead: Step | None = None
    unknown: bool = False

    @property
    def is_recorded(self) -> bool:
        """Whether calls made here may have been made here then."""
        return not self.unknown and (not self.live or self.instead is not None)


def covers_of(call: Call, inside: Covers) -> Covers:
    """Return what a live call covers of what it does.

    HTTP requests inside a live tool are that tool's doing and covered by its effect; a
    tool inside it has an effect of its own. What an allowed write does is allowed.
    """
    if _is_write(call):
        return "all" if call.kind != "http" else inside
    return "http" if call.kind == "tool" and inside == "nothing" else inside


def may_run(plan: Plan, call: Call, inside: Covers) -> bool:
    """Return whether a call may run live inside what covers it, write or not."""
    if not _is_write(call) or plan.may_write(call):
        return True
    return inside == "all" or (inside == "http" and call.kind == "http")


def _is_write(call: Call) -> bool:
    return call.effect == "write" and call.kind != "model"
