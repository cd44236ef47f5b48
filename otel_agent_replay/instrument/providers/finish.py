"""Why a model stopped: providers' own words and the convention's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from otel_agent_replay.model.messages import Message, ModelResponse

__all__ = ["ANTHROPIC", "CHAT", "GEMINI", "convention_word", "wire_word"]

CHAT: Final[Mapping[str, str]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_call",
    "function_call": "tool_call",
    "content_filter": "content_filter",
    "model_length": "length",
    "error": "error",
}
"""OpenAI Chat Completions and what speaks it, in order of preference."""

ANTHROPIC: Final[Mapping[str, str]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_call",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
    "compaction": "compaction",
    "pause_turn": "pause_turn",
}

GEMINI: Final[Mapping[str, str]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "MALFORMED_FUNCTION_CALL": "error",
    "OTHER": "error",
}

_ANY: Final[Mapping[str, str]] = {
    "completed": "stop",
    "max_output_tokens": "length",
    **CHAT,
    **ANTHROPIC,
    **GEMINI,
}


def convention_word(word: str | None, table: Mapping[str, str]) -> str | None:
    """Return the convention's word for a provider's; unknown ones stay."""
    return None if word is None else table.get(word, word)


def wire_word(
    response: ModelResponse,
    position: int,
    table: Mapping[str, str],
) -> str | None:
    """Return the finish reason of a choice in the words of a provider's table.

    A word of another provider is translated through the convention's, which the
    message has: `STOP` and `completed` do not tell of calls. A complete answer
    without a reason gets the one that its parts imply.
    """
    message = response.messages[position]
    reasons: Sequence[str] = response.finish_reasons
    word = reasons[position] if position < len(reasons) else ""
    if word in table:
        return word
    wanted = (
        message.finish_reason or _ANY.get(word, word) or _implied(message, response)
    )
    if not wanted:
        return None
    if table is GEMINI and wanted == "tool_call":
        wanted = "stop"
    same = (own for own, meaning in table.items() if meaning == wanted)
    return next(same, word or wanted)


def _implied(message: Message, response: ModelResponse) -> str | None:
    if not response.complete:
        return None
    calls = any(part.get("type") == "tool_call" for part in message.parts)
    return "tool_call" if calls else "stop"
