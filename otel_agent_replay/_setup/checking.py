"""Whether settings have a meaning, before anything is done with them."""

from __future__ import annotations

from otel_agent_replay._setup.effects import chosen
from otel_agent_replay._setup.redaction import policy_of
from otel_agent_replay._setup.sampling import rates_of
from otel_agent_replay.config import Settings
from otel_agent_replay.instrument.named import parse_tool
from otel_agent_replay.store import check_url

__all__ = ["check"]


def check(settings: Settings) -> None:
    """Check what only the parts that use a setting can tell.

    Nothing is opened or reached for: a store that is down is no mistake.

    Raises:
        ConfigurationError: A setting has no meaning.
    """
    check_url(settings.store)
    policy_of(settings)
    rates_of(settings)
    chosen(settings.effects, settings.files)
    for text in settings.tools:
        parse_tool(text)
