"""Runs across processes: what a child process is told, and what it does with it.

A child started with `subprocess` is told through its environment, one started
with `multiprocessing` (spawn, forkserver) through what it runs, a forked one finds
it in memory. In the child a `process` step holds all that happens there.
"""

from __future__ import annotations

import functools
import logging
import multiprocessing.process
import os
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, TypeAlias

from opentelemetry.trace import SpanContext, TraceFlags, format_span_id, format_trace_id

from otel_agent_replay import intercept
from otel_agent_replay._setup.ending import finalize_child, run_watched
from otel_agent_replay._setup.pool_tasks import failing_worker
from otel_agent_replay._setup.program import program_name
from otel_agent_replay._setup.remembering import Remembering
from otel_agent_replay._setup.starting import starting_path
from otel_agent_replay.capture.recorder import Recorder
from otel_agent_replay.capture.runs import RunOrigin
from otel_agent_replay.config import Settings, as_environment
from otel_agent_replay.errors import AgentReplayError
from otel_agent_replay.model.call import Call
from otel_agent_replay.model.natives import to_json
from otel_agent_replay.model.payload import (
    JsonObject,
    canonical_json,
    dump_json,
    parse_json,
)

__all__ = [
    "PARENT",
    "SESSION",
    "Handover",
    "Tell",
    "inherited",
    "install",
    "open_process_frame",
    "when_forked",
]

_LOGGER: Final = logging.getLogger("otel_agent_replay")
PARENT: Final = "AGENT_REPLAY_PARENT"
SESSION: Final = "AGENT_REPLAY_SESSION"
_ENV_ARGUMENT: Final = 10
"""Position of `env` among the arguments of `subprocess.Popen`."""

_FORK: Final = "fork"

Tell: TypeAlias = "Callable[[str], Handover | None]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """What a child process must know.

    Attributes:
        run_id: The run it works for.
        trace_id, span_id: The span it hangs under.
        ordinal: How many children with the same command its run had before it.
        target: What a child runs that is no program of its own: the function that
            `multiprocessing` was given, or `fork`.
        step: In a replay, the recorded step it is inside; None for the run.
        session: In a replay, the session's description.
        settings: What is in force here, as environment variables.
    """

    run_id: str
    trace_id: str
    span_id: str
    ordinal: int = 0
    target: str | None = None
    step: int | None = None
    session: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls, recorder: Recorder | Remembering, command: str, settings: Settings
    ) -> Handover | None:
        """Return one for a child that is started here, None outside any run."""
        opened = intercept.current()
        run, span = recorder.run_of(opened), recorder.span_of(opened)
        if run is None or span is None:
            return None
        context = span.get_span_context()
        return cls(
            run_id=run.run_id,
            trace_id=format_trace_id(context.trace_id),
            span_id=format_span_id(context.span_id),
            ordinal=run.next_child(command),
            settings=as_environment(settings),
        )

    def environment(self) -> dict[str, str]:
        """Return it as environment variables, without the settings."""
        told = dump_json(
            {
                "run_id": self.run_id,
                "trace_id": self.trace_id,
                "span_id": self.span_id,
                "ordinal": self.ordinal,
                "target": self.target,
                "step": self.step,
            },
        )
        found = {PARENT: told, "TRACEPARENT": f"00-{self.trace_id}-{self.span_id}-01"}
        if self.session is not None:
            found[SESSION] = self.session
        return found

    def origin(self) -> RunOrigin:
        """Return where the child's part of the run comes from."""
        return RunOrigin(
            run_id=self.run_id,
            parent_span=SpanContext(
                int(self.trace_id, 16),
                int(self.span_id, 16),
                is_remote=True,
                trace_flags=TraceFlags(TraceFlags.SAMPLED),
            ),
            inherited=True,
        )


def inherited() -> Handover | None:
    """Return what this process was told at its start, None if nothing readable."""
    text = os.environ.get(PARENT)
    if not text:
        return None
    try:
        told = parse_json(text)
        if not isinstance(told, dict):
            return None
        step, ordinal = told.get("step"), told.get("ordinal")
        target = told.get("target")
        handover = Handover(
            run_id=str(told["run_id"]),
            trace_id=str(told["trace_id"]),
            span_id=str(told["span_id"]),
            ordinal=ordinal if isinstance(ordinal, int) else 0,
            target=target if isinstance(target, str) else None,
            step=step if isinstance(step, int) else None,
        )
        handover.origin()
    except (ValueError, KeyError):
        return None
    return handover


def open_process_frame(handover: Handover) -> intercept.OpenCall:
    """Open the step that holds all that this child process does."""
    inputs: JsonObject = {"ordinal": handover.ordinal}
    if handover.target is None:
        inputs["arguments"] = list(sys.argv[1:])
    opened = intercept.open_call(
        Call(kind="process", name=handover.target or program_name(), inputs=inputs)
    )
    intercept.set_base(opened)
    return opened


_tell: Tell | None = None
_before_fork: Callable[[], object] | None = None
_become: Callable[[Handover | None], None] | None = None
_patched = False
_starting: ContextVar[str | None] = ContextVar("agent_replay_starting", default=None)
"""What the `multiprocessing` child runs that is being started here."""


