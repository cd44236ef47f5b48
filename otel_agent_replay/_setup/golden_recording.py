"""A test's agent recorded live, to become a golden."""

from __future__ import annotations

from contextlib import ExitStack

from otel_agent_replay._setup.configure import configure, run_ids, shutdown
from otel_agent_replay._setup.session_folder import own_directory
from otel_agent_replay._setup.stores import open_store
from otel_agent_replay.model.divergence import ReplayReport
from otel_agent_replay.model.run import Recording, Run

__all__ = ["LiveRecording"]


class LiveRecording:
    """A recording of one run of the agent, made by the settings in force here.

    The program's own recording, if any, ends with it.
    """

    def __init__(self, name: str) -> None:
        """Take the name of the golden to be."""
        self.name = name
        self.failures: tuple[str, ...] = ()
        self.recording: Recording | None = None
        self._stack = ExitStack()
        self._run: Run | None = None
        self._url = ""

    def open(self) -> None:
        """Record from here on; calls go live."""
        folder = self._stack.enter_context(own_directory())
        self._url = f"sqlite:///{folder}/golden.db"
        configure(store=self._url)

    def close(self) -> None:
        """End the recording and read it back; safe to repeat."""
        if not self._url:
            return
        url, self._url = self._url, ""
        recorded = run_ids()
        shutdown()
        if len(recorded) == 1:
            with open_store(url, create=False) as store:
                self.recording = store.recording(recorded[0])
                self._run = store.load(recorded[0])
        else:
            problem = f"it is to run the agent once, and ran it {len(recorded)} times"
            self.failures = (problem,)
        self._stack.close()

    @property
    def made(self) -> Run | None:
        """The run; None before its end."""
        return self._run

    @property
    def report(self) -> ReplayReport:
        """Nothing: it is no replay."""
        return ReplayReport(run_id=self._run.run_id if self._run else "")

    @property
    def says(self) -> str:
        """What a person reads when it failed."""
        return f"golden {self.name} cannot be recorded: {'; '.join(self.failures)}"
