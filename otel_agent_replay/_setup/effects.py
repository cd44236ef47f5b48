"""Which reads of clock, randomness, environment and files are taken, and where."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Generator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic_ns
from typing import Final, Literal, TypeAlias, cast

from opentelemetry import trace

from otel_agent_replay import intercept, semconv
from otel_agent_replay._setup.program import environment
from otel_agent_replay.capture.guard import LOGGER
from otel_agent_replay.capture.losses import Losses
from otel_agent_replay.capture.recorder import Recorder
from otel_agent_replay.config import Settings
from otel_agent_replay.errors import ConfigurationError
from otel_agent_replay.instrument import effects, retries
from otel_agent_replay.instrument.effects.reading import (
    NO_EFFECTS,
    Effects,
    in_force,
    use_for_process,
    using,
)
from otel_agent_replay.intercept import Interceptor, OpenCall
from otel_agent_replay.model.call import EFFECT_KINDS, Call, Kind, Outcome
from otel_agent_replay.model.payload import JsonValue, dump_json
from otel_agent_replay.model.run import Run
from otel_agent_replay.replay.replayer import Replayer

__all__ = [
    "Clock",
    "RecordedEffects",
    "chosen",
    "clock_of",
    "effects_of",
    "for_session",
    "forget_process",
    "is_taking",
    "recording_here",
    "take_in_process",
    "with_reads_here",
]

Clock: TypeAlias = Literal["recorded", "live"]
_EARLY: Final = 1000
"""How many reads may come before the first call of the process's run."""


def clock_of(text: str) -> Clock:
    """Return which clock a text names.

    Raises:
        ConfigurationError: It names none.
    """
    if text not in {"recorded", "live"}:
        raise ConfigurationError("clock", f"{text!r} is not one of 'recorded', 'live'")
    return cast("Clock", text)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedEffects:
    """Which reads a run has: kinds, and patterns of files."""

    kinds: frozenset[Kind]
    files: tuple[str, ...] = ()


def chosen(kinds: Collection[str], files: Collection[str]) -> RecordedEffects:
    """Return what these settings ask for.

    Raises:
        ConfigurationError: There is no such kind, or no file was declared.
    """
    unknown = sorted(set(kinds) - EFFECT_KINDS)
    if unknown:
        known = ", ".join(sorted(EFFECT_KINDS))
        raise ConfigurationError("effects", f"{unknown[0]!r} is none of: {known}")
    if "file" in kinds and not files:
        problem = "'file' needs `files`, patterns of the files to record: data/*.json"
        raise ConfigurationError("effects", problem)
    more = {"file"} if files else set()
    found = cast("frozenset[Kind]", frozenset({*kinds, *more}))
    return RecordedEffects(kinds=found, files=tuple(files))


def effects_of(run: Run) -> RecordedEffects:
    """Return which reads a run has: those it was told to record."""
    files = _texts(run.environment.get("files"))
    told = {*_texts(run.environment.get("effects")), *({"file"} if files else ())}
    seen = {step.call.kind for step in run.steps}
    kinds = cast("frozenset[Kind]", (told | seen) & EFFECT_KINDS)
    return RecordedEffects(kinds=frozenset(kinds), files=files)


def _texts(value: JsonValue) -> tuple[str, ...]:
    found = value if isinstance(value, list) else []
    return tuple(each for each in found if isinstance(each, str))


# --- recording -----------------------------------------------------------------------


class _Early:
    """Keeps reads that come before the process's run, until its first call.

    Only that call tells that the process has a run of its own: reads at the import of
    an agent's module must not open one.
    """

    def __init__(self, recorder: Recorder, losses: Losses) -> None:
        self._recorder = recorder
        self._losses = losses
        self._reads: list[tuple[Call, Outcome]] = []
        self._lock = threading.Lock()

    def keep(self, call: Call, outcome: Outcome) -> None:
        """Keep a read; one inside another instrumentation's span is in no run."""
        if trace.get_current_span().get_span_context().is_valid:
            return
        with self._lock:
            if len(self._reads) < _EARLY:
                self._reads.append((call, outcome))
            elif len(self._reads) == _EARLY:
                self._reads.append((call, outcome))
                LOGGER.warning(
                    "More than %d reads before the first call; the rest is not "
                    "recorded.",
                    _EARLY,
                )

    def before(self, opened: OpenCall) -> None:
        """Record what was kept, before the first call that opens the process's run."""
        kind = opened.call.kind
        if opened.parent is not None or kind == "agent" or kind in EFFECT_KINDS:
            return
        if trace.get_current_span().get_span_context().is_valid:
            return
        with self._lock:
            reads, self._reads = self._reads, []
        for call, outcome in reads[:_EARLY]:
            intercept.open_call(call).close(outcome)
        if len(reads) > _EARLY:
            run = self._recorder.run_of(None)
            self._losses.count(run.run_id if run else "", "early_reads")

    def after(self, opened: OpenCall, outcome: Outcome) -> None:
        """See nothing."""

    def scope(self, opened: OpenCall) -> AbstractContextManager[None]:
        """Surround nothing."""
        del opened
        return contextlib.nullcontext()