def install(tell: Tell) -> None:
    """Tell every child process what `tell` gives for its command at its start."""
    global _tell, _patched  # noqa: PLW0603 - one patch for the process
    _tell = tell
    if _patched:
        return
    _patched = True
    _patch_popen(subprocess.Popen.__init__)
    _patch_process(multiprocessing.process.BaseProcess.start)
    _watch_forks()


def when_forked(
    before: Callable[[], object],
    become: Callable[[Handover | None], None],
) -> None:
    """Say what is done before a fork, and what the child does first.

    Args:
        before: Called in the parent.
        become: Called in the child with what its parent had to say.
    """
    global _before_fork, _become
    _before_fork, _become = before, become


def _told(command: str, target: str | None = None) -> Handover | None:
    handover = _tell(command) if _tell else None
    return handover and replace(handover, target=target)


def _command(arguments: object) -> str:
    return canonical_json(to_json(arguments)).decode()


# --- programs ------------------------------------------------------------------


def _patch_popen(original: Callable[..., None]) -> None:
    @functools.wraps(original)
    def popen(self: object, *args: Any, **kwargs: Any) -> None:
        handover = _told(_command(args[0] if args else kwargs.get("args")))
        if handover is not None:
            positional = list(args)
            given = positional[_ENV_ARGUMENT:][:1] or [kwargs.get("env")]
            env = _with_settings(given[0], handover.settings)
            env |= handover.environment()
            if handover.session is not None:
                # One that is not told at its start what it is part of would go live.
                env["PYTHONPATH"] = starting_path(env.get("PYTHONPATH"))
            if len(positional) > _ENV_ARGUMENT:
                positional[_ENV_ARGUMENT] = env
            else:
                kwargs["env"] = env
            args = tuple(positional)
        original(self, *args, **kwargs)

    subprocess.Popen.__init__ = popen  # type: ignore[method-assign]


def _with_settings(
    given: Mapping[Any, Any] | None, settings: Mapping[str, str]
) -> dict[Any, Any]:
    """Return a child's environment; what its caller chose for it stays."""
    env = {**(os.environ if given is None else given)}
    inherited = {name for name in settings if env.get(name) == os.environ.get(name)}
    return {**env, **{name: settings[name] for name in inherited}}


# --- multiprocessing -------------------------------------------------------------


def _patch_process(original: Callable[..., None]) -> None:
    @functools.wraps(original)
    def start(self: Any) -> None:
        target = _target_of(self)
        if intercept.in_session() or SESSION in os.environ:
            self._target = failing_worker(self._target)
        if _is_forked(self):
            with (
                _about_to_start(target),
                _running(self, partial(run_watched, self.run)),
            ):
                return original(self)
        handover = _told(_command([target]), target)
        if handover is None:
            return original(self)
        # Pickled with the process, as it is without this, bound to it.
        environment = {**handover.settings, **handover.environment()}
        with _running(self, _Told(self.run, environment)):
            return original(self)

    multiprocessing.process.BaseProcess.start = start  # type: ignore[method-assign]


@contextmanager
def _running(process: Any, run: Callable[[], Any]) -> Generator[None]:
    """Have a process that is started inside run something else."""
    vars(process)["run"] = run
    try:
        yield
    finally:
        vars(process).pop("run", None)


def _target_of(process: Any) -> str:
    target = getattr(process, "_target", None) or type(process)
    return str(getattr(target, "__qualname__", type(target).__qualname__))


def _is_forked(process: Any) -> bool:
    method = getattr(process, "_start_method", None)
    return (method or multiprocessing.get_start_method()) == "fork"


@contextmanager
def _about_to_start(target: str) -> Generator[None]:
    token = _starting.set(target)
    try:
        yield
    finally:
        # In the child too: what it starts itself is another matter.
        _starting.reset(token)


@dataclass(frozen=True)
class _Told:
    """What a child runs, after it learned what its parent had to say; picklable."""

    run: Callable[[], Any]
    environment: dict[str, str]

    def __call__(self) -> Any:
        # The child knows nothing of us yet: entry is above this module.
        from otel_agent_replay._setup.entry import start  # noqa: PLC0415

        os.environ.update(self.environment)
        finalize_child()
        try:
            start()
        except AgentReplayError as error:
            if SESSION in self.environment:
                raise  # what cannot be answered must not go live
            _LOGGER.error("This child records nothing: %s", error)  # noqa: TRY400 - a clear text
        return run_watched(self.run)


# --- forks -----------------------------------------------------------------------


def _watch_forks() -> None:
    """Let a forked child go on for itself."""
    told: list[Handover | None] = []

    def before() -> None:
        target = _starting.get()
        if target is not None:
            told.append(_told(_command([target]), target))
        else:
            # A server forks its workers outside any call; they are no part of a run.
            inside = intercept.current() is not None or intercept.in_session()
            told.append(_told(_FORK, _FORK) if inside else None)
        if _before_fork is not None:
            _before_fork()

    def parent() -> None:
        told.pop()

    def child() -> None:
        if _become is not None:
            _become(told.pop())

    os.register_at_fork(before=before, after_in_parent=parent, after_in_child=child)
