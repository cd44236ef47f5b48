"""A golden while its test runs: opened before the test, judged after it."""

from __future__ import annotations

import unittest
from collections.abc import Generator, Iterator
from contextlib import (
    AbstractContextManager,
    ExitStack,
    contextmanager,
    nullcontext,
    suppress,
)
from pathlib import Path
from typing import Final, Protocol

import pytest
from _pytest.outcomes import OutcomeException

from otel_agent_replay import intercept
from otel_agent_replay._setup.golden_files import FOLDER, read_golden
from otel_agent_replay._setup.golden_recording import LiveRecording
from otel_agent_replay._setup.golden_session import GoldenSession
from otel_agent_replay.errors import AgentReplayError, SessionEndedError
from otel_agent_replay.intercept import OpenCall
from otel_agent_replay.model.call import Call, Outcome
from otel_agent_replay.model.divergence import ReplayReport
from otel_agent_replay.model.payload import JsonObject
from otel_agent_replay.model.run import Run
from otel_agent_replay.replay.golden_view import GoldenRun, plain

__all__ = ["PLAYING", "RECORD", "AgentReplay", "Wanted", "judged", "playing", "wanted"]

_OPTIONS: Final = frozenset(
    {"match", "normalise", "live", "allow_writes", "clock", "network"}
)
_OF_TESTS: Final = (Exception, OutcomeException)
_ASKED_OTHERWISE: Final = frozenset({"changed", "unexpected", "out_of_order"})


class _Stage(Protocol):
    """A replay of a golden, or a live recording that is to become one."""

    failures: tuple[str, ...]

    def open(self) -> None: ...

    def close(self) -> None: ...

    @property
    def made(self) -> Run | None: ...

    @property
    def report(self) -> ReplayReport: ...

    @property
    def says(self) -> str: ...


class Wanted:
    """The golden that a test names: its folder, name, and how it is replayed."""

    def __init__(self, folder: Path, name: str, options: dict[str, object]) -> None:
        self.folder = folder
        self.name = name
        self.options = options

    @property
    def path(self) -> Path:
        """Where the golden stands."""
        return self.folder / f"{self.name}.json"


class AgentReplay:
    """A test's golden: what the agent was given then, and what it does now.

    Attributes:
        name: The golden's name.
    """

    def __init__(self, name: str, stage: _Stage, recorded: Run | None) -> None:
        self.name = name
        self._stage = stage
        self._recorded = recorded
        self._afterwards = ExitStack()
        self._late: list[str] = []
        self._ended = False
        self._told = False

    @property
    def input(self) -> JsonObject:
        """The arguments of the recorded run by parameter name, as plain JSON.

        Secrets in them are pseudonyms, as they were recorded.
        """
        given = plain(self._recorded.input) if self._recorded else {}
        return given if isinstance(given, dict) else {}

    @property
    def recorded(self) -> GoldenRun:
        """The recorded run."""
        if self._recorded is None:
            pytest.fail(f"golden {self.name} is being recorded only now", pytrace=False)
        return GoldenRun(self._recorded)

    @property
    def run(self) -> GoldenRun:
        """What the agent did in this test. Ends the replay: ask for it after the agent.

        If the agent did not do what the golden says, the test fails here.
        """
        __tracebackhide__ = True
        self.finish()
        made = self._stage.made
        if made is None:
            pytest.fail(f"golden {self.name}: no agent ran", pytrace=False)
        return GoldenRun(made)

    @property
    def report(self) -> ReplayReport:
        """What was served, unused, live and different so far."""
        return self._stage.report

    def finish(self) -> None:
        """End the replay; fail the test if it was not what the golden says."""
        __tracebackhide__ = True  # a debugger stops at the test's own line
        self._end()
        if self._failures:
            self._told = True
            pytest.fail(self._says, pytrace=False)

    def failed(self, error: BaseException) -> None:
        """End the replay of a test that failed; say what the replay knows of it.

        A test that skips itself may do so, unless the agent did something else before.
        """
        if self._told or isinstance(error, pytest.xfail.Exception):
            return
        if isinstance(error, pytest.skip.Exception) and not self._went_elsewhere:
            return
        with suppress(AgentReplayError):  # the test's own error comes first
            self._end()
        if not self._failures or self._never_ran:
            return
        said = str(error).partition("\n")[0]
        lines = [self._says]
        if said and isinstance(error, _OF_TESTS) and self._stage.failures:
            lines.append(f"  the test itself: {type(error).__name__}: {said}")
        self._told = True
        raise pytest.fail.Exception("\n".join(lines), pytrace=False) from None

    def _end(self) -> None:
        self._stage.close()
        if not self._ended:
            self._ended = True
            self._afterwards.enter_context(intercept.session(_Closed(self._late)))

    @property
    def _went_elsewhere(self) -> bool:
        report = self._stage.report
        found = {each.kind for each in report.divergences} & _ASKED_OTHERWISE
        return bool(found or report.blocked or report.in_doubt)

    @property
    def _never_ran(self) -> bool:
        """Whether the test's own error is all there is to say."""
        nothing = self._stage.made is None and not self._went_elsewhere
        return nothing and not self._late

    @property
    def _failures(self) -> bool:
        return bool(self._stage.failures or self._late)

    @property
    def _says(self) -> str:
        late = [
            f"golden {self.name}: {each} was called after the replay had ended, so it "
            "was compared with nothing; ask for agent_replay.run after the agent"
            for each in self._late[:1]
        ]
        return "\n".join([*([self._stage.says] if self._stage.failures else []), *late])

    def release(self) -> None:
        """Let calls go where they went before: fixtures tidy up what they began."""
        self._afterwards.close()

    def close(self) -> None:
        """End the replay, whatever it was."""
        try:
            self._stage.close()
        finally:
            self.release()

    @property
    def stage(self) -> _Stage:
        """The replay or recording behind it."""
        return self._stage


