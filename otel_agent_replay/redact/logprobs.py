"""Log probabilities repeat an answer token by token, each with its likely rivals.

A secret in the answer is in them too, in pieces: the tokens are redacted as the
text they make, and beside a token that changes its bytes and rivals are blanked.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import NamedTuple, TypeAlias

from otel_agent_replay.model.payload import JsonValue
from otel_agent_replay.redact.edits import Edit, Edits, distributed

__all__ = [
    "TOKEN",
    "Change",
    "Changes",
    "Token",
    "TokenRuns",
    "is_tokens",
    "leaves",
    "resolve",
    "shadow",
]

Change: TypeAlias = Edits | str
"""Edits of a string, or the text that takes a number's place."""

Changes: TypeAlias = dict[int, Change]
"""Changes of a document by leaf: keys and scalars counted in document order."""

TOKEN = "token"  # noqa: S105 - a key of the wire format


class Token(NamedTuple):
    """A token of an answer: its leaf, its text, and what changes with it."""

    changes: Changes
    leaf: int
    text: str
    shadow: Changes


TokenRuns: TypeAlias = dict[Hashable, list[Token]]
"""The tokens of each answer, in order."""


def is_tokens(value: list[JsonValue]) -> bool:
    """Whether a list holds tokens with their log probabilities."""
    first = value[0] if value else None
    return (
        isinstance(first, dict)
        and isinstance(first.get(TOKEN), str)
        and ("logprob" in first or "logProbability" in first)
    )


def shadow(
    value: JsonValue, key: str | None, leaf: int
) -> Iterator[tuple[int, Change]]:
    """Yield what is blanked below a token: rivals and bytes; leaves are counted."""
    if isinstance(value, dict):
        for name, item in value.items():
            leaf += 1
            yield from shadow(item, name, leaf)
            leaf += leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from shadow(item, key, leaf)
            leaf += leaves(item)
    elif isinstance(value, str):
        if key == TOKEN and value:
            yield leaf, (Edit(0, len(value), ""),)
    elif key == "bytes" and value:
        yield leaf, "0"


def leaves(value: JsonValue) -> int:
    """Return how many keys and scalars a value has."""
    if isinstance(value, dict):
        return sum(1 + leaves(item) for item in value.values())
    if isinstance(value, list):
        return sum(leaves(item) for item in value)
    return 1


def resolve(runs: TokenRuns, edits_of: Callable[[str], Edits]) -> None:
    """Add what changes in the tokens of each run to their documents' changes."""
    for tokens in runs.values():
        edits = edits_of("".join(token.text for token in tokens))
        if not edits:
            continue
        shares = distributed(edits, [len(token.text) for token in tokens])
        for token, share in zip(tokens, shares, strict=True):
            if share:
                token.changes[token.leaf] = share
                token.changes.update(token.shadow)
