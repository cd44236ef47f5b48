"""LangGraph's checkpoints in a store of ours: `AgentReplaySaver`."""

from otel_agent_replay.langgraph.saver import AgentReplaySaver

__all__ = ["AgentReplaySaver"]
