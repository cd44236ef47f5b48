"""Spans of ours: made by the application's tracer where its sampler lets them be."""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Tracer

from otel_agent_replay.capture.genai import Plain

__all__ = ["CurrentSpan", "Tracers", "current_context", "inside"]


class Tracers:
    """Starts spans that record, whatever the application's sampler says.

    Args:
        tracer: The application's.
        fallback: A tracer of ours that leaves nothing out.
    """

    def __init__(self, tracer: Tracer, fallback: Tracer) -> None:
        self._tracer = tracer
        self._fallback = fallback

    def start(
        self,
        name: str,
        kind: SpanKind,
        context: Context | None,
        attributes: Mapping[str, Plain],
    ) -> tuple[Span, trace.Span]:
        """Return a span, and what stands for it in the context.

        Where the application's sampler leaves the span out, what stands for it says
        so: others' spans inside are left out too, as without us.

        Raises:
            TypeError: The tracers are not those of the SDK.
        """
        span = self._tracer.start_span(
            name, context=context, kind=kind, attributes=attributes
        )
        if isinstance(span, Span):
            return span, span
        made = self._fallback.start_span(
            name, context=context, kind=kind, attributes=attributes
        )
        if not isinstance(made, Span):
            message = "The fallback tracer left a span out"
            raise TypeError(message)
        its = made.context
        shown = SpanContext(its.trace_id, its.span_id, is_remote=False)
        return made, NonRecordingSpan(shown)


def current_context() -> SpanContext:
    """Return the context of the current span."""
    return trace.get_current_span().get_span_context()


def inside(span: trace.Span) -> Context:
    """Return the current context with another span as the current one."""
    return trace.set_span_in_context(span)


class CurrentSpan:
    """Makes a span the current one for the code inside."""

    __slots__ = ("_span", "_token")

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def __enter__(self) -> None:
        self._token = otel_context.attach(trace.set_span_in_context(self._span))

    def __exit__(self, *failure: object) -> None:
        otel_context.detach(self._token)
