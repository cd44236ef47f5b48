"""`replay`, `resume`, `fork`: sessions on a recorded run."""

from __future__ import annotations

import os
from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import partial

from opentelemetry.trace import SpanContext, TraceFlags

from otel_agent_replay import intercept
from otel_agent_replay._setup import children
from otel_agent_replay._setup.codecs import Codecs
from otel_agent_replay._setup.parts import Parts, instrument, make_parts
from otel_agent_replay._setup.redaction import redactor_of_run
from otel_agent_replay._setup.session_folder import (
    collect_logs,
    leave_log,
    own_directory,
)
from otel_agent_replay._setup.specs import SessionSpec
from otel_agent_replay._setup.stores import open_store
from otel_agent_replay.capture.runs import RunOrigin
from otel_agent_replay.config import Settings, load_settings
from otel_agent_replay.errors import RunIncompleteError
from otel_agent_replay.model.call import Outcome
from otel_agent_replay.model.exceptions import record_exception
from otel_agent_replay.model.payload import JsonObject, JsonValue
from otel_agent_replay.model.run import ParentRun, Run
from otel_agent_replay.replay.plan import UNCHANGED, Changes, Plan, plan_of
from otel_agent_replay.replay.replayer import Replayer, Tools
from otel_agent_replay.replay.session import ReplaySession, raise_for

__all__ = [
    "current",
    "fail",
    "forget",
    "fork",
    "open_session",
    "replay",
    "resume",
    "use_settings",
]


@dataclass(slots=True, kw_only=True, eq=False)
class _Open:
    """A session that is open in this process."""

    spec: SessionSpec
    settings: Settings
    parts: Parts
    replayer: Replayer
    frame: intercept.OpenCall | None = None
    process: int = field(default_factory=os.getpid)


_in_context: ContextVar[_Open | None] = ContextVar("agent_replay_session", default=None)
_all: list[_Open] = []


def current() -> Parts | None:
    """Return what records in the session that the calling code is inside."""
    found = _find()
    return found.parts if found else None


def _find() -> _Open | None:
    inside = _in_context.get()
    return inside if inside in _all else (_all[-1] if _all else None)


def withdraw() -> bool:
    """Let the open session say nothing, if it has seen no call; return whether so."""
    opened = _find()
    if opened is None:
        return True
    log = opened.replayer.log
    if opened.parts.recorder.run_ids or log.asked or log.live or log.stopped:
        return False
    log.notes.clear()
    return True


def fail(error: BaseException) -> None:
    """Note that the process ends with an exception, inside its session."""
    opened = _find()
    if opened is not None:
        opened.parts.recorder.fail(error)
        if opened.frame is not None:
            opened.frame.close(Outcome(error=record_exception(error)))


def forget() -> None:
    """Leave all sessions to the process that this one was forked from."""
    _all.clear()
    intercept.end_sessions()


@contextmanager
def replay(
    run: Run,
    *,
    strict: bool = True,
    allow_gaps: bool = False,
) -> Generator[ReplaySession]:
    """Run the code inside with every call answered from a run; nothing goes live.

    A call that was not recorded stops the agent before anything is sent. The run
    made by the replay is not stored; the session has it as `run`.

    Args:
        run: The recorded run.
        strict: Whether unused steps and changed states and answers are errors too;
            without it they stand in the report only.
        allow_gaps: Replay a run that is known to be incomplete.

    Raises:
        RunIncompleteError: The run has gaps.
        DivergenceError: The replay differed from the recording; at the end.
    """
    with own_directory() as folder:
        spec = SessionSpec(
            mode="replay",
            store=_store_of(run),
            run_id=run.run_id,
            record=f"sqlite:///{folder}/replay.db",
            directory=folder,
            allow_gaps=allow_gaps,
        )
        with open_session(run, spec, strict=strict) as session:
            yield session


