"""The runs that are open in this process, and which one a call belongs to."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from typing import Final
from weakref import WeakKeyDictionary

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span
from opentelemetry.trace import SpanKind, StatusCode, format_trace_id

from otel_agent_replay import semconv
from otel_agent_replay.capture.begun import Begun
from otel_agent_replay.capture.finished import FinishedSpan
from otel_agent_replay.capture.genai import Plain
from otel_agent_replay.capture.processor import AgentReplaySpanProcessor
from otel_agent_replay.capture.recorded import Recorded
from otel_agent_replay.capture.runs import RunDefaults, RunOrigin, RunState
from otel_agent_replay.capture.tracers import Tracers, current_context, inside

__all__ = ["OpenRuns"]

_LISTED: Final = 1000
_CALLS: Final = semconv.INFERENCE_OPERATIONS | {semconv.OP_EXECUTE_TOOL}


class OpenRuns:
    """Opens runs and finds them again; safe from any thread.

    A call outside any agent belongs to the run of the foreign span it is in the
    trace of, such as a web request's, else to the run of the process.
    """

    def __init__(
        self,
        tracers: Tracers,
        processor: AgentReplaySpanProcessor,
        defaults: RunDefaults,
    ) -> None:
        self._tracers = tracers
        self._processor = processor
        self._defaults = defaults
        self.reset(RunOrigin())

    def reset(self, origin: RunOrigin) -> None:
        """Forget all runs, as a forked child does with those of its parent."""
        self.origin = origin
        self.process_id = secrets.token_hex(8)
        self.of_process: RunState | None = None
        self._root: Recorded | None = None
        self._by_root: WeakKeyDictionary[Span, RunState] = WeakKeyDictionary()
        self._described: dict[str, Plain] = {}
        self._lock = threading.RLock()
        self.ids: list[str] = []
        """Ids of the runs that began here, in order; the first thousand."""

    # --- opening -----------------------------------------------------------------

    def begin(self, agent_name: str) -> Recorded:
        """Open a run of its own."""
        origin = self.origin
        extra: dict[str, Plain] = {
            semconv.AGENT_NAME: agent_name,
            semconv.OPERATION_NAME: semconv.OP_INVOKE_AGENT,
        }
        span, shown = self._tracers.start(
            f"{semconv.OP_INVOKE_AGENT} {agent_name}",
            SpanKind.INTERNAL,
            _context_of(origin),
            {semconv.STEP_KIND: "agent", **extra},
        )
        self._processor.promise(span)
        run_id = origin.run_id or _id_for(span)
        run = self._state(run_id, agent_name)
        run.span, run.root_id = shown, span.context.span_id
        span.set_attribute(semconv.RUN_ID, run_id)
        marks = self.marks(run, "agent")
        return Recorded(run, span, shown, marks=marks, extra=extra, is_root=True)

    def _state(self, run_id: str, agent_name: str) -> RunState:
        if len(self.ids) < _LISTED and run_id not in self.ids:
            self.ids.append(run_id)
        return RunState(run_id, agent_name=agent_name)

    def marks(self, run: RunState, kind: str) -> dict[str, Plain]:
        """Return what every span of a run says of itself."""
        return {
            semconv.RUN_ID: run.run_id,
            semconv.STEP_KIND: kind,
            semconv.STEP_PROCESS: run.process_id,
        }

    # --- finding -----------------------------------------------------------------

    def of_context(self) -> RunState:
        """Return the run of a call outside any agent; open it if need be."""
        root = None if self.origin.run_id else self._foreign_root()
        with self._lock:
            if root is not None:
                return self._of_foreign(root)
            if self.of_process is None:
                self.of_process = self._begin_of_process()
            return self.of_process

    def describe(self, attributes: Mapping[str, Plain]) -> None:
        """Add to what is known of the run of the context.

        Where none is open it is the process's own, should calls outside any agent
        open that.
        """
        root = None if self.origin.run_id else self._foreign_root()
        with self._lock:
            run = self.of_process if root is None else self._of_foreign(root)
            (self._described if run is None else run.described).update(attributes)

    def _foreign_root(self) -> Span | None:
        """Return the outermost open span here, if a run can be inside it.

        A call, of a model, a tool or over HTTP, holds no run: it is inside one.
        """
        around = [*self._processor.open_ancestors(current_context().span_id)]
        root = around[-1] if around else None
        if root is None or root.kind is SpanKind.CLIENT:
            return None
        operation = (root.attributes or {}).get(semconv.OPERATION_NAME)
        return None if operation in _CALLS else root

    def _of_foreign(self, root: Span) -> RunState:
        run = self._by_root.get(root)
        if run is None:
            run = self._state(_id_for(root), root.name)
            run.root_id = root.context.span_id
            self._by_root[root] = run
            self._processor.at_end_of(root, self._end_of_foreign(run))
            self._note(root, run, {})
        return run

    def _end_of_foreign(self, run: RunState) -> Callable[[ReadableSpan], FinishedSpan]:
        def end(span: ReadableSpan) -> FinishedSpan:
            self._processor.settle(run.run_id)
            failed = span.status.status_code is StatusCode.ERROR
            marks, extra = self.ending(run, failed=failed)
            marks = {**self.marks(run, "agent"), **marks}
            return FinishedSpan(span=span, extra=extra, marks=marks)

        return end

    def _begin_of_process(self) -> RunState:
        origin = self.origin
        if not origin.inherited:
            self._root = self.begin(self._defaults.agent_name)
            run = self._root.run
            run.described[semconv.RUN_OF_PROCESS] = True
            run.described.update(self._described)
            if self._root.span is not None:
                self._note(self._root.span, run, self._root.extra)
            return run
        run = RunState(origin.run_id or "", agent_name=self._defaults.agent_name)
        if origin.parent_span is not None:
            run.span = trace.NonRecordingSpan(origin.parent_span)
            run.root_id = origin.parent_span.span_id
        return run

    def take_root(self) -> Recorded | None:
        """Return the root of the process's run and forget that run."""
        with self._lock:
            root, self._root, self.of_process = self._root, None, None
            return root

    def _note(self, span: Span, run: RunState, extra: Mapping[str, Plain]) -> None:
        """Have the beginning of a run in the journal."""
        marks, extra = self.cut_short(run, self.marks(run, "agent"), extra)
        self._processor.began(Begun(span=span, marks=marks, extra=extra))

    # --- ending ------------------------------------------------------------------

    def cut_short(
        self, run: RunState, marks: Mapping[str, Plain], extra: Mapping[str, Plain]
    ) -> tuple[dict[str, Plain], dict[str, Plain]]:
        """Return marks and attributes of a run whose process is killed inside it."""
        status = {
            semconv.RUN_STATUS: "interrupted",
            semconv.RUN_CLASS: self._defaults.run_class or "failed",
            **_origin_marks(self.origin),
        }
        told = {**extra, **self._defaults.attributes(), **run.described}
        return {**marks, **status}, {**told, semconv.AGENT_NAME: run.agent_name}

    def ending(
        self,
        run: RunState,
        *,
        failed: bool,
    ) -> tuple[dict[str, Plain], dict[str, Plain]]:
        """Return what the end of a run adds: our marks, and what is redacted."""
        marks: dict[str, Plain] = {semconv.RUN_STEP_COUNT: run.step_count}
        if self.origin.inherited:
            return marks, {}
        status = "failed" if failed else "success"
        marks[semconv.RUN_STATUS] = status
        marks[semconv.RUN_CLASS] = self._defaults.run_class or status
        extra = {
            **self._defaults.attributes(),
            semconv.AGENT_NAME: run.agent_name,
            **run.described,
        }
        return {**marks, **_origin_marks(self.origin)}, extra


def _origin_marks(origin: RunOrigin) -> Mapping[str, Plain]:
    found: dict[str, Plain] = {}
    if origin.superseded:
        found[semconv.RUN_SUPERSEDED] = ",".join(origin.superseded)
    parent = origin.parent
    if parent is not None:
        found[semconv.RUN_PARENT_ID] = parent.run_id
        found[semconv.RUN_PARENT_RELATION] = parent.relation
        if parent.step is not None:
            found[semconv.RUN_PARENT_STEP] = parent.step
    return found


def _context_of(origin: RunOrigin) -> Context | None:
    if origin.parent_span is None:
        return None
    return inside(trace.NonRecordingSpan(origin.parent_span))


def _id_for(root: Span) -> str:
    """Return the id of a run: its trace's, where it has that for itself."""
    return (
        secrets.token_hex(16) if root.parent else format_trace_id(root.context.trace_id)
    )
