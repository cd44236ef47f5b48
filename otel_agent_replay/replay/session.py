"""A session: a replay, resume or fork while it goes on and after."""

from __future__ import annotations

from otel_agent_replay.errors import DivergenceError, WriteBlockedError
from otel_agent_replay.model.divergence import ReplayReport
from otel_agent_replay.model.run import Run
from otel_agent_replay.replay.log import report_of
from otel_agent_replay.replay.plan import Plan
from otel_agent_replay.replay.replayer import Replayer

__all__ = ["ReplaySession", "raise_for"]


class ReplaySession:
    """What `replay`, `resume` and `fork` give.

    Attributes:
        recorded: The run that answers.
        run: The run that this session made; None until the session has ended.
    """

    def __init__(self, recorded: Run, plan: Plan, replayer: Replayer) -> None:
        self.recorded = recorded
        self.run: Run | None = None
        self._plan = plan
        self._replayer = replayer

    @property
    def report(self) -> ReplayReport:
        """What was served, unused, live and different so far."""
        return report_of(self.recorded, self._plan, self._replayer.log)


def raise_for(report: ReplayReport) -> None:
    """Raise what a report says went wrong; nothing if it is `ok`.

    Raises:
        WriteBlockedError: A write was refused.
        DivergenceError: The replay differed from the recording.
    """
    if report.blocked:
        reason = "only the recording's reads and the allowed writes may run"
        raise WriteBlockedError(report.blocked[0], reason)
    if report.divergences:
        lines = [str(each) for each in report.divergences]
        raise DivergenceError(report.run_id, lines)
