"""A golden while a test runs the agent on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache

from otel_agent_replay import loader
from otel_agent_replay._setup import children, sessions
from otel_agent_replay._setup.replaying import replay
from otel_agent_replay._setup.session_folder import own_directory
from otel_agent_replay._setup.stores import open_store
from otel_agent_replay.errors import (
    DivergenceError,
    GoldenError,
    RunIncompleteError,
    WriteBlockedError,
)
from otel_agent_replay.model.divergence import ReplayReport
from otel_agent_replay.model.run import Run, RunSource
from otel_agent_replay.replay.golden import Golden
from otel_agent_replay.replay.golden_verdict import (
    failures,
    has_answers,
    report_lines,
)
from otel_agent_replay.replay.session import ReplaySession

__all__ = ["GoldenSession", "run_of"]


def run_of(golden: Golden) -> Run:
    """Return the recorded run of a golden.

    Raises:
        GoldenError: It holds nothing that a replay could compare.
        RunIncompleteError: Something was taken out of it.
    """
    recording = golden.recording
    run = loader.load(recording.spans, recording.run_id) if recording.spans else None
    if run is None or not has_answers(run):
        problem = (
            "it holds no recorded call, so nothing would be compared. Make it anew."
        )
        raise GoldenError(golden.name, problem)
    if run.gaps:
        gaps = [gap.text for gap in run.gaps]
        raise RunIncompleteError(
            run.run_id, gaps, "A golden has to be whole: make it anew of a whole run."
        )
    return run


class GoldenSession:
    """A replay of a golden, from before the agent runs to the verdict."""

    def __init__(self, golden: Golden, options: Mapping[str, object]) -> None:
        """Take a golden, and what `replay` is to be told besides."""
        self.golden = golden
        self.recorded = run_of(golden)
        self.failures: tuple[str, ...] = ()
        self._options = options
        self._stack = ExitStack()
        self._session: ReplaySession | None = None
        self._ended = False

    def open(self) -> None:
        """Answer every call of the agent from the golden from here on."""
        folder = self._stack.enter_context(own_directory())
        url = f"sqlite:///{folder}/golden.db"
        source = RunSource(store_url=url, pseudonym_key=None)
        run = replace(self.recorded, source=source)
        made = replay(run, strict=False, **self._options)  # type: ignore[arg-type]
        self._session = self._stack.enter_context(made)
        self._stack.enter_context(_stored_for_children(self.golden, url))

    def close(self) -> None:
        """End the replay, and know what was wrong with it; safe to repeat."""
        if self._ended or self._session is None:
            return
        self._ended = True
        stopped = False
        # What stands if the replay cannot even be ended.
        self.failures = ("its replay could not be ended: nothing was compared",)
        try:
            self._stack.close()
        except (DivergenceError, WriteBlockedError):
            stopped = True  # the report says why
        self.failures = failures(
            self.recorded,
            self.golden.expect,
            self.report,
            self.made,
            stopped=stopped,
        )

    @property
    def report(self) -> ReplayReport:
        """What was served, unused, live and different so far."""
        if self._session is None:
            return ReplayReport(run_id=self.recorded.run_id)
        return self._session.report

    @property
    def made(self) -> Run | None:
        """The run that the replay made; None before its end, or if no agent ran."""
        return self._session.run if self._session else None

    @property
    def says(self) -> str:
        """What a person reads when it failed."""
        return "\n".join(report_lines(self.golden.name, self.failures, self.report))


@contextmanager
def _stored_for_children(golden: Golden, url: str) -> Iterator[None]:
    """Have the golden in a store from when the first child process needs it.

    Most agents start none, and writing a store takes longer than a short replay.
    """

    @cache
    def stored() -> None:
        with open_store(url) as store:
            store.add(golden.recording)

    def tell(command: str) -> children.Handover | None:
        handover = sessions.tell_child(command)
        if handover is not None:
            stored()
        return handover

    children.install(tell)
    try:
        yield
    finally:
        children.install(sessions.tell_child)
