"""What the recorder knows of a run while it goes on."""

from __future__ import annotations

import secrets
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from opentelemetry.trace import Span, SpanContext

from otel_agent_replay import semconv
from otel_agent_replay.capture.genai import Plain
from otel_agent_replay.lanes import Lane
from otel_agent_replay.model.payload import JsonObject, dump_json
from otel_agent_replay.model.run import ParentRun, PolicyId

__all__ = ["RunDefaults", "RunOrigin", "RunState"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDefaults:
    """What every run of this process has, unless the agent says otherwise."""

    agent_name: str = "agent"
    agent_version: str | None = None
    user: str | None = None
    conversation: str | None = None
    prompt_name: str | None = None
    prompt_version: str | None = None
    tags: tuple[str, ...] = ()
    run_class: Literal["", "test", "flagged"] = ""
    environment: JsonObject = field(default_factory=dict)
    policy: PolicyId

    def attributes(self) -> dict[str, Plain]:
        """Return them as span attributes."""
        found: dict[str, Plain | None] = {
            semconv.AGENT_VERSION: self.agent_version,
            semconv.USER_ID: self.user,
            semconv.CONVERSATION_ID: self.conversation,
            semconv.PROMPT_NAME: self.prompt_name,
            semconv.PROMPT_VERSION: self.prompt_version,
            semconv.RUN_TAGS: dump_json(list(self.tags)) if self.tags else None,
            semconv.RUN_ENVIRONMENT: dump_json(self.environment),
            semconv.POLICY_NAME: self.policy.name,
            semconv.POLICY_VERSION: self.policy.version,
        }
        return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOrigin:
    """Where the next run comes from.

    Attributes:
        run_id: The run to go on with; None starts a new one.
        parent_span: The span it hangs under: of the resumed run, or of the process
            that started this one.
        inherited: Whether this process is a child inside the run.
        parent: The run it was forked or replayed from.
        superseded: Span ids of steps that this part of the run makes again.
    """

    run_id: str | None = None
    parent_span: SpanContext | None = None
    inherited: bool = False
    parent: ParentRun | None = None
    superseded: tuple[str, ...] = ()


class RunState:
    """A run that goes on in this process; safe from any thread."""

    def __init__(self, run_id: str, *, agent_name: str) -> None:
        self.run_id = run_id
        self.agent_name = agent_name
        self.process_id = secrets.token_hex(8)
        """Under what its part in this process numbers its steps."""
        self.span: Span | None = None
        """What its calls hang under; None leaves it to the context."""
        self.root_id: int | None = None
        """Id of the span that its outermost steps are inside."""
        self.described: dict[str, Plain] = {}
        """What the agent said about the run while it went on."""
        self.failure: str | None = None
        self._count = 0
        self._lanes = 0
        self._children: Counter[str] = Counter()
        self._lock = threading.RLock()

    def next_sequence(self) -> int:
        """Number a step."""
        with self._lock:
            number = self._count
            self._count += 1
            return number

    def number_of(self, lane: Lane) -> int:
        """Return the number of a lane among those of the run in this process."""
        if lane.numbered_by != self.process_id:
            with self._lock:
                lane.number = self._lanes
                self._lanes += 1
            lane.numbered_by = self.process_id
        return lane.number

    def next_child(self, command: str) -> int:
        """Return how many child processes of this command were started before."""
        with self._lock:
            self._children[command] += 1
            return self._children[command] - 1

    @property
    def step_count(self) -> int:
        """How many steps this process has started in the run."""
        return self._count
