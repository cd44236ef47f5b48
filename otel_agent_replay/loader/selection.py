"""Which of the given spans are those of a run, each once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from otel_agent_replay import semconv
from otel_agent_replay.model.payload import canonical_json
from otel_agent_replay.model.span import SpanRecord

__all__ = ["ById", "is_root", "spans_of"]

ById: TypeAlias = Mapping[str, SpanRecord]


def is_root(span: SpanRecord) -> bool:
    """Return whether the span is the root of a run that was recorded by us."""
    return semconv.RUN_STATUS in span.attributes


def spans_of(spans: Iterable[SpanRecord], run_id: str) -> tuple[SpanRecord, ...]:
    """Return the spans of a run by start and id, each once.

    They are those that carry its id, and those without any id that lie between or
    below them. Where no span carries it, they are those of the trace of that id,
    if no span there belongs to a run.
    """
    once = _unique(spans)
    by_id = {span.span_id: span for span in once if _belongs_or_free(span, run_id)}
    own = [span for span in by_id.values() if _run_of(span) == run_id]
    if own:
        chosen = {span.span_id for span in own}
        chosen |= _above(own, by_id)
        chosen |= {
            span.span_id for span in by_id.values() if _below(span, by_id, run_id)
        }
    else:
        chosen = _whole_trace(once, run_id)
    found = (span for span in once if span.span_id in chosen)
    return tuple(sorted(found, key=lambda span: (span.start_ns, span.span_id)))


def _run_of(span: SpanRecord) -> str | None:
    return span.attributes.get(semconv.RUN_ID)


def _belongs_or_free(span: SpanRecord, run_id: str) -> bool:
    return _run_of(span) in {run_id, None}


def _unique(spans: Iterable[SpanRecord]) -> list[SpanRecord]:
    """Keep one span an id: the one that ended last, which is the most complete."""
    best: dict[tuple[str, str], SpanRecord] = {}
    for span in spans:
        identity = (span.trace_id, span.span_id)
        other = best.get(identity)
        if other is None or (other != span and _weight(span) > _weight(other)):
            best[identity] = span
    return list(best.values())


def _weight(span: SpanRecord) -> tuple[int, int, int, bytes]:
    texts = {
        "status": [span.status_code, span.status_message, span.name],
        "attributes": dict(span.attributes),
        "events": [[each.name, dict(each.attributes)] for each in span.events],
    }
    content = canonical_json(texts)  # type: ignore[arg-type] # nested, all text
    return (span.end_ns, len(span.events), len(content), content)


def _whole_trace(spans: list[SpanRecord], run_id: str) -> set[str]:
    trace = [span for span in spans if span.trace_id == run_id]
    if any(_run_of(span) is not None for span in trace):
        return set()
    return {span.span_id for span in trace}


def _above(own: list[SpanRecord], by_id: ById) -> set[str]:
    """Return spans without a run id that a step of the run ran inside."""
    found: set[str] = set()
    for span in own:
        above = None if is_root(span) else by_id.get(span.parent_span_id)
        while above and _run_of(above) is None and above.span_id not in found:
            found.add(above.span_id)
            above = by_id.get(above.parent_span_id)
    return found


def _below(span: SpanRecord, by_id: ById, run_id: str) -> bool:
    """Return whether the nearest span above that has a run id has this one."""
    seen: set[str] = set()
    above: SpanRecord | None = span
    while above is not None and above.span_id not in seen:
        if _run_of(above) is not None:
            return _run_of(above) == run_id
        seen.add(above.span_id)
        above = by_id.get(above.parent_span_id)
    return False
