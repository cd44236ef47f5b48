"""`configure()`: recording for the whole process."""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
import threading
from functools import partial
from typing import Final

from opentelemetry import metrics, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from otel_agent_replay import intercept, semconv
from otel_agent_replay._setup import children, sessions
from otel_agent_replay._setup.checking import check
from otel_agent_replay._setup.effects import (
    forget_process,
    take_in_process,
    with_reads_here,
)
from otel_agent_replay._setup.ending import (
    at_celery_worker_end,
    at_exit,
    is_failure,
    watch_end,
)
from otel_agent_replay._setup.joining import join_session, leave_session
from otel_agent_replay._setup.parts import (
    SCOPE,
    SWITCH,
    Parts,
    instrument,
    is_switched_off,
    make_parts,
)
from otel_agent_replay._setup.redaction import use_policy
from otel_agent_replay._setup.sigterm import at_sigterm, undisturbed
from otel_agent_replay._setup.stores import flush_before_reading
from otel_agent_replay._version import __version__
from otel_agent_replay.capture.genai import Plain
from otel_agent_replay.capture.ids import OwnIds
from otel_agent_replay.capture.losses import Losses
from otel_agent_replay.capture.metrics import observe
from otel_agent_replay.capture.runs import RunOrigin
from otel_agent_replay.config import Settings, load_settings
from otel_agent_replay.instrument import named
from otel_agent_replay.model.call import Outcome
from otel_agent_replay.model.exceptions import record_exception
from otel_agent_replay.model.payload import dump_json
from otel_agent_replay.redact import Policy
from otel_agent_replay.replay.replayer import ReplayStopped

__all__ = [
    "configure",
    "describe_run",
    "flush",
    "recorded_run_id",
    "records_into",
    "run_ids",
    "shutdown",
]

_LOGGER = logging.getLogger("otel_agent_replay")
_FORK_WAITS: Final = 1.0
_READ_WAITS: Final = 5.0
_TERM_WAITS: Final = 5.0
"""Whoever sends SIGTERM often sends SIGKILL ten seconds later."""
_CANNOT_JOIN: Final = 70
"""Exit code of a child whose session cannot be opened; it must not go live."""


class _Process:
    """What records in this process."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.settings: Settings | None = None
        self.handover: children.Handover | None = None
        self.parts: Parts | None = None
        self.ending: Parts | None = None
        """What writes its last while `shutdown` waits for it."""
        self.frame: intercept.OpenCall | None = None
        self.hooked: int | None = None
        """The process whose end we hear of; servers take signal handlers from forks."""
        self.leaving: tuple[SystemExit, int] | None = None
        """What `sys.exit` was last called for, and how many steps there were then."""

    def steps(self) -> int:
        """Return how many steps the process's own run has, or its part of a run."""
        run = self.parts.recorder.run_of(None) if self.parts else None
        return run.step_count if run else 0


_process = _Process()


def configure(*, policy: Policy | None = None, **settings: object) -> None:
    """Record what this process's agents do, from now on.

    Works beside a `TracerProvider` that is set already; else it sets one. Calling it
    again with other settings replaces the first ones, after writing what they
    recorded. In a process that `agent-replay replay` (or `resume`, `fork`) started,
    the session stays in charge, and these settings hold in it.

    Args:
        policy: What to redact, in place of the default policy; for rules in code.
        settings: Any field of `config.Settings`; what is not given comes from the
            environment, `pyproject.toml`, or the default.

    Raises:
        ConfigurationError: A setting has no meaning, or it comes after the first
            call of such a session.
    """
    found = load_settings(settings)
    with _process.lock:
        own = bool(settings) or policy is not None
        if own and children.SESSION in os.environ:
            use_policy(policy)
        if join_session(found if own else None):
            _hook_process()
            return
        if sessions.current() is not None:
            return
        # A child of `multiprocessing` may import the script before it is told.
        handover = children.inherited()
        same = (found, handover) == (_process.settings, _process.handover)
        if _process.parts is not None and same and policy is None:
            _hook_process()
            return
        check(found)
        if is_switched_off():
            _LOGGER.warning("%s is set: this process is not recorded.", SWITCH)
            return
        if _process.parts is not None:
            _process.parts.finish()
        use_policy(policy)
        _start(found, handover)


