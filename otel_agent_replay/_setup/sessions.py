"""Sessions on a recorded run: how one is opened, found again and ended."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import partial

from opentelemetry.trace import SpanContext, TraceFlags

from otel_agent_replay import intercept
from otel_agent_replay._setup import children
from otel_agent_replay._setup.codecs import Codecs
from otel_agent_replay._setup.doubts import (
    InDoubt,
    say_writes,
)
from otel_agent_replay._setup.parts import Light, Parts, instrument, make_parts
from otel_agent_replay._setup.redaction import redactor_of_run
from otel_agent_replay._setup.remembering import remembered_run
from otel_agent_replay._setup.session_folder import (
    children_spans,
    children_store,
    collect_logs,
    leave_log,
)
from otel_agent_replay._setup.specs import SessionSpec
from otel_agent_replay._setup.stores import open_store
from otel_agent_replay._setup.surroundings import surround
from otel_agent_replay.capture.runs import RunOrigin
from otel_agent_replay.config import Settings, load_settings
from otel_agent_replay.errors import RunIncompleteError
from otel_agent_replay.loader.wire import described
from otel_agent_replay.model.call import Outcome
from otel_agent_replay.model.exceptions import record_exception
from otel_agent_replay.model.run import ParentRun, Run
from otel_agent_replay.replay.plan import Plan, gaps_in_the_way
from otel_agent_replay.replay.replayer import Replayer
from otel_agent_replay.replay.session import ReplaySession, raise_for
from otel_agent_replay.replay.tools import Tools

__all__ = [
    "current",
    "fail",
    "forget",
    "open_session",
    "tell_child",
    "use_settings",
]


@dataclass(slots=True, kw_only=True, eq=False)
class _Open:
    """A session that is open in this process."""

    spec: SessionSpec
    settings: Settings
    parts: Parts | Light
    replayer: Replayer
    frame: intercept.OpenCall | None = None
    process: int = field(default_factory=os.getpid)

    def is_ours(self) -> bool:
        """Return whether this process has opened it, and not one it was forked from."""
        return self.process == os.getpid()


_in_context: ContextVar[_Open | None] = ContextVar("agent_replay_session", default=None)
_all: list[_Open] = []


def current() -> Parts | Light | None:
    """Return what records in the session that the calling code is inside."""
    found = _find()
    return found.parts if found else None


def current_spec() -> SessionSpec | None:
    """Return the description of the session that the calling code is inside."""
    found = _find()
    return found.spec if found else None


def _find() -> _Open | None:
    inside = _in_context.get()
    return inside if inside in _all else (_all[-1] if _all else None)


def withdraw() -> bool:
    """Let the open session say nothing, if it has seen no call; return whether so.

    That the process itself has begun is no call.
    """
    opened = _find()
    if opened is None:
        return True
    log = opened.replayer.log
    own = opened.replayer.place_of(opened.frame) if opened.frame else None
    seen = opened.parts.recorder.run_ids or log.asked - {own} or log.live or log.stopped
    if seen:
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
def open_session(
    run: Run,
    spec: SessionSpec,
    *,
    strict: bool,
    handover: children.Handover | None = None,
    launched: bool = False,
    in_doubt: InDoubt | None = None,
) -> Generator[ReplaySession]:
    """Open the session that a description asks for.

    Args:
        run: The run it names.
        spec: The description.
        strict: Whether what the report says is raised at the end.
        handover: In a child process of a session, what its parent told it.
        launched: Whether a launcher waits for the log, and makes the report of it.
        in_doubt: Who decides on writes in doubt, if not the description.
    """
    gaps = gaps_in_the_way(run, spec.mode)
    if gaps and not spec.allow_gaps:
        raise RunIncompleteError(run.run_id, gaps)
    plan = spec.plan(run)
    settings = _settings_for(spec)
    opened = _make(run, plan, spec, settings, handover)
    say_writes(opened.parts.intentions, run, plan, in_doubt or spec.in_doubt)
    opened.parts.intentions.stop = opened.replayer.stop_at
    session = ReplaySession(run, plan, opened.replayer)
    instrument(settings, opened.parts)
    reports = handover is None and not launched
    try:
        with (
            _logged(opened, reports=reports),
            _in_force(opened, handover),
            surround(run, spec, opened.replayer),
        ):
            yield session
    except BaseException:
        # Frameworks wrap or swallow what stops the agent; the log knows better, also
        # where a child process was what it stopped.
        if handover is not None or not opened.replayer.log.stopped:
            raise
    if reports and opened.is_ours():
        session.ended(_own_run(opened, run))
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
            read=codecs.read,
            synthesise=codecs.synthesise,
        ),
        base=handover.step if handover else None,
    )
    replayer.log.notes.extend(notes)
    parts: Parts | Light
    if spec.record is None and handover is None:
        parts = Light.of(settings, redactor, spec.directory)
    else:
        parts = make_parts(
            settings,
            None,
            store_url=spec.record or children_store(spec.directory),
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
    intentions = opened.parts.intentions
    token = _in_context.set(opened)
    _all.append(opened)
    children.install(tell_child)
    try:
        with intercept.session(*chain, intentions):
            try:
                if handover is not None:
                    opened.frame = children.open_process_frame(handover)
                yield
            finally:
                _finish(opened)
    finally:
        with suppress(ValueError):  # left in another context, as async fixtures are
            _in_context.reset(token)


@contextmanager
def _logged(opened: _Open, *, reports: bool) -> Iterator[None]:
    """Collect the logs of all processes at the end, or leave one to who reports."""
    try:
        yield
    finally:
        directory, log = opened.spec.directory, opened.replayer.log
        if opened.is_ours() and reports:
            collect_logs(directory, log)
        elif opened.is_ours():
            leave_log(directory, opened.parts.recorder.process_id, log)


def _finish(opened: _Open) -> None:
    if not opened.is_ours():
        return
    if opened.frame is not None:
        intercept.set_base(None)
        opened.frame.close(Outcome())
    opened.parts.recorder.finish()
    opened.parts.intentions.close()
    _all.remove(opened)
    opened.parts.shutdown()


def tell_child(command: str) -> children.Handover | None:
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
    children.install(tell_child)


def _own_run(opened: _Open, recorded: Run) -> Callable[[], Run | None]:
    """Return what gives the session's run; a replay's is put together when asked for.

    What its child processes recorded is read now: it goes with the directory.
    """
    parts, record = opened.parts, opened.spec.record
    if isinstance(parts, Light):
        return partial(
            remembered_run,
            parts.recorder,
            recorded,
            defaults=parts.defaults,
            redactor=parts.redactor,
            describe=described,
            children=children_spans(opened.spec.directory),
        )
    run_ids = parts.recorder.run_ids
    if not run_ids or record is None:
        return lambda: None
    with open_store(record) as store:
        run = store.load(run_ids[0])
    return lambda: run
