"""Requests and answers of Responses."""

from __future__ import annotations

import json

from otel_agent_replay.instrument.providers.openai_responses import OpenAIResponses

CODEC = OpenAIResponses()


def answer(*output, **wire):
    body = {"id": "resp_1", "status": "completed", "output": output, **wire}
    return CODEC.response(json.dumps(body).encode(), "application/json")


TEXT = {
    "type": "message",
    "id": "msg_1",
    "status": "completed",
    "role": "assistant",
    "content": [
        {
            "type": "output_text",
            "text": "Hi",
            "annotations": [{"type": "url_citation", "url": "https://h"}],
            "logprobs": [],
        },
        {"type": "refusal", "refusal": "no"},
    ],
}
