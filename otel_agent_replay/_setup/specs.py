"""A session's description: what a process needs to open it, as JSON text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from otel_agent_replay.errors import ConfigurationError
from otel_agent_replay.model.payload import JsonObject, JsonValue, dump_json, parse_json
from otel_agent_replay.replay.plan import UNCHANGED, Changes, Mode

__all__ = ["SessionSpec"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSpec:
    """What to replay, resume or fork, and how.

    Attributes:
        mode: Which of the three.
        store: URL of the store that holds the run.
        run_id: The run.
        record: URL of the store that the session's own run goes to.
        directory: Where the processes of the session leave their logs.
        at, changes, allow_writes: As in `replay.plan.Plan`.
        allow_gaps: Whether a run with gaps may be replayed.
    """

    mode: Mode
    store: str
    run_id: str
    record: str
    directory: str
    at: int | None = None
    changes: Changes = field(default_factory=Changes)
    allow_writes: frozenset[str] = frozenset()
    allow_gaps: bool = False

    def dump(self) -> str:
        """Return it as JSON text."""
        changes = self.changes
        value: JsonObject = {
            "mode": self.mode,
            "store": self.store,
            "run_id": self.run_id,
            "record": self.record,
            "directory": self.directory,
            "at": self.at,
            "allow_writes": list[JsonValue](sorted(self.allow_writes)),
            "allow_gaps": self.allow_gaps,
            "state": dict(changes.state),
            "answer": changes.answer,
            "system": changes.system,
            "model": changes.model,
            "parameters": changes.parameters,
        }
        if changes.result is not UNCHANGED:
            value["result"] = cast("JsonValue", changes.result)
        return dump_json(value)

    @classmethod
    def load(cls, text: str) -> SessionSpec:
        """Return the description that a text holds.

        Raises:
            ConfigurationError: It holds none.
        """
        try:
            value = cast("JsonObject", parse_json(text))
            return cls(
                mode=cast("Mode", value["mode"]),
                store=cast("str", value["store"]),
                run_id=cast("str", value["run_id"]),
                record=cast("str", value["record"]),
                directory=cast("str", value["directory"]),
                at=cast("int | None", value["at"]),
                allow_writes=frozenset(cast("list[str]", value["allow_writes"])),
                allow_gaps=bool(value["allow_gaps"]),
                changes=Changes(
                    state=cast("JsonObject", value["state"]),
                    result=value.get("result", UNCHANGED),
                    answer=cast("str | None", value["answer"]),
                    system=cast("str | None", value["system"]),
                    model=cast("str | None", value["model"]),
                    parameters=cast("JsonObject", value["parameters"]),
                ),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(
                "AGENT_REPLAY_SESSION",
                f"is not what the launcher writes: {error}",
            ) from error