@contextmanager
def resume(
    run: Run,
    *,
    allow_writes: Collection[str] = (),
    strict: bool = True,
    allow_gaps: bool = False,
) -> Generator[ReplaySession]:
    """Go on with a run: finished steps are answered, then calls go live.

    What is new is recorded into the same run. Finished writes are never run again.
    Of a run that was cut short it is not known whether a write was under way, so new
    writes need their name in `allow_writes`.

    Raises:
        RunIncompleteError: The run has gaps.
        DivergenceError: The code did not ask for the finished steps; at the end.
        WriteBlockedError: A write was refused; at the end.
    """
    with own_directory() as folder:
        spec = SessionSpec(
            mode="resume",
            store=_store_of(run),
            run_id=run.run_id,
            record=_store_of(run),
            directory=folder,
            allow_writes=frozenset(allow_writes),
            allow_gaps=allow_gaps,
        )
        with open_session(run, spec, strict=strict) as session:
            yield session


@contextmanager
def fork(  # noqa: PLR0913 - one keyword for each thing a fork can change
    run: Run,
    *,
    at: int,
    state: Mapping[str, JsonValue] | None = None,
    result: object = UNCHANGED,
    answer: str | None = None,
    system: str | None = None,
    model: str | None = None,
    parameters: JsonObject | None = None,
    allow_writes: Collection[str] = (),
    strict: bool = True,
    allow_gaps: bool = False,
) -> Generator[ReplaySession]:
    """Make a new run that shares steps 0…at with a run and then differs.

    Args:
        run: The parent run.
        at: The last shared step.
        state: Dotted path to new value, for the next `checkpoint(state)`.
        result: What step `at`, a tool, returns instead.
        answer: What step `at`, a model, says instead.
        system: System prompt of the model calls after it.
        model: Model of the model calls after it.
        parameters: Wire parameters of the model calls after it.
        allow_writes: Names of tools, or hosts, whose writes may run after it.
        strict: As for `replay`.
        allow_gaps: As for `replay`.

    Raises:
        StepNotFoundError: The run has no step `at`.
        ConfigurationError: A change does not fit step `at`.
        RunIncompleteError: The run has gaps.
        DivergenceError: The code did not ask for the shared steps; at the end.
        WriteBlockedError: A write was refused; at the end.
    """
    changes = Changes(
        state=state or {},
        result=result,  # type: ignore[arg-type]
        answer=answer,
        system=system,
        model=model,
        parameters=parameters or {},
    )
    with own_directory() as folder:
        spec = SessionSpec(
            mode="fork",
            store=_store_of(run),
            run_id=run.run_id,
            record=_store_of(run),
            directory=folder,
            at=at,
            changes=changes,
            allow_writes=frozenset(allow_writes),
            allow_gaps=allow_gaps,
        )
        with open_session(run, spec, strict=strict) as session:
            yield session


def _store_of(run: Run) -> str:
    return run.source.store_url if run.source else load_settings().store


@contextmanager
def open_session(
    run: Run,
    spec: SessionSpec,
    *,
    strict: bool,
    handover: children.Handover | None = None,
    launched: bool = False,
) -> Generator[ReplaySession]:
    """Open the session that a description asks for.

    Args:
        run: The run it names.
        spec: The description.
        strict: Whether what the report says is raised at the end.
        handover: In a child process of a session, what its parent told it.
        launched: Whether a launcher waits for the log, and makes the report of it.
    """
    if run.gaps and not spec.allow_gaps:
        raise RunIncompleteError(run.run_id, [gap.text for gap in run.gaps])
    plan = plan_of(
        run,
        spec.mode,
        at=spec.at,
        changes=spec.changes,
        allow_writes=spec.allow_writes,
    )
    settings = _settings_for(spec)
    opened = _make(run, plan, spec, settings, handover)
    session = ReplaySession(run, plan, opened.replayer)
    instrument(settings, opened.parts)
    try:
        with _in_force(opened, handover):
            yield session
    except BaseException:
        # Frameworks wrap or swallow what stops the agent; the log knows better.
        if handover is not None or not opened.replayer.log.stopped:
            raise
    finally:
        if opened.process == os.getpid() and (handover is not None or launched):
            recorder, log = opened.parts.recorder, opened.replayer.log
            leave_log(spec.directory, recorder.process_id, log)
    if opened.process == os.getpid() and handover is None and not launched:
        collect_logs(spec.directory, opened.replayer.log)
        session.run = _own_run(opened)
        if strict or opened.replayer.log.stopped:
            raise_for(session.report)


