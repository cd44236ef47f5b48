"""What the store has of each run's conversations, so that it need not come again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import is_
from typing import Final, NamedTuple, TypeAlias

from otel_agent_replay.model.messages import Message
from otel_agent_replay.model.payload import Headers, JsonObject
from otel_agent_replay.model.pieces import GrowingText, Piece, piece_of
from otel_agent_replay.redact.growing import GrowingBody

__all__ = ["Conversations", "Listable", "Listed", "Said"]

Listable: TypeAlias = "JsonObject | Message | Headers"
"""What goes into the texts of a model call one by one: tools, messages, headers."""
_BESIDE: Final = 4
"""Conversations of one run that take turns: sub-agents."""
_BYTES: Final = 32 << 20
_OPENED: Final = piece_of("[")
_CLOSED: Final = piece_of("]")


class Listed(NamedTuple):
    """A list, and its JSON text in pieces."""

    values: tuple[Listable, ...]
    text: GrowingText

    @classmethod
    def after(
        cls,
        before: Listed | None,
        values: tuple[Listable, ...],
        write: Callable[[Listable], str],
        same: Callable[[Listable, Listable], bool],
    ) -> Listed:
        """Return a list that begins as another one, as far as it does.

        What stands at the same place in both is not written again.

        Raises:
            TypeError: `write` did.
        """
        if before is None:
            pieces = [_piece(write, *each) for each in enumerate(values)]
            text = GrowingText.after(None, 0, _OPENED, pieces, _CLOSED)
            return cls(values, text)
        if values is before.values:
            return cls(values, before.text.again())
        kept = _kept(before.values, values, same)
        old, written = before.values, before.text.elements
        if kept == len(old) == len(values):
            return cls(values, before.text.again())
        pieces = [
            written[number]
            if number < len(old) and same(old[number], each)
            else _piece(write, number, each)
            for number, each in enumerate(values[kept:], kept)
        ]
        text = GrowingText.after(before.text, kept, _OPENED, pieces, _CLOSED)
        return cls(values, text)


def _piece(write: Callable[[Listable], str], number: int, value: Listable) -> Piece:
    return piece_of(f",{write(value)}" if number else write(value))


def _kept(
    before: Sequence[Listable],
    values: Sequence[Listable],
    same: Callable[[Listable, Listable], bool],
) -> int:
    # Most are the very same: they are counted without a step of Python for each.
    alike = [*map(is_, before, values)]
    kept = alike.index(False) if False in alike else len(alike)
    for old, new in zip(before[kept:], values[kept:], strict=False):
        if old is not new and not same(old, new):
            break
        kept += 1
    return kept


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """A request and its reading, as they were stored."""

    body: GrowingBody
    listed: Mapping[str, Listed] = field(default_factory=dict)


class Conversations:
    """Remembers, by scope, the latest requests; bounded. For one thread."""

    def __init__(self) -> None:
        self._scopes: OrderedDict[str, list[Said]] = OrderedDict()
        self._bytes = 0

    def latest(self, scope: str) -> Sequence[Said]:
        """Return the latest requests of a scope, the newest first."""
        return self._scopes.get(scope, ())

    def keep(self, scope: str, said: Said, before: Said | None) -> None:
        """Remember a request, instead of the one that it goes on from."""
        kept = self._scopes.setdefault(scope, [])
        self._scopes.move_to_end(scope)
        if before in kept and said.body.goes_on_from(before.body):
            kept.remove(before)
            self._bytes -= len(before.body.raw)
        elif len(kept) >= _BESIDE:
            self._bytes -= len(kept.pop().body.raw)
        kept.insert(0, said)
        self._bytes += len(said.body.raw)
        while self._bytes > _BYTES and len(self._scopes) > 1:
            self.forget(next(iter(self._scopes)))

    def forget(self, scope: str | None) -> None:
        """Forget a scope, or all."""
        if scope is None:
            self._scopes.clear()
            self._bytes = 0
            return
        for each in self._scopes.pop(scope, ()):
            self._bytes -= len(each.body.raw)
