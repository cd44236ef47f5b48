"""This package as a tool of the battery."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import otel_agent_replay
from otel_agent_replay import agent, open_store, record, replay, tool
from otel_agent_replay.errors import AgentReplayError
from otel_agent_replay.model.payload import JsonValue
from otel_agent_replay.model.run import Run
from otel_agent_replay.testing.battery.judging import Act, Played
from otel_agent_replay.testing.battery.outside import Outside, World

__all__ = ["Ours"]

_EFFECTS: Final = ("clock", "random", "environment")


class Ours:
    """Records into a SQLite file of a folder; `close` ends it."""

    name = "otel-agent-replay"

    def __init__(self, folder: Path) -> None:
        """Take a folder for the store."""
        self._store = f"sqlite:///{folder}/battery.db"
        self._run: Run | None = None
        otel_agent_replay.configure(store=self._store)

    def world(self, outside: Outside) -> World:
        """Return what agents call, as tools."""

        @tool
        def look_up(name: str) -> JsonValue:
            return outside.look_up(name)

        @tool
        async def look_up_later(name: str) -> JsonValue:
            return await outside.look_up_later(name)

        def sub_agent(
            name: str, act: Callable[[str], JsonValue]
        ) -> Callable[[str], JsonValue]:
            @agent(name=name)
            def asking(question: str) -> JsonValue:
                return act(question)

            return asking

        return World(
            look_up=look_up,
            look_up_later=look_up_later,
            agent=sub_agent,
            client=outside.client,
        )

    def record(self, act: Act) -> JsonValue:
        """Record an agent, what it reads included."""
        with record(effects=_EFFECTS):
            value = agent(name="battery")(act)()
        otel_agent_replay.flush()
        with open_store(self._store) as store:
            self._run = store.load(store.runs()[0].run_id)
        return value

    def replay(self, act: Act) -> Played:
        """Replay it strictly."""
        if self._run is None:
            return Played(complaints=("nothing was recorded",))
        value: JsonValue = None
        try:
            with replay(self._run):
                value = agent(name="battery")(act)()
        except AgentReplayError as error:
            return Played(value=value, complaints=(str(error),))
        return Played(value=value)

    def close(self) -> None:
        """End recording."""
        otel_agent_replay.shutdown()
