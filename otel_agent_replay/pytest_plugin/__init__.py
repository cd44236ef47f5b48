"""Recorded runs of agents as pytest tests: what the fixture `agent_replay` gives.

pytest finds the plugin by itself; import from here only for annotations.
"""

from otel_agent_replay.pytest_plugin.playing import AgentReplay
from otel_agent_replay.replay.golden_view import GoldenRun

__all__ = ["AgentReplay", "GoldenRun"]
