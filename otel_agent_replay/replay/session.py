"""A session: a replay, resume or fork while it goes on and after."""

from __future__ import annotations

from collections.abc import Callable

from otel_agent_replay.errors import (
    DivergenceError,
    WriteBlockedError,
    WriteInDoubtError,
)
from otel_agent_replay.model.divergence import ReplayReport
from otel_agent_replay.model.run import Run
from otel_agent_replay.replay.log import SessionLog
from otel_agent_replay.replay.plan import Plan
from otel_agent_replay.replay.replayer import Replayer
from otel_agent_replay.replay.report import report_of

__all__ = ["ReplaySession", "raise_for"]


class ReplaySession:
    """What `replay`, `resume` and `fork` give.

    Attributes:
        recorded: The run that answers.
    """

    def __init__(self, recorded: Run, plan: Plan, replayer: Replayer) -> None:
        self.recorded = recorded
        self._make_run: Callable[[], Run | None] = lambda: None
        self._run: Run | None = None
        self._plan = plan
        self._replayer = replayer

    @property
    def run(self) -> Run | None:
        """The run that this session made; None until the session has ended."""
        if self._run is None:
            self._run = self._make_run()
        return self._run

    def ended(self, make_run: Callable[[], Run | None]) -> None:
        """Say how the session's run is made; that is done when it is asked for."""
        self._make_run = make_run

    @property
    def log(self) -> SessionLog:
        """What was seen so far, as the report is made of."""
        return self._replayer.log

    @property
    def report(self) -> ReplayReport:
        """What was served, unused, live and different so far."""
        return report_of(self.recorded, self._plan, self.log)


def raise_for(report: ReplayReport) -> None:
    """Raise what a report says went wrong; nothing if it is `ok`.

    Raises:
        WriteInDoubtError: A write is in doubt.
        WriteBlockedError: A write was refused.
        DivergenceError: The replay differed from the recording.
    """
    if report.in_doubt:
        raise WriteInDoubtError(*report.in_doubt[0])
    if report.blocked:
        reason = "only the recording's reads and the allowed writes may run"
        raise WriteBlockedError(report.blocked[0], reason)
    if report.divergences:
        lines = [str(each) for each in report.divergences]
        raise DivergenceError(report.run_id, lines)
