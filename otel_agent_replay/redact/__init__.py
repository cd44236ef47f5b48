"""Secrets become keyed pseudonyms before anything leaves the process. Pure."""

from __future__ import annotations

from otel_agent_replay.redact.failure import RedactionError
from otel_agent_replay.redact.policy import Policy
from otel_agent_replay.redact.redactor import AttrValue, Redactor
from otel_agent_replay.redact.rules import Found, Rule

__all__ = ["AttrValue", "Found", "Policy", "RedactionError", "Redactor", "Rule"]
