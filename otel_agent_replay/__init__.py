"""Record, store, replay, resume and fork AI agents out of OpenTelemetry alone."""

from otel_agent_replay._setup.bisecting import bisect
from otel_agent_replay._setup.configure import configure, describe_run, flush, shutdown
from otel_agent_replay._setup.exporter import AgentReplaySpanExporter
from otel_agent_replay._setup.recording import record
from otel_agent_replay._setup.replaying import fork, replay, resume
from otel_agent_replay._setup.stores import RunStore, open_store
from otel_agent_replay._version import __version__
from otel_agent_replay.errors import AgentReplayError, DivergenceError
from otel_agent_replay.instrument.functions import agent, memory, retrieval, step, tool
from otel_agent_replay.instrument.keyed import current_idempotency_key
from otel_agent_replay.instrument.moments import approval, checkpoint
from otel_agent_replay.replay.compare import compare

__all__ = [
    "AgentReplayError",
    "AgentReplaySpanExporter",
    "DivergenceError",
    "RunStore",
    "__version__",
    "agent",
    "approval",
    "bisect",
    "checkpoint",
    "compare",
    "configure",
    "current_idempotency_key",
    "describe_run",
    "flush",
    "fork",
    "memory",
    "open_store",
    "record",
    "replay",
    "resume",
    "retrieval",
    "shutdown",
    "step",
    "tool",
]