class _Telling:
    """Says of a run which reads it has, where code asked for them."""

    def __init__(self, recorder: Recorder, settings: Settings) -> None:
        self._recorder = recorder
        self._settings = settings

    def before(self, opened: OpenCall) -> None:
        """Describe a run that begins."""
        if opened.parent is None and opened.call.kind == "agent":
            self.describe(opened)

    def describe(self, opened: OpenCall | None) -> None:
        """Describe the run of a call."""
        here = in_force()
        asked = chosen(self._settings.effects, self._settings.files)
        if here.kinds <= asked.kinds and {*here.files} <= {*asked.files}:
            return  # which every run says anyway
        text = dump_json(environment(with_reads_here(self._settings)))
        self._recorder.describe_run(opened, {semconv.RUN_ENVIRONMENT: text})

    def after(self, opened: OpenCall, outcome: Outcome) -> None:
        """See nothing."""

    def scope(self, opened: OpenCall) -> AbstractContextManager[None]:
        """Surround nothing."""
        del opened
        return contextlib.nullcontext()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recording:
    """What records in this process."""

    base: Effects
    telling: _Telling


_recording: _Recording | None = None


def take_in_process(
    settings: Settings, recorder: Recorder, losses: Losses
) -> tuple[Interceptor, ...]:
    """Take what the settings ask for; return what stands on the seam then, in order."""
    global _recording  # noqa: PLW0603 - the one recording of the process
    early, telling = _Early(recorder, losses), _Telling(recorder, settings)

    def lost() -> None:
        run = recorder.run_of(intercept.current())
        losses.count(run.run_id if run else "", "file_size")

    base = Effects(
        outside=lambda: recorder.run_of(None) is not None,
        early=early.keep,
        lost=lost,
    )
    _recording = _Recording(base=base, telling=telling)
    asked = chosen(settings.effects, settings.files)
    effects.install(asked.kinds)
    use_for_process(replace(base, kinds=asked.kinds, files=asked.files))
    return early, recorder, telling


def with_reads_here(settings: Settings) -> Settings:
    """Return settings that ask for all reads taken here, those of `record` too."""
    here = in_force()
    return replace(settings, effects=tuple(sorted(here.kinds)), files=here.files)


def forget_process() -> None:
    """Take nothing any more."""
    global _recording  # noqa: PLW0603 - the one recording of the process
    _recording = None
    use_for_process(NO_EFFECTS)


def is_taking() -> bool:
    """Return whether this process records, or the calling code is in a session."""
    return _recording is not None or in_force().session


def recording_here(asked: RecordedEffects) -> AbstractContextManager[None]:
    """Take more kinds for what runs inside; nothing in a session, which decides."""
    here, recording = in_force(), _recording
    if here.session or recording is None:
        return contextlib.nullcontext()
    effects.install(asked.kinds)
    more = replace(
        recording.base,
        kinds=here.kinds | asked.kinds,
        files=tuple(dict.fromkeys((*here.files, *asked.files))),
    )
    return _describing(using(more), recording.telling)


@contextlib.contextmanager
def _describing(
    inside: AbstractContextManager[None], telling: _Telling
) -> Generator[None]:
    with inside:
        root = intercept.current()
        telling.describe(root.root if root else None)
        yield


# --- sessions ------------------------------------------------------------------------


class _RecordedClock:
    """The recorded time of the step that a replay has come to, and what passed since.

    It goes on between steps, so that code which waits for a time is not kept for ever,
    and never back.
    """

    def __init__(self, reached: Callable[[], int]) -> None:
        self._reached = reached
        self._at = 0
        self._since = 0
        self._last = 0
        self._lock = threading.Lock()

    def __call__(self) -> int | None:
        """Return nanoseconds since 1970; None where no time was recorded."""
        reached = self._reached()
        if not reached:
            return None
        with self._lock:
            if reached != self._at:
                self._at, self._since = reached, monotonic_ns()
            self._last = max(self._last, self._at + monotonic_ns() - self._since)
            return self._last


def for_session(
    run: Run, replayer: Replayer, *, is_replay: bool, stands: bool
) -> AbstractContextManager[None]:
    """Answer the reads that a run has; with `stands` the clock stands where it was."""
    found = effects_of(run)
    if is_replay:
        retries.install()
    effects.install(found.kinds | ({"clock"} if stands else set()))
    return using(
        Effects(
            kinds=found.kinds,
            files=found.files,
            session=True,
            outside=partial(bool, _is_of_process(run)),
            hurries=is_replay,
            now=_RecordedClock(lambda: replayer.reached_ns) if stands else None,
        )
    )


def _is_of_process(run: Run) -> bool:
    return any(semconv.RUN_OF_PROCESS in span.attributes for span in run.spans)
