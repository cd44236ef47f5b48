"""The recorder: an interceptor that turns calls into spans."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Final

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, SpanKind, StatusCode, Tracer

from otel_agent_replay import lanes, semconv
from otel_agent_replay.capture.begun import Begun
from otel_agent_replay.capture.finished import FinishedSpan, Payload
from otel_agent_replay.capture.genai import Plain
from otel_agent_replay.capture.guard import kept_away
from otel_agent_replay.capture.join import joinable_span
from otel_agent_replay.capture.losses import Losses
from otel_agent_replay.capture.open_runs import OpenRuns
from otel_agent_replay.capture.processor import AgentReplaySpanProcessor
from otel_agent_replay.capture.recorded import Recorded
from otel_agent_replay.capture.runs import RunDefaults, RunOrigin, RunState
from otel_agent_replay.capture.tracers import (
    CurrentSpan,
    Tracers,
    current_context,
    inside,
)
from otel_agent_replay.intercept import STORED_SPAN, OpenCall
from otel_agent_replay.model.call import Call, Outcome
from otel_agent_replay.model.exceptions import record_exception

__all__ = ["Recorder"]

_OPERATIONS: Final[Mapping[str, str]] = {
    "agent": semconv.OP_INVOKE_AGENT,
    "tool": semconv.OP_EXECUTE_TOOL,
    "retrieval": semconv.OP_RETRIEVAL,
}
_SPAN_KINDS: Final = {"model": SpanKind.CLIENT, "http": SpanKind.CLIENT}
_NO_SCOPE: Final = contextlib.nullcontext()


class Recorder:
    """Records every call that passes the seam; safe from any thread.

    A call outside any agent belongs to the run of the trace it is in, or to the run
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
        self.processor = processor
        self._before_end = before_end
        self._tracers = Tracers(tracer, fallback or tracer)
        self._losses = losses
        self._runs = OpenRuns(self._tracers, processor, defaults)
        self.reset(origin or RunOrigin())

    def reset(self, origin: RunOrigin) -> None:
        """Forget all runs, as a forked child does with those of its parent."""
        self._runs.reset(origin)

    # --- the interceptor ---------------------------------------------------

    def before(self, opened: OpenCall) -> None:
        """Open a span for the call, or join the one that is open already."""
        try:
            recorded = self._begin(opened)
            recorded.open_in(self.process_id, self._lost)
            opened.notes[self] = recorded
            self._note(recorded, opened.call)
        except Exception as error:  # noqa: BLE001 - the agent's call must go on
            run = self.run_of(opened)
            run_id = run.run_id if run else ""
            kept_away("Recording the start of a call", error, self._losses, run_id)

    def after(self, opened: OpenCall, outcome: Outcome) -> None:
        """End the span and give it its payload."""
        recorded = opened.notes.get(self)
        if not isinstance(recorded, Recorded):
            return
        recorded.close()
        if not self._is_own(recorded):
            return
        try:
            if recorded.is_root:
                self._before_end(opened)
            self._end(recorded, opened.call, outcome)
        except Exception as error:  # noqa: BLE001 - the agent's call must go on
            run_id = recorded.run.run_id
            kept_away("Recording the end of a call", error, self._losses, run_id)

    def scope(self, opened: OpenCall) -> AbstractContextManager[None]:
        """Make the call's span the current one."""
        recorded = opened.notes.get(self)
        if not isinstance(recorded, Recorded) or recorded.joined:
            return _NO_SCOPE
        return CurrentSpan(recorded.shown)

    # --- what others ask -------------------------------------------------------

    @property
    def process_id(self) -> str:
        """What tells this process's steps from those of others."""
        return self._runs.process_id

    @property
    def run_ids(self) -> list[str]:
        """Ids of the runs that began here, in order; the first thousand."""
        return self._runs.ids

    def describe_run(
        self, opened: OpenCall | None, attributes: Mapping[str, Plain]
    ) -> None:
        """Add to what is known of the run that a call is inside."""
        parent = self._nearest(opened)
        try:
            if parent is None:
                self._runs.describe(attributes)
            else:
                parent.run.described.update(attributes)
        except Exception as error:  # noqa: BLE001 - the agent's code must go on
            kept_away("Describing the run", error, self._losses)

    def run_of(self, opened: OpenCall | None) -> RunState | None:
        """Return the run that a call is inside, None outside any."""
        parent = self._nearest(opened)
        return parent.run if parent else self._runs.of_process

    def span_of(self, opened: OpenCall | None) -> trace.Span | None:
        """Return the span that a child process hangs under."""
        parent = self._nearest(opened)
        if parent is not None:
            return parent.shown
        run = self._runs.of_process
        return run.span if run else None

    def fail(self, error: BaseException) -> None:
        """Note that the process ends with an exception."""
        run = self._runs.of_process
        if run is not None:
            run.failure = record_exception(error).type_name

    def finish(self) -> None:
        """End the process's run; the next call outside any run opens another."""
        root = self._runs.take_root()
        if root is not None:
            run = root.run
            try:
                if run.failure is not None:
                    root.marks[semconv.ERROR_TYPE] = run.failure
                call = Call(kind="agent", name=run.agent_name, inputs={})
                outcome = Outcome()
                self._end(root, call, outcome, failed=run.failure is not None)
            except Exception as error:  # noqa: BLE001 - the process must end well
                kept_away("Ending the run", error, self._losses, run.run_id)
        self.processor.settle()

    # --- inside ----------------------------------------------------------------

    def _note(self, recorded: Recorded, call: Call) -> None:
        """Have the beginning of a run or a step in the journal."""
        if recorded.span is None:
            return
        marks, extra = recorded.marks, recorded.extra
        if recorded.is_root:
            marks, extra = self._runs.cut_short(recorded.run, marks, extra)
        self.processor.began(
            Begun(span=recorded.span, call=call, marks=marks, extra=extra)
        )

    def _nearest(self, opened: OpenCall | None) -> Recorded | None:
        if opened is None:
            return None
        found = opened.notes.get(self)
        return found if isinstance(found, Recorded) else self._parent(opened)

    def _parent(self, opened: OpenCall) -> Recorded | None:
        for above in opened.ancestors():
            found = above.notes.get(self)
            if isinstance(found, Recorded):
                return found
        return None

    def _is_own(self, recorded: Recorded) -> bool:
        """Whether it is to be ended here: not stored yet, not a parent process's."""
        return recorded.span is not None and recorded.made_in == self.process_id

    def _begin(self, opened: OpenCall) -> Recorded:
        call, parent = opened.call, self._parent(opened)
        if call.kind == "agent" and parent is None and not self._runs.origin.inherited:
            return self._runs.begin(call.name)
        run = parent.run if parent else self._runs.of_context()
        stored = opened.notes.get(STORED_SPAN)
        if isinstance(stored, str):
            return _stored_step(run, stored)
        return self._step(run, call, parent)

    def _step(self, run: RunState, call: Call, parent: Recorded | None) -> Recorded:
        outer_id = parent.span_id if parent else run.root_id
        current_id = current_context().span_id
        marks = self._runs.marks(run, call.kind)
        marks[semconv.STEP_EFFECT] = call.effect
        if call.kind != "process":  # it counts the steps of its process, and is none
            marks[semconv.STEP_SEQUENCE] = run.next_sequence()
            marks[semconv.STEP_LANE] = run.number_of(lanes.here())
        extra = _extra(call)
        span = joinable_span(self.processor, call, current_id, outer_id)
        joined = span is not None
        shown: trace.Span
        if span is None:
            outer = parent.shown if parent else run.span
            in_place = outer_id is None or self.processor.is_inside(
                current_id, outer_id
            )
            span, shown = self._tracers.start(
                _span_name(call, str(extra.get(semconv.OPERATION_NAME, ""))),
                _SPAN_KINDS.get(call.kind, SpanKind.INTERNAL),
                None if in_place or outer is None else inside(outer),
                # Each costs the agent a microsecond; the others travel beside.
                {semconv.RUN_ID: run.run_id, **extra},
            )
            self.processor.promise(span)
        else:
            shown = span
            extra.pop(semconv.OPERATION_NAME, None)
        extra[semconv.AGENT_NAME] = run.agent_name
        _say_parent(marks, span.parent, outer_id)
        return Recorded(run, span, shown, marks=marks, extra=extra, joined=joined)

    def _end(
        self,
        recorded: Recorded,
        call: Call,
        outcome: Outcome,
        *,
        failed: bool | None = None,
    ) -> None:
        span, run = recorded.span, recorded.run
        if span is None:
            return
        if recorded.is_root:
            self.processor.settle(run.run_id)
            failed = outcome.failed if failed is None else failed
            marks, extra = self._runs.ending(run, failed=failed)
            recorded.marks.update(marks)
            recorded.extra.update(extra)
        elif call.kind == "process":
            recorded.marks[semconv.RUN_STEP_COUNT] = run.step_count
        payload = Payload(call=call, outcome=outcome)
        self.processor.keep(span, run.run_id, partial(_finished, recorded, payload))
        if not recorded.joined and span.is_recording():
            if outcome.failed:
                span.set_status(StatusCode.ERROR)
            span.end()

    def _lost(self, recorded: Recorded) -> None:
        """End the span of a call that was forgotten: a coroutine nobody awaited."""
        if sys.is_finalizing() or not self._is_own(recorded) or recorded.span is None:
            return
        recorded.marks[semconv.STEP_DROPPED] = "capture"
        span, run_id = recorded.span, recorded.run.run_id
        self.processor.keep(span, run_id, partial(_finished, recorded, None))
        if not recorded.joined and span.is_recording():
            span.end()


