"""Which contents a writer has brought to the store already."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from otel_agent_replay.model.content import PackedSpan

__all__ = ["Brought"]

_KEYS: Final = 1 << 17
"""About 16 MB; ten thousand steps have as many."""
_SCOPE_KEYS: Final = 4
"""What a scope takes besides its keys, in keys."""


class Brought:
    """Remembers, by scope, the contents that spans have brought along.

    Bounded; a scope that is forgotten brings its contents again, which costs room
    in a batch and nothing else. For one thread.
    """

    def __init__(self) -> None:
        self._scopes: OrderedDict[str, set[bytes]] = OrderedDict()
        """The one used last comes last."""
        self._keys = 0

    def new(self, scope: str, contents: Mapping[bytes, str]) -> dict[bytes, str]:
        """Return those contents that come for the first time in their scope."""
        known = self._scopes.get(scope)
        if known is None:
            known = self._scopes[scope] = set()
            self._keys += _SCOPE_KEYS
        made = {key: text for key, text in contents.items() if key not in known}
        known.update(made)
        self._keys += len(made)
        self._scopes.move_to_end(scope)
        while self._keys > _KEYS:
            self.forget(next(iter(self._scopes)))
        return made

    def without_known(self, packed: PackedSpan) -> PackedSpan:
        """Return a packed span with only those contents that are new."""
        contents = self.new(packed.scope, packed.contents)
        return PackedSpan(
            span=packed.span,
            scope=packed.scope,
            contents=contents,
            recipes=packed.recipes & contents.keys(),
        )

    def forget(self, scope: str | None) -> None:
        """Let the contents of a scope, or of all, come again."""
        if scope is None:
            self._scopes.clear()
            self._keys = 0
        elif scope in self._scopes:
            self._keys -= len(self._scopes.pop(scope)) + _SCOPE_KEYS
