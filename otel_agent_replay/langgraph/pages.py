"""A listing of checkpoints, page by page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import get_checkpoint_id

from otel_agent_replay.langgraph.reading import Head
from otel_agent_replay.store.states import StateFilter

__all__ = ["Pages"]

_PAGE: Final = 50


class Pages:
    """Which checkpoints are wanted, and how far a listing has come.

    Attributes:
        where: What the next page is.
        ended: Whether there is none.
    """

    def __init__(
        self,
        config: RunnableConfig | None,
        wanted: Mapping[str, Any] | None,
        before: RunnableConfig | None,
        limit: int | None,
    ) -> None:
        named = config["configurable"] if config else {}
        thread, namespace = named.get("thread_id"), named.get("checkpoint_ns")
        self._wanted = wanted or {}
        self._left = limit
        self.ended = limit is not None and limit <= 0
        self.where = StateFilter(
            thread=None if thread is None else str(thread),
            namespace=namespace,
            checkpoint_id=named.get("checkpoint_id"),
            before=get_checkpoint_id(before) if before else None,
            limit=_PAGE if limit is None or wanted else min(limit, _PAGE),
        )

    def fitting(self, heads: Sequence[Head]) -> list[Head]:
        """Return those of a page that are wanted, and go on to the next one."""
        found = [head for head in heads if self._fits(head)][: self._left]
        if self._left is not None:
            self._left -= len(found)
        self.ended = self._left == 0 or len(heads) != self.where.limit
        if heads:
            self.where = replace(self.where, after=heads[-1].saved)
        return found

    def _fits(self, head: Head) -> bool:
        about: Mapping[str, Any] = head.metadata
        return all(about.get(name) == value for name, value in self._wanted.items())