def _start(settings: Settings, handover: children.Handover | None) -> None:
    if settings.redact == "off":
        _LOGGER.warning(
            "Redaction is off: whatever this process sends and receives is stored as "
            "it is, secrets included.",
        )
    provider = _tracer_provider()
    origin = handover.origin() if handover else None
    parts = make_parts(settings, provider, origin=origin)
    observe(parts.pipeline, metrics.get_meter(SCOPE, __version__))
    _process.settings, _process.parts = settings, parts
    _process.handover = handover
    sessions.use_settings(settings)
    instrument(settings, parts)
    chain = take_in_process(settings, parts.recorder, parts.losses)
    intercept.install(*chain, parts.intentions)
    _process.frame = children.open_process_frame(handover) if handover else None
    sessions.when_no_session(_handover)
    flush_before_reading(partial(flush, _READ_WAITS))
    _hook_process()


def _tracer_provider() -> TracerProvider:
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        return provider
    made = TracerProvider(resource=Resource.create(), id_generator=OwnIds())
    trace.set_tracer_provider(made)
    return made


def _handover(command: str) -> children.Handover | None:
    """Return what a child process started now must know of this one."""
    parts, settings = _process.parts, _process.settings
    if parts is None or settings is None:
        return None
    return children.Handover.of(parts.recorder, command, with_reads_here(settings))


# --- forks -----------------------------------------------------------------------


def _before_fork() -> None:
    """Let the worker finish: a child has no use for half of what it was at."""
    parts = sessions.current() or _process.parts
    if parts is not None:
        parts.spooled(_FORK_WAITS)


def _become_child(handover: children.Handover | None) -> None:
    """Go on in a forked child: nothing of the parent's open calls is ours."""
    parts = _process.parts
    _process.ending = None
    intercept.set_base(None)
    sessions.forget()
    if handover is not None and handover.session is not None:
        os.environ.update(handover.environment())
        _join_or_end()
    elif parts is not None:
        _process.handover = handover
        parts.recorder.reset(handover.origin() if handover else RunOrigin())
        _process.frame = children.open_process_frame(handover) if handover else None


def _join_or_end() -> None:
    try:
        join_session()
    except BaseException as error:  # noqa: BLE001 - here nobody would hear of it
        if not isinstance(error, ReplayStopped):  # that is in the report
            sys.stderr.write(f"agent-replay: this child cannot join: {error}\n")
        os._exit(_CANNOT_JOIN)


children.when_forked(_before_fork, _become_child)


# --- the end ---------------------------------------------------------------------


def _hook_process() -> None:
    before, _process.hooked = _process.hooked, os.getpid()
    if before is None:
        at_exit(_end, in_forks=True)
        watch_end(_note_failure, _note_leaving)
        # With an exit code that says it was replaced, which is no failure.
        at_celery_worker_end(partial(shutdown, _TERM_WAITS))
    if before != _process.hooked:
        at_sigterm(_flush_last, _end_by_signal, _TERM_WAITS)


def _note_failure(error: BaseException) -> None:
    if not is_failure(error):
        return
    sessions.fail(error)
    if _process.parts is not None:
        _process.parts.recorder.fail(error)
    if _process.frame is not None:
        _process.frame.close(Outcome(error=record_exception(error)))


def _flush_last(seconds: float) -> bool:
    """Write what there is; False if that takes longer."""
    parts = sessions.current() or _process.parts or _process.ending
    return parts is None or parts.flush(seconds)


def _end_by_signal(seconds: float) -> bool:
    """Write everything, runs that are still open as cut off; False if it takes longer."""
    parts = sessions.current() or _process.parts or _process.ending
    if parts is None:
        return True
    if multiprocessing.parent_process() is not None:
        _end_worker()
    done = parts.drained(seconds)
    if done or not seconds:
        parts.shutdown(0.0)
    if not done and not seconds:
        _LOGGER.warning("Not everything was recorded: SIGTERM, and it took too long.")
    return done


