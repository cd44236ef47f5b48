"""The recorder: an interceptor that turns calls into spans."""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import (
    Span,
    SpanKind,
    StatusCode,
    Tracer,
    format_span_id,
    format_trace_id,
)

from otel_agent_replay import semconv
from otel_agent_replay.capture.encode import Payload
from otel_agent_replay.capture.genai import Plain
from otel_agent_replay.capture.guard import guarded
from otel_agent_replay.capture.join import joinable_span
from otel_agent_replay.capture.losses import Losses
from otel_agent_replay.capture.processor import AgentReplaySpanProcessor
from otel_agent_replay.capture.runs import RunDefaults, RunOrigin, RunState
from otel_agent_replay.intercept import STORED_SPAN, OpenCall
from otel_agent_replay.model.call import Call, Outcome
from otel_agent_replay.model.natives import record_exception

__all__ = ["Recorder"]

_OPERATIONS: Final[Mapping[str, str]] = {
    "agent": semconv.OP_INVOKE_AGENT,
    "tool": semconv.OP_EXECUTE_TOOL,
    "retrieval": semconv.OP_RETRIEVAL,
}
_SPAN_KINDS: Final = {"model": SpanKind.CLIENT, "http": SpanKind.CLIENT}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recorded:
    """What the recorder keeps about an open call."""

    run: RunState
    span: Span
    is_root: bool = False
    joined: bool = False
    stored: bool = False


