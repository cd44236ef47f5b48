"""The spans that the anthropic SDK writes by itself."""

from __future__ import annotations

from typing import Final

from otel_agent_replay import semconv
from otel_agent_replay.dialects.values import completed
from otel_agent_replay.instrument.providers.json_access import (
    json_or_none,
    objects_of,
)
from otel_agent_replay.model.payload import dump_json
from otel_agent_replay.model.span import SpanRecord

__all__ = ["normalise"]

_TOOL_RESULT: Final = "anthropic.tool_result.content"


def normalise(span: SpanRecord) -> SpanRecord:
    """Return the span with its tool result under the GenAI name.

    The SDK wraps a tool's text into one text block; it is taken out again.
    """
    content = span.attributes.get(_TOOL_RESULT)
    if content is None:
        return span
    blocks = objects_of(json_or_none(content))
    texts = [each.get("text") for each in blocks if each.get("type") == "text"]
    plain = len(blocks) == 1 and len(texts) == 1
    return completed(
        span,
        {semconv.TOOL_CALL_RESULT: dump_json(texts[0]) if plain else content},
    )
