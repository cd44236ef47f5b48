"""The run that a replay makes: kept in memory, put together when it is asked for.

Nothing of it leaves the process, so its calls need no spans; and what answered them
is redacted and read already.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Final

from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, TraceFlags

from otel_agent_replay import lanes, semconv
from otel_agent_replay.capture.genai import Plain
from otel_agent_replay.capture.record import texts
from otel_agent_replay.capture.runs import RunDefaults
from otel_agent_replay.instrument.http.coding import decoded
from otel_agent_replay.intercept import OpenCall
from otel_agent_replay.lanes import Lane
from otel_agent_replay.loader import Describe, assembled
from otel_agent_replay.loader.draft import Draft, draft
from otel_agent_replay.model.call import Call, Outcome
from otel_agent_replay.model.exceptions import record_exception
from otel_agent_replay.model.key import key_of
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.span import SpanRecord
from otel_agent_replay.model.step import Step
from otel_agent_replay.redact import RedactionError, Redactor
from otel_agent_replay.replay.replayer import REDACTED

__all__ = ["Remembering", "remembered_run"]

_NO_SCOPE: Final = nullcontext()


class _Noted:
    """A call between its start and its end, and after."""

    __slots__ = ("end_ns", "lane", "opened", "outcome", "parent", "span_id", "start_ns")

    def __init__(
        self, opened: OpenCall | None, span_id: str, parent: str, start_ns: int
    ) -> None:
        self.opened = opened
        self.span_id = span_id
        self.parent = parent
        self.start_ns = start_ns
        self.end_ns = 0
        self.lane = lanes.here()
        self.outcome: Outcome | None = None


class Remembering:
    """An interceptor that notes every call of one run; safe from any thread.

    It answers what others ask a recorder, so that child processes find their place.
    """

    def __init__(
        self,
        before_end: Callable[[OpenCall], None],
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """Make one.

        Args:
            before_end: Hears of the run's own call before it ends, to end what the
                run left open.
            clock: Gives Unix nanoseconds.
        """
        self.run_id = secrets.token_hex(16)
        self.process_id = secrets.token_hex(8)
        self.described: dict[str, Plain] = {}
        self.failure: str | None = None
        self.noted: list[_Noted] = []
        self.root = _Noted(None, self._new_id(0), "", 0)
        """The run itself: the agent's own call, or the process."""
        self.began = False
        self._before_end = before_end
        self._clock = clock
        self._children: Counter[str] = Counter()
        self._lock = threading.Lock()

    # --- the interceptor -------------------------------------------------------

    def before(self, opened: OpenCall) -> None:
        """Note where and when the call began."""
        now = self._clock()
        above = self._above(opened)
        with self._lock:
            first, self.began = not self.began, True
            noted = self.root
            if first:
                noted.start_ns = now
            own = opened.call.kind == "agent" and above is None
            if own and noted.opened is None and (first or not self.noted):
                noted.opened = opened
            else:
                parent = (above or noted).span_id
                noted = _Noted(opened, self._new_id(len(self.noted) + 1), parent, now)
                self.noted.append(noted)
        opened.notes[self] = noted

    def after(self, opened: OpenCall, outcome: Outcome) -> None:
        """Note what came back."""
        noted = opened.notes.get(self)
        if not isinstance(noted, _Noted):
            return
        if noted is self.root:
            self._before_end(opened)
        noted.outcome, noted.end_ns = outcome, self._clock()

    def scope(self, opened: OpenCall) -> AbstractContextManager[None]:
        """Surround nothing."""
        del opened
        return _NO_SCOPE

    # --- what others ask ---------------------------------------------------------

    @property
    def run_ids(self) -> list[str]:
        """The run's id, once it has begun."""
        return [self.run_id] if self.began else []

    def describe_run(
        self, opened: OpenCall | None, attributes: Mapping[str, Plain]
    ) -> None:
        """Add to what is known of the run."""
        del opened
        self.described.update(attributes)

    def run_of(self, opened: OpenCall | None) -> Remembering | None:
        """Return the run, if a call is inside it or it is the process's own."""
        inside = opened is not None or self.root.opened is None
        return self if self.began and inside else None

    def span_of(self, opened: OpenCall | None) -> Span | None:
        """Return what stands for the span that a child process hangs under."""
        found = opened and (opened.notes.get(self) or self._above(opened))
        place = found if isinstance(found, _Noted) else self.root
        return NonRecordingSpan(
            SpanContext(
                int(self.run_id, 16),
                int(place.span_id, 16),
                is_remote=False,
                trace_flags=TraceFlags(TraceFlags.SAMPLED),
            )
        )

    def next_child(self, command: str) -> int:
        """Return how many child processes of this command were started before."""
        with self._lock:
            self._children[command] += 1
            return self._children[command] - 1

    def fail(self, error: BaseException) -> None:
        """Note that the process ends with an exception."""
        self.failure = record_exception(error).type_name

    def finish(self) -> None:
        """End the run, where it is the process's own."""
        if self.root.outcome is None:
            self.root.end_ns = self._clock()

    # --- inside ----------------------------------------------------------------

    def _new_id(self, number: int) -> str:
        return f"{self.process_id[:8]}{number:08x}"

    def _above(self, opened: OpenCall) -> _Noted | None:
        for above in opened.ancestors():
            found = above.notes.get(self)
            if isinstance(found, _Noted):
                return found
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """What reads the noted calls as steps."""

    answers: Mapping[str, Step]
    redactor: Redactor
    describe: Describe

    def drafts(self, noted: Iterable[_Noted]) -> Iterator[Draft]:
        numbers: dict[Lane, int] = {}
        for each in noted:
            if each.opened is not None:
                lane = numbers.setdefault(each.lane, len(numbers))
                yield replace(self._draft(each, each.opened), lane=lane)

    def _draft(self, noted: _Noted, opened: OpenCall) -> Draft:
        call = opened.notes.get(REDACTED)
        outcome, dropped = self.outcome(noted), None
        if not isinstance(call, Call) or outcome is None:
            call = Call(kind=opened.call.kind, name="", effect=opened.call.effect)
            outcome, dropped = Outcome(), "redaction"
        step = self.answers.get(outcome.served_from or "")
        made = Draft(
            span=_span(noted),
            own=True,
            call=call,
            outcome=outcome,
            fidelity=step.fidelity if step else "wire",
            dropped=dropped,
        )
        if call.kind != "model" or call.request is None:
            return made
        if step is not None and step.call == call:
            asked, answered = step.request, step.response
            cost = step.cost_usd
        else:
            (asked, answered), cost = self.describe(call, outcome), None
        return replace(made, request=asked, response=answered, cost_usd=cost)

    def outcome(self, noted: _Noted) -> Outcome | None:
        """Return what came of a call, redacted; None if it cannot be."""
        outcome, opened = noted.outcome, noted.opened
        if outcome is None:
            return Outcome(ended="open")
        if opened is not None and opened.answer is not None:
            return outcome
        if outcome.response is not None:
            outcome = replace(outcome, response=decoded(outcome.response))
        kind = opened.call.kind if opened is not None else "process"
        try:
            return self.redactor.outcome(outcome, kind)
        except RedactionError:
            return None


