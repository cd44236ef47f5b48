"""Stored spans to a `Run`: selects, repairs, orders, and names what is missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from operator import methodcaller

from otel_agent_replay import semconv
from otel_agent_replay.dialects import normalise
from otel_agent_replay.errors import RunNotFoundError
from otel_agent_replay.loader import facts
from otel_agent_replay.loader.draft import Describe, Described, Draft, draft
from otel_agent_replay.loader.duplicates import distinct
from otel_agent_replay.loader.gaps import dropped_counts, find_gaps, is_cut_off
from otel_agent_replay.loader.places import (
    Places,
    in_order,
    placed,
    without_served,
)
from otel_agent_replay.loader.recovery import with_results
from otel_agent_replay.loader.selection import is_root, spans_of
from otel_agent_replay.loader.wire import described
from otel_agent_replay.model.payload import JsonObject
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.span import SpanRecord
from otel_agent_replay.model.step import Step

__all__ = ["Describe", "Described", "assembled", "load", "spans_of"]


def load(
    spans: Iterable[SpanRecord],
    run_id: str,
    *,
    describe: Describe = described,
) -> Run:
    """Return the run that the spans tell of.

    The order of the spans, repeated ones and those of other runs change nothing.
    What is missing is named in `gaps`; a run without its root is `interrupted`.

    Args:
        spans: At least all that are stored of the run's traces.
        run_id: The run; the trace id, where no span carries a run id.
        describe: Reads a model call off the wire; the provider codecs by default.

    Raises:
        RunNotFoundError: None of the spans is of this run.
    """
    chosen = spans_of(spans, run_id)
    if not chosen:
        raise RunNotFoundError(run_id)
    roots = [span for span in chosen if is_root(span)] or _foreign_roots(chosen)
    by_id = {span.span_id: span for span in chosen}
    drafts = distinct(_drafts(chosen, roots, describe), by_id)
    everywhere = placed(drafts, by_id, (root.span_id for root in roots))
    kept, places = without_served(drafts, everywhere)
    again = facts.superseded(roots)
    steps = tuple(
        replace(step, superseded=True) if step.span_id in again else step
        for step in with_results(in_order(kept, places))
    )
    return _run(run_id, chosen, roots, drafts, (steps, everywhere))


def assembled(run_id: str, root: SpanRecord, drafts: list[Draft]) -> Run:
    """Return the run of steps that hang under a root, directly or inside each other.

    For steps that never were spans; `spans` of the run is empty.
    """
    by_id = {root.span_id: root, **{each.span_id: each.span for each in drafts}}
    places = placed(drafts, by_id, (root.span_id,))
    steps = in_order(drafts, places)
    spans = (root, *(each.span for each in drafts))
    run = _run(run_id, spans, [root], drafts, (steps, places))
    return replace(run, spans=())


def _foreign_roots(spans: tuple[SpanRecord, ...]) -> list[SpanRecord]:
    """Return the root of a trace that only other instrumentations recorded."""
    if any(semconv.RUN_ID in span.attributes for span in spans):
        return []
    ids = {span.span_id for span in spans}
    tops = [span for span in spans if span.parent_span_id not in ids]
    whole = [span for span in tops if not span.parent_span_id]
    if whole:
        return [normalise(whole[0])]
    return [normalise(tops[0])] if len(tops) == 1 else []


def _drafts(
    spans: tuple[SpanRecord, ...],
    roots: list[SpanRecord],
    describe: Describe,
) -> list[Draft]:
    """Return the steps; a root is one only if it is itself a foreign call."""
    root_ids = {root.span_id for root in roots}
    found = [draft(span, describe) for span in spans if not is_root(span)]
    return [
        each
        for each in found
        if each is not None
        and (each.span_id not in root_ids or each.call.kind not in {"agent", "step"})
    ]


def _run(
    run_id: str,
    spans: tuple[SpanRecord, ...],
    roots: list[SpanRecord],
    drafts: list[Draft],
    order: tuple[tuple[Step, ...], Places],
) -> Run:
    steps, places = order
    status = facts.run_status(roots, cut_off=is_cut_off(roots, drafts))
    given, outcome = facts.input_and_outcome(roots)
    last = roots[-1] if roots else None

    def say(name: str) -> str | None:
        return facts.told(roots, methodcaller("get", name))

    return Run(
        run_id=run_id,
        trace_id=(last or spans[0]).trace_id,
        root_span_id=last.span_id if last else None,
        agent_name=say(semconv.AGENT_NAME) or _agent_name(spans, last),
        agent_version=say(semconv.AGENT_VERSION),
        user=say(semconv.USER_ID),
        conversation=say(semconv.CONVERSATION_ID),
        prompt_name=say(semconv.PROMPT_NAME),
        prompt_version=say(semconv.PROMPT_VERSION),
        model_configuration=facts.told(
            roots,
            lambda v: facts.json_object(v, semconv.RUN_MODEL_CONFIGURATION),
        )
        or _model_configuration(steps),
        environment=facts.told(
            roots,
            lambda v: facts.json_object(v, semconv.RUN_ENVIRONMENT),
        )
        or {},
        tags=facts.told(roots, facts.tags) or (),
        status=status,
        run_class=facts.run_class(roots, status),
        parent=facts.told(roots, facts.parent_run),
        policy=facts.told(roots, facts.policy),
        start_ns=min(span.start_ns for span in spans),
        end_ns=max(span.end_ns for span in spans),
        input=given,
        outcome=outcome,
        steps=steps,
        gaps=find_gaps(roots, drafts, places, steps),
        dropped=dropped_counts(roots, drafts),
        spans=spans,
    )


def _model_configuration(steps: tuple[Step, ...]) -> JsonObject:
    """Return model and parameters of the first model call."""
    request = next((step.request for step in steps if step.request), None)
    if request is None:
        return {}
    return {semconv.REQUEST_MODEL: request.model, **request.parameters}


def _agent_name(spans: tuple[SpanRecord, ...], root: SpanRecord | None) -> str:
    """Return the first agent's name that any span tells, or that of the root."""
    names = (normalise(span).attributes.get(semconv.AGENT_NAME) for span in spans)
    fallback = root.name if root else ""
    return next((name for name in names if name), fallback)
