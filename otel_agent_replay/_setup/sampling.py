"""Which successful runs keep their payloads, by the settings."""

from __future__ import annotations

from typing import Final

from otel_agent_replay.capture.sampling import Rates
from otel_agent_replay.config import Settings
from otel_agent_replay.errors import ConfigurationError

__all__ = ["rates_of"]

_WHOLE: Final = 100


def rates_of(settings: Settings) -> Rates:
    """Return the rates.

    Raises:
        ConfigurationError: One of them is no percentage.
    """
    by_agent = dict(map(_rate, settings.sample_agents))
    return Rates(success=settings.sample_success, by_agent=by_agent)


def _rate(text: str) -> tuple[str, int]:
    agent, _, percent = text.rpartition("=")
    if agent and percent.isdecimal() and int(percent) <= _WHOLE:
        return agent, int(percent)
    problem = f"{text!r} is not `agent=percent`, with a whole number from 0 to 100"
    raise ConfigurationError("sample_agents", problem)