def _finished(
    recorded: Recorded, payload: Payload | None, span: ReadableSpan
) -> FinishedSpan:
    return FinishedSpan(
        span=span,
        payload=payload,
        extra=recorded.extra,
        marks=recorded.marks,
    )


def _extra(call: Call) -> dict[str, Plain]:
    found: dict[str, Plain] = {}
    operation = call.attributes.get(semconv.OPERATION_NAME)
    operation = operation or _OPERATIONS.get(call.kind)
    model = call.attributes.get(semconv.REQUEST_MODEL)
    if isinstance(operation, str):
        found[semconv.OPERATION_NAME] = operation
    if isinstance(model, str):
        found[semconv.REQUEST_MODEL] = model
    if call.kind == "tool":
        found[semconv.TOOL_NAME] = call.name
    return found


def _say_parent(
    marks: dict[str, Plain],
    parent: SpanContext | None,
    outer_id: int | None,
) -> None:
    """Say which step a step is inside, where its span hangs under another one.

    Replay looks calls up under the call they were made in; a span that was open
    meanwhile, such as the one of a first attempt, must not come between.
    """
    if outer_id is not None and (parent is None or parent.span_id != outer_id):
        marks[semconv.STEP_PARENT] = trace.format_span_id(outer_id)


def _stored_step(run: RunState, span_id: str) -> Recorded:
    """Hang what is new under a step that is stored already."""
    above = run.span.get_span_context() if run.span else trace.INVALID_SPAN_CONTEXT
    context = SpanContext(
        above.trace_id,
        int(span_id, 16),
        is_remote=True,
        trace_flags=above.trace_flags,
    )
    shown = trace.NonRecordingSpan(context)
    return Recorded(run, None, shown, marks={}, extra={})


def _span_name(call: Call, operation: str) -> str:
    if call.kind == "model":
        model = call.attributes.get(semconv.REQUEST_MODEL)
        return f"{operation} {model}" if isinstance(model, str) else operation
    if call.kind == "http":
        return call.request.method if call.request else "HTTP"
    if operation:
        return f"{operation} {call.name}"
    return f"{call.kind} {call.name}"