_configured: Settings | None = None


def use_settings(settings: Settings | None) -> None:
    """Say what `configure()` has put in force; sessions go by the same.

    Else a policy, tools or model APIs given in code would be unknown to a replay.
    """
    global _configured  # noqa: PLW0603 - the one configuration of the process
    _configured = settings


def _settings_for(spec: SessionSpec) -> Settings:
    settings = _configured or load_settings()
    return replace(settings, run_class="test") if spec.mode == "replay" else settings


def _make(
    run: Run,
    plan: Plan,
    spec: SessionSpec,
    settings: Settings,
    handover: children.Handover | None,
) -> _Open:
    redactor, notes = redactor_of_run(run, settings)
    codecs = Codecs(settings.model_apis)
    replayer = Replayer(
        run,
        plan,
        Tools(
            redact=redactor.call,
            redact_outcome=redactor.outcome,
            rewrite=partial(codecs.rewrite, changes=plan.changes),
            render_answer=codecs.answer,
        ),
        base=handover.step if handover else None,
    )
    replayer.log.notes.extend(notes)
    parts = make_parts(
        settings,
        None,
        store_url=spec.record,
        redactor=redactor,
        origin=handover.origin() if handover else _origin(run, plan, spec),
    )
    return _Open(spec=spec, settings=settings, parts=parts, replayer=replayer)


def _origin(run: Run, plan: Plan, spec: SessionSpec) -> RunOrigin:
    if spec.mode != "resume":
        return RunOrigin(
            parent=ParentRun(run_id=run.run_id, relation=spec.mode, step=spec.at),
        )
    above = run.root_span_id or next((s.parent_span_id for s in run.spans), "") or "1"
    return RunOrigin(
        run_id=run.run_id,
        parent_span=SpanContext(
            int(run.trace_id, 16),
            int(above, 16),
            is_remote=True,
            trace_flags=TraceFlags(TraceFlags.SAMPLED),
        ),
        superseded=tuple(s.span_id for s in run.steps if s.index not in plan.shared),
    )


@contextmanager
def _in_force(opened: _Open, handover: children.Handover | None) -> Iterator[None]:
    recorder, replayer = opened.parts.recorder, opened.replayer
    # A resume answers before it records: finished steps are in the run already.
    resumed = opened.spec.mode == "resume"
    chain = (replayer, recorder) if resumed else (recorder, replayer)
    token = _in_context.set(opened)
    _all.append(opened)
    children.install(_handover)
    try:
        with intercept.session(*chain):
            try:
                if handover is not None:
                    opened.frame = children.open_process_frame(handover)
                yield
            finally:
                _finish(opened)
    finally:
        with suppress(ValueError):  # left in another context, as async fixtures are
            _in_context.reset(token)


def _finish(opened: _Open) -> None:
    if opened.process != os.getpid():
        return
    if opened.frame is not None:
        intercept.set_base(None)
        opened.frame.close(Outcome())
    opened.parts.recorder.finish()
    _all.remove(opened)
    opened.parts.pipeline.shutdown()


def _handover(command: str) -> children.Handover | None:
    """Return what a child process started now must know of the open session."""
    opened = _find()
    if opened is None:
        return _when_recording(command) if _when_recording else None
    recorder = opened.parts.recorder
    handover = children.Handover.of(recorder, command, opened.settings)
    if handover is None:
        return None
    step = opened.replayer.place_of(intercept.current())
    return replace(handover, step=step, session=opened.spec.dump())


_when_recording: children.Tell | None = None


def when_no_session(tell: children.Tell) -> None:
    """Say what a child process is told while no session is open."""
    global _when_recording  # noqa: PLW0603 - the one recording of the process
    _when_recording = tell
    children.install(_handover)


def _own_run(opened: _Open) -> Run | None:
    run_ids = opened.parts.recorder.run_ids
    if not run_ids:
        return None
    with open_store(opened.spec.record) as store:
        return store.load(run_ids[0])
