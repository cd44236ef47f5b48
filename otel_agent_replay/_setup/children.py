"""Runs across processes: what a child process is told, and what it does with it.

A child started with `subprocess` is told through its environment, one started
with `multiprocessing` (spawn, forkserver) through its target, a forked one finds
it in memory. In the child a `process` step holds all that happens there.
"""

from __future__ import annotations

import functools
import multiprocessing.process
import multiprocessing.util
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from opentelemetry.trace import SpanContext, TraceFlags, format_span_id, format_trace_id

from otel_agent_replay import intercept
from otel_agent_replay._setup.program import program_name
from otel_agent_replay.capture.recorder import Recorder
from otel_agent_replay.capture.runs import RunOrigin
from otel_agent_replay.model.call import Call
from otel_agent_replay.model.natives import to_json
from otel_agent_replay.model.payload import canonical_json, dump_json, parse_json

__all__ = [
    "PARENT",
    "SESSION",
    "Handover",
    "Tell",
    "at_fork",
    "inherited",
    "install",
    "open_process_frame",
]

PARENT: Final = "AGENT_REPLAY_PARENT"
SESSION: Final = "AGENT_REPLAY_SESSION"
_ENV_ARGUMENT: Final = 10
"""Position of `env` among the arguments of `subprocess.Popen`."""

Tell: TypeAlias = "Callable[[str], Handover | None]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """What a child process must know.

    Attributes:
        run_id: The run it works for.
        trace_id, span_id: The span it hangs under.
        ordinal: How many children with the same command its run had before it.
        step: In a replay, the recorded step it is inside; None for the run.
        session: In a replay, the session's description.
    """

    run_id: str
    trace_id: str
    span_id: str
    ordinal: int = 0
    step: int | None = None
    session: str | None = None

    @classmethod
    def of(cls, recorder: Recorder, command: str) -> Handover | None:
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
        )

    def environment(self) -> dict[str, str]:
        """Return it as environment variables."""
        told = dump_json(
            {
                "run_id": self.run_id,
                "trace_id": self.trace_id,
                "span_id": self.span_id,
                "ordinal": self.ordinal,
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
        handover = Handover(
            run_id=str(told["run_id"]),
            trace_id=str(told["trace_id"]),
            span_id=str(told["span_id"]),
            ordinal=ordinal if isinstance(ordinal, int) else 0,
            step=step if isinstance(step, int) else None,
        )
        handover.origin()
    except (ValueError, KeyError):
        return None
    return handover


def open_process_frame(handover: Handover) -> intercept.OpenCall:
    """Open the step that holds all that this child process does."""
    opened = intercept.open_call(
        Call(
            kind="process",
            name=program_name(),
            inputs={"arguments": list(sys.argv[1:]), "ordinal": handover.ordinal},
        ),
    )
    intercept.set_base(opened)
    return opened


_tell: Tell | None = None
_patched = False


def install(tell: Tell) -> None:
    """Tell every child process what `tell` gives for its command at its start."""
    global _tell, _patched  # noqa: PLW0603 - one patch for the process
    _tell = tell
    if _patched:
        return
    _patched = True
    _patch_popen(subprocess.Popen.__init__)
    _patch_process(multiprocessing.process.BaseProcess.start)


def _told(command: str) -> Handover | None:
    return _tell(command) if _tell else None


def _command(arguments: object) -> str:
    return canonical_json(to_json(arguments)).decode()


def _patch_popen(original: Callable[..., None]) -> None:
    @functools.wraps(original)
    def popen(self: object, *args: Any, **kwargs: Any) -> None:
        handover = _told(_command(args[0] if args else kwargs.get("args")))
        if handover is not None:
            positional = list(args)
            given = positional[_ENV_ARGUMENT:][:1] or [kwargs.get("env")]
            env = {**(os.environ if given[0] is None else given[0])}
            env |= handover.environment()
            if len(positional) > _ENV_ARGUMENT:
                positional[_ENV_ARGUMENT] = env
            else:
                kwargs["env"] = env
            args = tuple(positional)
        original(self, *args, **kwargs)

    subprocess.Popen.__init__ = popen  # type: ignore[method-assign]


def _patch_process(original: Callable[..., None]) -> None:
    @functools.wraps(original)
    def start(self: Any) -> None:
        handover = _told(
            _command([getattr(self._target, "__qualname__", ""), self._args])
        )
        method = (
            getattr(self, "_start_method", None) or multiprocessing.get_start_method()
        )
        target = getattr(self, "_target", None)
        if handover is not None and target is not None and method != "fork":
            self._target = _Told(target, handover.environment())
        original(self)

    multiprocessing.process.BaseProcess.start = start  # type: ignore[method-assign]


@dataclass(frozen=True)
class _Told:
    """A target that learns in the child what its parent had to say; picklable."""

    target: Callable[..., Any]
    environment: dict[str, str]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        # The child knows nothing of us yet: entry is above this module.
        from otel_agent_replay._setup.entry import start  # noqa: PLC0415

        os.environ.update(self.environment)
        start()
        return self.target(*args, **kwargs)


def at_fork(
    become_child: Callable[[Handover | None], None],
    finish: Callable[[], object],
) -> None:
    """Let a forked child go on for itself, and write what it has when it ends.

    `multiprocessing` ends its children without `atexit`, but runs its own finalizers.
    """
    told: list[Handover | None] = []

    def before() -> None:
        told.append(_told("fork") if intercept.current() is not None else None)

    def parent() -> None:
        told.pop()

    def child() -> None:
        multiprocessing.util.Finalize(None, finish, exitpriority=100)
        become_child(told.pop())

    os.register_at_fork(before=before, after_in_parent=parent, after_in_child=child)