def remembered_run(
    memory: Remembering,
    recorded: Run,
    *,
    defaults: RunDefaults,
    redactor: Redactor,
    describe: Describe,
    children: Iterable[SpanRecord] = (),
) -> Run | None:
    """Return the run that a replay made; None if it made no call.

    Args:
        memory: What its process noted.
        recorded: The run that answered.
        defaults: What every run of this process has.
        redactor: The policy in force.
        describe: Reads a model call that went live.
        children: The spans that its child processes recorded.
    """
    if not memory.began:
        return None
    answers = {step.span_id: step for step in recorded.steps}
    reading = _Reading(answers=answers, redactor=redactor, describe=describe)
    below = [each for span in children if (each := draft(span, describe))]
    drafts = [*reading.drafts(memory.noted), *_joined_once(below)]
    root = memory.root
    outcome = reading.outcome(root) if root.outcome else Outcome()
    failed = memory.failure is not None or (root.outcome or Outcome()).failed
    made = assembled(
        memory.run_id,
        _root_span(memory, recorded, defaults, redactor, failed=failed),
        drafts,
    )
    asked = root.opened.notes.get(REDACTED) if root.opened else None
    return replace(
        made,
        input=asked.inputs if isinstance(asked, Call) else {},
        outcome=outcome or Outcome(),
        source=recorded.source,
    )


def _joined_once(drafts: Iterable[Draft]) -> Iterator[Draft]:
    """Leave out processes that joined the session again with settings of their own."""
    last: dict[tuple[str, str], Draft] = {}
    for each in drafts:
        if each.call.kind != "process":
            yield each
            continue
        place = each.span.parent_span_id, key_of(each.call)
        before = last.get(place)
        if before is None or before.span.start_ns < each.span.start_ns:
            last[place] = each
    yield from last.values()


def _span(noted: _Noted) -> SpanRecord:
    return SpanRecord(
        trace_id="",
        span_id=noted.span_id,
        parent_span_id=noted.parent,
        name="",
        start_ns=noted.start_ns,
        end_ns=noted.end_ns or noted.start_ns,
    )


def _root_span(
    memory: Remembering,
    recorded: Run,
    defaults: RunDefaults,
    redactor: Redactor,
    *,
    failed: bool,
) -> SpanRecord:
    opened = memory.root.opened
    name = opened.call.name if opened else defaults.agent_name
    said = {
        **defaults.attributes(),
        semconv.AGENT_NAME: name,
        **(opened.call.attributes if opened else {}),
        **memory.described,
    }
    status = "failed" if failed else "success"
    marks = {
        semconv.RUN_ID: memory.run_id,
        semconv.RUN_STATUS: status,
        semconv.RUN_CLASS: defaults.run_class or status,
        semconv.RUN_PARENT_ID: recorded.run_id,
        semconv.RUN_PARENT_RELATION: "replay",
    }
    values = {**redactor.attributes(said), **marks}
    return replace(_span(memory.root), trace_id=memory.run_id, attributes=texts(values))
