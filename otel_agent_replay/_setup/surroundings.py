"""What surrounds the agent in a session: its clock, its other reads, its network."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from otel_agent_replay._setup import effects
from otel_agent_replay._setup.network import closed_network
from otel_agent_replay._setup.specs import SessionSpec
from otel_agent_replay.model.run import Run
from otel_agent_replay.replay.replayer import Replayer

__all__ = ["surround"]


@contextmanager
def surround(run: Run, spec: SessionSpec, replayer: Replayer) -> Generator[None]:
    """Answer the reads that a run has; in a replay, let nothing out."""
    is_replay = spec.mode == "replay"
    stands = is_replay and spec.clock == "recorded"
    closed: AbstractContextManager[None] = nullcontext()
    if is_replay:
        closed = closed_network(replayer, spec.network, spec.live)
    answering = effects.for_session(run, replayer, is_replay=is_replay, stands=stands)
    with answering, closed:
        yield
