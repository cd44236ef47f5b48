"""Texts that grow from step to step, in pieces; what is old is not made again.

A growing text is a head, elements, and a tail. Its recipe folds the elements as
they come: the last ones stand in the recipe, closed groups of them are contents,
and so on upwards. A text that goes on from an earlier one takes over its pieces and
its groups. Everything is immutable and pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from otel_agent_replay.model.payload import dump_json
from otel_agent_replay.model.recipe import (
    RECIPE,
    closes_group,
    content_item,
    content_key,
    literal_item,
    recipe_item,
)
from otel_agent_replay.model.split import SMALL

__all__ = ["GrowingText", "Piece", "folded", "piece_of"]

_FOLD_ABOVE: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A part of a text.

    Attributes:
        text: The part.
        items: What it is in a recipe.
        contents: The contents that these items name.
    """

    text: str
    items: tuple[str, ...]
    contents: tuple[tuple[bytes, str], ...]

    def recipes(self) -> list[bytes]:
        """Return the keys of those contents that are recipes: one, if it is folded."""
        if not self.items or not self.items[0].startswith(RECIPE):
            return []
        return [self.contents[-1][0]]


def piece_of(text: str) -> Piece:
    """Return a part of a text that is one content, or a literal if it is small."""
    if len(text) < SMALL:
        return Piece(text, (literal_item(text),), ())
    key = content_key(text)
    return Piece(text, (content_item(key),), ((key, text),))


def folded(pieces: Sequence[Piece]) -> Piece:
    """Return neighbours as one part, with few items."""
    items = tuple(item for each in pieces for item in each.items)
    contents = tuple(content for each in pieces for content in each.contents)
    if len(items) > _FOLD_ABOVE:
        text = dump_json([*items])
        key = content_key(text)
        items, contents = (recipe_item(key),), (*contents, (key, text))
    return Piece("".join([each.text for each in pieces]), items, contents)


_Levels: TypeAlias = tuple[tuple[str, ...], ...]
"""Items that no closed group holds yet, by level; those of level 0 come last."""

_EMPTY: Final[_Levels] = ((),)


@dataclass(frozen=True, slots=True, eq=False)
class GrowingText:
    """A text in pieces.

    Attributes:
        head: What comes before the elements.
        elements: Its elements, separators included.
        tail: What comes after them.
        kept: How many elements are those of the text it goes on from.
        new: Contents that the text it goes on from does not name.
        new_recipes: The keys of those that are recipes.
        states: For each element: the length up to it, and the items up to it.
    """

    head: Piece
    elements: Sequence[Piece]
    tail: Piece
    kept: int
    new: tuple[tuple[bytes, str], ...]
    new_recipes: tuple[bytes, ...]
    states: Sequence[tuple[int, _Levels]]

    def __str__(self) -> str:
        """Return the text."""
        elements = [each.text for each in self.elements]
        return "".join((self.head.text, *elements, self.tail.text))

    def __len__(self) -> int:
        """Return how many characters it has."""
        inner = self.states[-1][0] if self.states else 0
        return len(self.head.text) + inner + len(self.tail.text)

    @property
    def recipe(self) -> str:
        """What stands in the row for it."""
        levels = self.states[-1][1] if self.states else _EMPTY
        inner = [item for level in reversed(levels) for item in level]
        return dump_json([*self.head.items, *inner, *self.tail.items])

    @classmethod
    def after(
        cls,
        before: GrowingText | None,
        kept: int,
        head: Piece,
        elements: Iterable[Piece],
        tail: Piece,
    ) -> GrowingText:
        """Return a text that begins with `kept` elements of another and goes on."""
        new: list[tuple[bytes, str]] = []
        new_recipes: list[bytes] = []
        if before is None:
            pieces: list[Piece] = []
            states: list[tuple[int, _Levels]] = []
        else:
            pieces = list(before.elements[:kept])
            states = list(before.states[:kept])
        for end, old in (
            (head, before and before.head),
            (tail, before and before.tail),
        ):
            if end is not old:
                new += end.contents
                new_recipes += end.recipes()
        size, levels = states[-1] if states else (0, _EMPTY)
        for piece in elements:
            size += len(piece.text)
            new += piece.contents
            new_recipes += piece.recipes()
            for item in piece.items:
                levels = _pushed(levels, item, new, new_recipes)
            pieces.append(piece)
            states.append((size, levels))
        return cls(head, pieces, tail, kept, tuple(new), tuple(new_recipes), states)


def _pushed(
    levels: _Levels,
    item: str,
    new: list[tuple[bytes, str]],
    new_recipes: list[bytes],
) -> _Levels:
    """Return the items with one more; groups that it closes go one level up."""
    level = 0
    while True:
        open_items = (*levels[level], item) if level < len(levels) else (item,)
        if not closes_group(open_items):
            return (*levels[:level], open_items, *levels[level + 1 :])
        text = dump_json([*open_items])
        key = content_key(text)
        new.append((key, text))
        new_recipes.append(key)
        levels = (*levels[:level], (), *levels[level + 1 :])
        item = recipe_item(key)
        level += 1
