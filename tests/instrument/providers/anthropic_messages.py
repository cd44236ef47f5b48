"""Requests and answers of Messages."""

from __future__ import annotations

import json

from otel_agent_replay.instrument.providers.anthropic_messages import AnthropicMessages

CODEC = AnthropicMessages()


def answer(*content, **wire):
    body = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": content,
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 2},
        **wire,
    }
    return CODEC.response(json.dumps(body).encode(), "application/json")


def block(index, start, *deltas):
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *(
            {"type": "content_block_delta", "index": index, "delta": each}
            for each in deltas
        ),
        {"type": "content_block_stop", "index": index},
    ]
