"""Texts that grow from step to step, in pieces; what is old is not made again.

A growing text is a head, elements, and a tail. Its recipe folds the elements as
they come: the last ones stand in the recipe, closed groups of them are contents,
and so on upwards. A text that goes on from an earlier one takes over its pieces and
its groups. Everything is immutable and pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from otel_agent_replay.model.payload import dump_json
from otel_agent_replay.model.recipe import (
    closes_group,
    content_item,
    content_key,
    literal_item,
    recipe_item,
)
from otel_agent_replay.model.split import SMALL

__all__ = ["GrowingText", "Piece", "folded", "piece_of"]

_FOLD_ABOVE: Final = 4


class Piece(NamedTuple):
    """A part of a text.

    Attributes:
        text: The part.
        items: What it is in a recipe.
        contents: The contents that these items name.
        recipes: The keys of those contents that are recipes: one, if it is folded.
    """

    text: str
    items: tuple[str, ...]
    contents: tuple[tuple[bytes, str], ...]
    recipes: tuple[bytes, ...] = ()


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
    recipes: tuple[bytes, ...] = ()
    if len(items) > _FOLD_ABOVE:
        text = dump_json([*items])
        key = content_key(text)
        items, contents = (recipe_item(key),), (*contents, (key, text))
        recipes = (key,)
    return Piece("".join([each.text for each in pieces]), items, contents, recipes)


_Levels: TypeAlias = tuple[tuple[str, ...], ...]
"""Items that no closed group holds yet, by level; those of level 0 come last."""

_EMPTY: Final[_Levels] = ((),)


# Not frozen: each step makes several, and that would make them four times as slow.
@dataclass(slots=True, eq=False)
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
        recipe: What stands in the row for it.
    """

    head: Piece
    elements: Sequence[Piece]
    tail: Piece
    kept: int
    new: tuple[tuple[bytes, str], ...]
    new_recipes: tuple[bytes, ...]
    states: Sequence[tuple[int, _Levels]]
    recipe: str

    def __str__(self) -> str:
        """Return the text."""
        elements = [each.text for each in self.elements]
        return "".join((self.head.text, *elements, self.tail.text))

    def __len__(self) -> int:
        """Return how many characters it has."""
        inner = self.states[-1][0] if self.states else 0
        return len(self.head.text) + inner + len(self.tail.text)

    def again(self) -> GrowingText:
        """Return the same text, as one that goes on from it and adds nothing."""
        if not self.new and self.kept == len(self.elements):
            return self
        return GrowingText(
            self.head,
            self.elements,
            self.tail,
            len(self.elements),
            (),
            (),
            self.states,
            self.recipe,
        )

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
        pieces: list[Piece] = []
        states: list[tuple[int, _Levels]] = []
        if before is not None:
            pieces += before.elements[:kept]
            states += before.states[:kept]
        if before is None or head is not before.head:
            new += head.contents
            new_recipes += head.recipes
        if before is None or tail is not before.tail:
            new += tail.contents
            new_recipes += tail.recipes
        size, levels = states[-1] if states else (0, _EMPTY)
        for piece in elements:
            size += len(piece.text)
            new += piece.contents
            new_recipes += piece.recipes
            for item in piece.items:
                levels = _pushed(levels, item, new, new_recipes)
            pieces.append(piece)
            states.append((size, levels))
        inner = [item for level in reversed(levels) for item in level]
        recipe = dump_json([*head.items, *inner, *tail.items])
        return cls(
            head, pieces, tail, kept, tuple(new), tuple(new_recipes), states, recipe
        )


def _pushed(
    levels: _Levels,
    item: str,
    new: list[tuple[bytes, str]],
    new_recipes: list[bytes],
) -> _Levels:
    """Return the items with one more; groups that it closes go one level up."""
    last = (*levels[0], item)
    if not closes_group(last):
        return (last, *levels[1:])
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