class _Closed:
    """Stands on the seam from the end of a replay to the end of its test."""

    def __init__(self, late: list[str]) -> None:
        self._late = late

    def before(self, opened: OpenCall) -> Outcome | Call | None:
        """Refuse a call, which nothing would be compared with."""
        self._late.append(opened.call.name)
        raise SessionEndedError(opened.call.name)

    def after(self, opened: OpenCall, outcome: Outcome) -> None:
        """See nothing."""

    def scope(self, opened: OpenCall) -> AbstractContextManager[None]:
        """Surround nothing."""
        del opened
        return nullcontext()


PLAYING: Final = pytest.StashKey[AgentReplay]()
RECORD: Final = pytest.StashKey[bool]()
"""Whether the test is to run live, to be recorded: `--golden-update` asked for it."""


def wanted(item: pytest.Item) -> Wanted:
    """Return the golden that a test names.

    Raises:
        pytest.UsageError: It names none, or not as one does.
    """
    where = item.path.parent
    chosen = getattr(item, "callspec", None)
    given = chosen.params.get("agent_replay") if chosen is not None else None
    if given is not None:
        folder, name = given
        marker = item.get_closest_marker("golden_folder")
        return Wanted(
            folder, name, _options(item, dict(marker.kwargs) if marker else {})
        )
    marker = item.get_closest_marker("golden")
    if marker is None or len(marker.args) != 1 or not isinstance(marker.args[0], str):
        message = f'{item.name} needs @pytest.mark.golden("name"), with one name'
        if item.get_closest_marker("golden_folder") is not None:
            message = f"{item.name} is marked golden_folder, which unittest cannot take"
        raise pytest.UsageError(message)
    return Wanted(where / FOLDER, marker.args[0], _options(item, dict(marker.kwargs)))


def _options(item: pytest.Item, given: dict[str, object]) -> dict[str, object]:
    unknown = sorted(given.keys() - _OPTIONS)
    if unknown:
        known = ", ".join(sorted(_OPTIONS))
        message = f"{item.name}: golden has no {', '.join(unknown)}; it has {known}"
        raise pytest.UsageError(message)
    return given


@contextmanager
def playing(request: pytest.FixtureRequest) -> Iterator[AgentReplay]:
    """Open the golden of a test, or a recording of the test."""
    item = request.node
    named = wanted(item)
    opened = _recording(named) if item.stash.get(RECORD, False) else _replay(named)
    item.stash[PLAYING] = opened
    if isinstance(request.instance, unittest.TestCase):
        request.instance.agent_replay = opened  # type: ignore[attr-defined]
    try:
        opened.stage.open()
        yield opened
    finally:
        with suppress(
            AgentReplayError
        ):  # `judged` has said it, unless the test was skipped
            opened.close()


def _replay(named: Wanted) -> AgentReplay:
    try:
        golden = read_golden(named.folder, named.name)
        session = GoldenSession(golden, named.options)
    except AgentReplayError as error:
        pytest.fail(str(error), pytrace=False)
    return AgentReplay(named.name, session, session.recorded)


def _recording(named: Wanted) -> AgentReplay:
    known = None
    with suppress(AgentReplayError):
        known = GoldenSession(read_golden(named.folder, named.name), {}).recorded
    return AgentReplay(named.name, LiveRecording(named.name), known)


@contextmanager
def judged(item: pytest.Item) -> Generator[None]:
    """End the replay with the test, and fail the test with what the replay says."""
    opened = item.stash.get(PLAYING, None)
    if opened is None:
        message = (
            f"{item.name} is marked with a golden that was never opened: it was marked "
            "after its setup had begun, or has a fixture agent_replay of its own"
        )
        pytest.fail(message, pytrace=False)
    try:
        yield
        noted = getattr(item, "_excinfo", None)
        if noted:  # unittest keeps what a test raised to itself
            _let_speak(item, opened, noted[0].value)
        else:
            opened.finish()
    except (pytest.exit.Exception, KeyboardInterrupt):
        raise
    except BaseException as error:
        opened.failed(error)
        raise
    finally:
        opened.release()


def _let_speak(item: pytest.Item, opened: AgentReplay, error: BaseException) -> None:
    try:
        opened.failed(error)
    except pytest.fail.Exception:
        item._excinfo = None  # type: ignore[attr-defined] # noqa: SLF001 - as pytest does
        raise
