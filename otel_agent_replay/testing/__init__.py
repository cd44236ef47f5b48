"""Fakes and fixtures for users and for our own tests."""

from __future__ import annotations

from otel_agent_replay.testing.corpus import (
    CORPUS_ABSENT,
    CorpusInteraction,
    Trajectory,
    corpus_path,
    trajectories,
    wire_interactions,
)
from otel_agent_replay.testing.local_server import LocalServer, Reply, ScriptedRequest
from otel_agent_replay.testing.provider import Script, ScriptedProvider
from otel_agent_replay.testing.scripted_answer import Answer, FinishReason, ToolCall
from otel_agent_replay.testing.wire_server import (
    INDEX_HEADER,
    Cut,
    WireInteraction,
    WireServer,
    cut_every,
    cut_lines,
    cut_sse_events,
)

__all__ = [
    "CORPUS_ABSENT",
    "INDEX_HEADER",
    "Answer",
    "CorpusInteraction",
    "Cut",
    "FinishReason",
    "LocalServer",
    "Reply",
    "Script",
    "ScriptedProvider",
    "ScriptedRequest",
    "ToolCall",
    "Trajectory",
    "WireInteraction",
    "WireServer",
    "corpus_path",
    "cut_every",
    "cut_lines",
    "cut_sse_events",
    "trajectories",
    "wire_interactions",
]