class Recorder:
    """Records every call that passes the seam; safe from any thread.

    A call outside any run belongs to the run of the trace it is in, or to the run
    of the process, which opens with its first call and ends with `finish`.
    """

    def __init__(  # noqa: PLR0913 - what _setup wires together
        self,
        tracer: Tracer,
        processor: AgentReplaySpanProcessor,
        *,
        defaults: RunDefaults,
        losses: Losses,
        origin: RunOrigin | None = None,
        fallback: Tracer | None = None,
        before_end: Callable[[OpenCall], None] = lambda _: None,
    ) -> None:
        """Make a recorder.

        Args:
            tracer: Makes the spans.
            processor: Takes payloads, and finds spans of other instrumentations.
            defaults: What every run has.
            losses: Where losses are counted.
            origin: Where the next run comes from.
            fallback: Makes the spans that the tracer's sampler leaves out.
            before_end: Hears of a run's root call before its span ends, to end what
                the run left open.
        """
        self._tracer = tracer
        self._fallback = fallback or tracer
        self._before_end = before_end
        self._processor = processor
        self._defaults = defaults
        self._losses = losses
        self._lock = threading.Lock()
        self.reset(origin or RunOrigin())

    def reset(self, origin: RunOrigin) -> None:
        """Forget all runs, as a forked child does with those of its parent."""
        self._origin = origin
        self._process_id = secrets.token_hex(8)
        self._process_run: RunState | None = None
        self._traces: dict[int, RunState] = {}
        self.run_ids: list[str] = []
        """Ids of the runs that began here, in order."""

    # --- the interceptor ---------------------------------------------------

    def before(self, opened: OpenCall) -> None:
        """Open a span for the call, or join the one that is open already."""
        with guarded("Recording the start of a call", self._losses):
            stored = opened.notes.get(STORED_SPAN)
            if isinstance(stored, str):
                opened.notes[self] = self._stored_step(opened, stored)
            elif self._is_root(opened):
                opened.notes[self] = self._begin_run(opened.call)
            else:
                opened.notes[self] = self._begin_step(opened)

    def after(self, opened: OpenCall, outcome: Outcome) -> None:
        """End the span and give it its payload."""
        recorded = opened.notes.get(self)
        if not isinstance(recorded, _Recorded) or recorded.stored:
            return
        with guarded("Recording the end of a call", self._losses, recorded.run.run_id):
            if recorded.is_root:
                self._before_end(opened)
            extra = (
                self._run_attributes(recorded.run, failed=outcome.failed)
                if recorded.is_root
                else self._end_attributes(opened.call, recorded)
            )
            payload = Payload(call=opened.call, outcome=outcome)
            span_id = recorded.span.get_span_context().span_id
            self._processor.attach(span_id, payload, extra)
            if not recorded.joined:
                recorded.span.end()

    def scope(self, opened: OpenCall) -> AbstractContextManager[None]:
        """Make the call's span the current one."""
        recorded = opened.notes.get(self)
        if not isinstance(recorded, _Recorded) or recorded.joined:
            return contextlib.nullcontext()
        return _current_span(recorded.span)

    @property
    def process_id(self) -> str:
        """Return what tells this process's steps from those of others."""
        return self._process_id

    # --- runs ----------------------------------------------------------------

    def describe_run(
        self, opened: OpenCall | None, attributes: Mapping[str, Plain]
    ) -> None:
        """Add to what is known of the run that a call is inside."""
        parent = self._nearest(opened)
        run = parent.run if parent else self._run_of_context()
        run.described.update(attributes)

    def run_of(self, opened: OpenCall | None) -> RunState | None:
        """Return the run that a call is inside, None outside any."""
        parent = self._nearest(opened)
        return parent.run if parent else self._process_run

    def span_of(self, opened: OpenCall | None) -> Span | None:
        """Return the span that a child process hangs under."""
        parent = self._nearest(opened)
        if parent is not None:
            return parent.span
        return self._process_run.span if self._process_run else None

    def fail(self, error: BaseException) -> None:
        """Note that the process ends with an exception."""
        if self._process_run is not None:
            self._process_run.failure = record_exception(error).type_name

    def finish(self) -> None:
        """End the process's run; the next call outside any run opens another."""
        with self._lock:
            run, self._process_run = self._process_run, None
        if run is None or run.span is None or self._origin.inherited:
            return
        with guarded("Ending the run of the process", self._losses, run.run_id):
            failed = run.failure is not None
            call = Call(kind="agent", name=run.agent_name, inputs={})
            extra = self._run_attributes(run, failed=failed)
            if failed:
                extra = {**extra, semconv.ERROR_TYPE: run.failure or ""}
            payload = Payload(call=call, outcome=Outcome())
            self._processor.attach(run.span.get_span_context().span_id, payload, extra)
            run.span.end()

    # --- inside ----------------------------------------------------------------

    def _nearest(self, opened: OpenCall | None) -> _Recorded | None:
        if opened is None:
            return None
        found = opened.notes.get(self)
        return found if isinstance(found, _Recorded) else self._parent(opened)

    def _parent(self, opened: OpenCall) -> _Recorded | None:
        for above in opened.ancestors():
            found = above.notes.get(self)
            if isinstance(found, _Recorded):
                return found
        return None

    def _is_root(self, opened: OpenCall) -> bool:
        return (
            opened.call.kind == "agent"
            and not self._origin.inherited
            and self._parent(opened) is None
        )

    def _begin_run(self, call: Call) -> _Recorded:
        origin = self._origin
        name = call.name
        span = self._start(
            f"{semconv.OP_INVOKE_AGENT} {name}",
            SpanKind.INTERNAL,
            self._origin_context(),
        )
        context = span.get_span_context()
        parent = getattr(span, "parent", None)
        run_id = origin.run_id or (
            secrets.token_hex(16) if parent else format_trace_id(context.trace_id)
        )
        run = RunState(run_id, agent_name=name, process_id=secrets.token_hex(8))
        run.span = span
        self._note_run(run)
        self._mark(span, run, kind="agent", operation=semconv.OP_INVOKE_AGENT)
        return _Recorded(run=run, span=span, is_root=True)

    def _note_run(self, run: RunState) -> None:
        if run.run_id not in self.run_ids:
            self.run_ids.append(run.run_id)

    def _origin_context(self) -> Context | None:
        if self._origin.parent_span is None:
            return None
        return trace.set_span_in_context(
            trace.NonRecordingSpan(self._origin.parent_span)
        )

    def _run_of(self, opened: OpenCall) -> RunState:
        parent = self._parent(opened)
        return parent.run if parent else self._run_of_context()

    def _run_of_context(self) -> RunState:
        """Return the run of the current trace, or that of the process."""
        current = trace.get_current_span().get_span_context()
        foreign = current.is_valid and not self._origin.inherited
        if foreign and self._origin.run_id is None:
            return self._run_of_trace(current)
        with self._lock:
            if self._process_run is None:
                self._process_run = self._begin_process_run()
            return self._process_run

    def _begin_process_run(self) -> RunState:
        if not self._origin.inherited:
            return self._begin_run(
                Call(kind="agent", name=self._defaults.agent_name)
            ).run
        run = RunState(
            self._origin.run_id or "",
            agent_name=self._defaults.agent_name,
            process_id=secrets.token_hex(8),
        )
        parent = self._origin.parent_span
        run.span = trace.NonRecordingSpan(parent) if parent else None
        return run

    def _run_of_trace(self, current: trace.SpanContext) -> RunState:
        with self._lock:
            run = self._traces.get(current.trace_id)
            if run is not None:
                return run
            root = next(
                reversed([*self._processor.open_ancestors(current.span_id)]), None
            )
            name = root.name if root else self._defaults.agent_name
            run = RunState(
                format_trace_id(current.trace_id),
                agent_name=name,
                process_id=secrets.token_hex(8),
            )
            self._note_run(run)
            if root is not None:
                self._traces[current.trace_id] = run
                self._processor.at_end_of(
                    root.context.span_id,
                    self._foreign_end(run, current.trace_id),
                )
            return run

    def _foreign_end(
        self,
        run: RunState,
        trace_id: int,
    ) -> Callable[[ReadableSpan], Mapping[str, Plain]]:
        def end(span: ReadableSpan) -> Mapping[str, Plain]:
            self._traces.pop(trace_id, None)
            failed = span.status.status_code is StatusCode.ERROR
            return {
                **self._run_attributes(run, failed=failed),
                semconv.RUN_ID: run.run_id,
                semconv.STEP_KIND: "agent",
                semconv.STEP_PROCESS: run.process_id,
            }

        return end

    def _run_attributes(self, run: RunState, *, failed: bool) -> dict[str, Plain]:
        status = "failed" if failed else "success"
        found: dict[str, Plain] = {
            **self._defaults.attributes(),
            semconv.AGENT_NAME: run.agent_name,
            **run.described,
            semconv.RUN_STEP_COUNT: run.step_count,
        }
        for reason, number in self._losses.of(run.run_id).items():
            found[semconv.RUN_DROPPED + reason] = number
        if self._origin.inherited:
            return {
                name: value
                for name, value in found.items()
                if name == semconv.RUN_STEP_COUNT
                or name.startswith(semconv.RUN_DROPPED)
            }
        found[semconv.RUN_STATUS] = status
        found[semconv.RUN_CLASS] = self._defaults.run_class or status
        if self._origin.superseded:
            found[semconv.RUN_SUPERSEDED] = ",".join(self._origin.superseded)
        parent = self._origin.parent
        if parent is not None:
            found[semconv.RUN_PARENT_ID] = parent.run_id
            found[semconv.RUN_PARENT_RELATION] = parent.relation
            if parent.step is not None:
                found[semconv.RUN_PARENT_STEP] = parent.step
        return found

    # --- steps -----------------------------------------------------------------

    def _stored_step(self, opened: OpenCall, span_id: str) -> _Recorded:
        """Hang what is new under a step that is stored already."""
        run = self._run_of(opened)
        above = run.span.get_span_context() if run.span else trace.INVALID_SPAN_CONTEXT
        context = trace.SpanContext(
            above.trace_id,
            int(span_id, 16),
            is_remote=True,
            trace_flags=above.trace_flags,
        )
        return _Recorded(run=run, span=trace.NonRecordingSpan(context), stored=True)

    def _begin_step(self, opened: OpenCall) -> _Recorded:
        parent = self._parent(opened)
        run = parent.run if parent else self._run_of_context()
        return self._step(run, opened.call, parent)

    def _step(self, run: RunState, call: Call, parent: _Recorded | None) -> _Recorded:
        operation = str(
            call.attributes.get(semconv.OPERATION_NAME)
            or _OPERATIONS.get(call.kind, ""),
        )
        joined = joinable_span(self._processor, call)
        if joined is not None:
            self._mark(joined, run, kind=call.kind, operation=None)
            joined.set_attribute(semconv.STEP_SEQUENCE, run.next_sequence())
            joined.set_attribute(semconv.STEP_EFFECT, call.effect)
            return _Recorded(run=run, span=joined, joined=True)
        span = self._start(
            _span_name(call, operation),
            _SPAN_KINDS.get(call.kind, SpanKind.INTERNAL),
            _step_context(run, parent),
        )
        self._mark(span, run, kind=call.kind, operation=operation or None)
        if call.kind != "process":  # it counts the steps of its process, and is none
            span.set_attribute(semconv.STEP_SEQUENCE, run.next_sequence())
        span.set_attribute(semconv.STEP_EFFECT, call.effect)
        if parent is not None and trace.get_current_span() is not parent.span:
            above = parent.span.get_span_context().span_id
            span.set_attribute(semconv.STEP_PARENT, format_span_id(above))
        model = call.attributes.get(semconv.REQUEST_MODEL)
        if isinstance(model, str):
            span.set_attribute(semconv.REQUEST_MODEL, model)
        if call.kind == "tool":
            span.set_attribute(semconv.TOOL_NAME, call.name)
        return _Recorded(run=run, span=span)

    def _start(self, name: str, kind: SpanKind, context: Context | None) -> Span:
        span = self._tracer.start_span(name, context=context, kind=kind)
        if not span.is_recording():
            # The application's sampler left it out; a recording must be whole.
            span = self._fallback.start_span(name, context=context, kind=kind)
        return span

    def _mark(
        self, span: Span, run: RunState, *, kind: str, operation: str | None
    ) -> None:
        span.set_attribute(semconv.RUN_ID, run.run_id)
        span.set_attribute(semconv.STEP_KIND, kind)
        span.set_attribute(semconv.STEP_PROCESS, run.process_id)
        span.set_attribute(semconv.AGENT_NAME, run.agent_name)
        if operation is not None:
            span.set_attribute(semconv.OPERATION_NAME, operation)

    def _end_attributes(self, call: Call, recorded: _Recorded) -> dict[str, Plain]:
        """A child process says at its end how many steps it started, and its losses."""
        if call.kind != "process":
            return {}
        run = recorded.run
        losses = self._losses.of(run.run_id).items()
        return {
            semconv.RUN_STEP_COUNT: run.step_count,
            **{semconv.RUN_DROPPED + reason: number for reason, number in losses},
        }


def _step_context(run: RunState, parent: _Recorded | None) -> Context | None:
    """Return where a step hangs: the innermost open span of the same trace."""
    span = parent.span if parent else run.span
    if span is None:
        return None
    current = trace.get_current_span().get_span_context()
    if current.is_valid and current.trace_id == span.get_span_context().trace_id:
        return None  # the current span is inside the parent's, or the parent's itself
    return trace.set_span_in_context(span, otel_context.get_current())


def _span_name(call: Call, operation: str) -> str:
    if call.kind == "model":
        model = call.attributes.get(semconv.REQUEST_MODEL)
        return f"{operation} {model}" if isinstance(model, str) else operation
    if call.kind == "http":
        return call.request.method if call.request else "HTTP"
    if operation:
        return f"{operation} {call.name}"
    return f"{call.kind} {call.name}"


@contextlib.contextmanager
def _current_span(span: Span) -> Generator[None]:
    token = otel_context.attach(trace.set_span_in_context(span))
    try:
        yield
    finally:
        otel_context.detach(token)
