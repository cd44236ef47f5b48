"""Foreign spans to the one normal form: GenAI operation names and attributes.

One file a convention. In the normal form a span has `gen_ai.operation.name`, and
what it holds as attributes: messages, instructions and tool definitions, a tool's
arguments and result, as JSON text in the shapes of the GenAI conventions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from otel_agent_replay.dialects import (
    anthropic_native,
    genai,
    openinference,
    openllmetry,
    pydantic_ai,
    semconv_1_36,
)
from otel_agent_replay.model.span import SpanRecord

__all__ = ["normalise"]

# The first to know a value wins: what is in the normal form already comes first.
_CHAIN: Final[tuple[Callable[[SpanRecord], SpanRecord], ...]] = (
    genai.normalise,
    anthropic_native.normalise,
    pydantic_ai.normalise,
    openinference.normalise,
    openllmetry.normalise,
    semconv_1_36.normalise,
)


def normalise(span: SpanRecord) -> SpanRecord:
    """Return a span in the normal form; attributes are only ever added.

    Never raises. A span of no known convention comes back as it is.
    """
    for each in _CHAIN:
        span = each(span)
    return span
