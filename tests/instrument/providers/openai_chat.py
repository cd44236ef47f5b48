"""Requests and answers of Chat Completions."""

from __future__ import annotations

import json

from otel_agent_replay.instrument.providers.openai_chat import OpenAIChat

URL = "https://api.openai.com/v1/chat/completions"


CODEC = OpenAIChat()


def request(**wire):
    return CODEC.request(json.dumps(wire).encode(), URL)


def message(**wire):
    return request(messages=[wire]).messages[0]


def answer(message, **choice):
    wire = {"choices": [{"index": 0, "message": message, **choice}]}
    return CODEC.response(json.dumps(wire).encode(), "application/json")