def _end_worker() -> None:
    """End a worker as if it had come to its end, if it is at no call.

    So does a pool with its workers, as soon as the last result is there.
    """
    leave_session()
    frame = _process.frame
    if frame is not None and (intercept.current() or frame) is frame:
        frame.close(Outcome())


def _note_leaving(error: SystemExit) -> None:
    _process.leaving = (error, _process.steps())


def _end() -> None:
    """Note how the process ends, and write everything."""
    leaving, error = _process.leaving, sys.exception()
    # Who called more tools after `sys.exit` has caught it.
    if error is None and leaving is not None and leaving[1] == _process.steps():
        error = leaving[0]
    if error is not None:
        _note_failure(error)
    for tool in named.not_found() if _process.handover is None else ():
        _LOGGER.warning(
            "The tool %s was named, but its module was never imported; nothing was "
            "recorded for it. Check `tools`.",
            tool,
        )
    shutdown()


def flush(timeout: float = 30.0) -> bool:
    """Write what has ended so far; return False if it took longer than `timeout` s."""
    parts = _process.parts
    return parts.pipeline.flush(timeout) if parts else True


def records_into(store: str) -> bool:
    """Return whether this process records its runs into the store at a URL."""
    settings = _process.settings
    return settings is not None and settings.store == store


def run_ids() -> tuple[str, ...]:
    """Return the ids of the runs that began in this process, in order."""
    parts = sessions.current() or _process.parts
    return tuple(parts.recorder.run_ids) if parts else ()


def shutdown(timeout: float = 30.0) -> bool:
    """End the process's run, write everything and stop recording.

    Runs by itself when the process ends. Safe to call twice.

    Returns:
        False if not everything was written within `timeout` seconds.
    """
    with undisturbed():
        parts = _stop()
    if parts is None:
        return True
    done = parts.shutdown(timeout)
    _process.ending = None
    _say_losses(parts.losses, done=done)
    return done


def _stop() -> Parts | None:
    """Stop recording, and return what has its last to write; None if nothing has."""
    with _process.lock:
        parts, frame = _process.parts, _process.frame
        if parts is not None:
            _process.ending = parts
        _process.parts, _process.frame, _process.settings = None, None, None
        _process.handover = None
        sessions.use_settings(None)
    if parts is None:
        return None
    intercept.install()
    forget_process()
    intercept.set_base(None)
    if frame is not None:
        frame.close(Outcome())
    parts.close()
    return parts


def _say_losses(losses: Losses, *, done: bool) -> None:
    lost = ", ".join(f"{number} by {why}" for why, number in losses.total().items())
    if lost:
        _LOGGER.warning("Not everything was recorded: spans lost: %s.", lost)
    elif not done:
        _LOGGER.warning("Not everything was recorded: the store took too long.")


def describe_run(
    *,
    user: str | None = None,
    conversation: str | None = None,
    prompt_name: str | None = None,
    prompt_version: str | None = None,
    tags: tuple[str, ...] | None = None,
) -> None:
    """Say more about the run that the calling code is inside; redacted like all else.

    Outside any run it is said about the process's own, should there be one: that of
    calls outside any agent.

    Args:
        user: Whom the run is for.
        conversation: Which conversation it belongs to.
        prompt_name: The prompt in use.
        prompt_version: The prompt's version.
        tags: Words to find the run by.
    """
    values: dict[str, Plain | None] = {
        semconv.USER_ID: user,
        semconv.CONVERSATION_ID: conversation,
        semconv.PROMPT_NAME: prompt_name,
        semconv.PROMPT_VERSION: prompt_version,
        semconv.RUN_TAGS: None if tags is None else dump_json(list(tags)),
    }
    known = {name: value for name, value in values.items() if value is not None}
    parts = sessions.current() or _process.parts
    if parts is not None:
        parts.recorder.describe_run(intercept.current(), known)


def recorded_run_id() -> str:
    """Return the id of the run that the calling code is recorded in, else nothing."""
    parts = sessions.current() or _process.parts
    run = parts.recorder.run_of(intercept.current()) if parts else None
    return run.run_id if run else ""
