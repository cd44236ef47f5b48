"""A shop that is paid once, and what the store says of it."""

from __future__ import annotations

import otel_agent_replay
from otel_agent_replay import (
    current_idempotency_key,
    open_store,
    tool,
)


def newest(url: str):
    otel_agent_replay.flush()
    with open_store(url) as store:
        return store.load(store.runs()[0].run_id)


def states(url: str) -> dict[str, str]:
    """Return the state of each write of the newest run, by name."""
    otel_agent_replay.flush()
    with open_store(url) as store:
        return {e.name: e.state for e in store.writes(store.runs()[0].run_id)}


class Shop:
    """A tool that writes, and what really happened."""

    def __init__(self, **options: object) -> None:
        self.happened: list[tuple[str, int]] = []
        self.keys: list[str | None] = []
        self.failing: list[BaseException] = []
        options = {"idempotency_key": "order", **options}
        self.pay = tool(name="pay", effect="write", **options)(self._pay)

    def _pay(self, order: str, amount: int = 1) -> dict[str, object]:
        self.keys.append(current_idempotency_key())
        if self.failing:
            raise self.failing.pop()
        self.happened.append((order, amount))
        return {"order": order, "at": {amount}}
