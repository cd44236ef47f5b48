"""A look at a JSON document as a whole: what its texts alone do not tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from string import ascii_letters
from typing import Final

from otel_agent_replay.model.payload import JsonValue, parse_json
from otel_agent_replay.redact.gates import finder
from otel_agent_replay.redact.names import NAME_ENDS, classify

__all__ = [
    "LEAST_CARD",
    "LEAST_NUMBER",
    "OPENING",
    "Glance",
    "document_in",
    "has_escapes",
    "is_quiet",
    "looks_json",
    "loud_ones",
]

LEAST_NUMBER: Final = 1000
"""Smaller numbers are no secrets, whatever they are called."""
LEAST_CARD: Final = 10**12
"""Numbers from here on are searched as texts."""
_PECULIAR: Final = frozenset({"$type", "logprob", "logProbability"})
"""Keys of objects in which a text is not for itself: bytes, tokens of an answer."""
_FLAG: Final = "--"
_BETWEEN: Final = "\0"
_SMALL: Final = bytes(range(256)).lower()
_NO_LETTERS: Final = bytes(
    code for code in range(256) if chr(code) not in ascii_letters + ":\0"
)
_telling_keys: Final = finder(
    [f"{name}:".encode() for name in sorted(NAME_ENDS | {"value"})]
    + [f"{name.lower()}:".encode() for name in sorted(_PECULIAR - {"$type"})],
)
_CONTAINERS: Final = frozenset({dict, list})
_HARMLESS: Final = frozenset({float, bool, type(None)})
OPENING: Final = frozenset(
    {"{", "[", "\ufeff"} | {chr(c) for c in range(0x3001) if chr(c).isspace()},
)
"""What a JSON object or list may begin with."""
_MARKS: Final = OPENING | {_FLAG[0]}


class Glance:
    """What a JSON document holds besides texts that are each for itself.

    Attributes:
        plain: False if a value has to be looked at where it stands.
        keys: How many keys there are.
        names: Texts that say, or are told by a name, what a value is.
        inner: Texts that may be documents themselves.
        large: Numbers that are searched as texts.
    """

    def __init__(self, value: JsonValue, *, names: bool) -> None:
        """Look at a document; `names` is whether names say what is secret."""
        self.plain = True
        self.keys = 0
        self.names: set[str] = set()
        self.inner: list[str] = []
        self.large: list[str] = []
        objects = self._take(value)
        telling = {name for name in self.names if not _is_mute(name)}
        if telling:
            self.plain = self.plain and _PECULIAR.isdisjoint(telling)
            if names:
                self._take_names(objects, telling)

    def _take(self, value: JsonValue) -> list[Mapping[str, JsonValue]]:
        """Take in all but what names say; return all objects. Most time goes here."""
        objects: list[Mapping[str, JsonValue]] = []
        todo: list[JsonValue] = [value]
        for each in todo:
            if isinstance(each, dict):
                objects.append(each)
                self._take_items(each.values(), todo)
            elif isinstance(each, list):
                self._take_items(each, todo, in_list=True)
            else:
                self._take_items((each,), todo)
        self.keys = sum(map(len, objects))
        self.names.update(*objects)
        return objects

    def _take_items(
        self,
        items: Iterable[JsonValue],
        todo: list[JsonValue],
        *,
        in_list: bool = False,
    ) -> None:
        for item in items:
            if isinstance(item, str):
                if item[:1] in _MARKS:
                    self._take_text(item, in_list=in_list)
            elif item.__class__ in _CONTAINERS:
                todo.append(item)
            elif item.__class__ not in _HARMLESS:
                self._take_number(item)

    def _take_text(self, text: str, *, in_list: bool) -> None:
        if text[:1] in OPENING:
            self.inner.append(text)
        elif in_list and text[:2] == _FLAG:
            self.plain = False

    def _take_number(self, value: JsonValue) -> None:
        if value.__class__ is not int:
            self.plain = False
        elif isinstance(value, int) and value >= LEAST_CARD:
            self.large.append(str(value))

    def _take_names(
        self, objects: Iterable[Mapping[str, JsonValue]], telling: AbstractSet[str]
    ) -> None:
        for each in objects:
            if not self.plain:
                break
            if not telling.isdisjoint(each):
                for name, value in self._members(each):
                    self._take_below(name, value)

    def _take_below(self, name: str, value: JsonValue) -> None:
        """Take in what stands under a name, also as an item of a list."""
        todo = [value]
        for each in todo:
            if isinstance(each, list):
                todo += each
            else:
                self._take_named(name, each)

    def _members(
        self, value: Mapping[str, JsonValue]
    ) -> Iterable[tuple[str, JsonValue]]:
        called = value.get("name", value.get("key")) if "value" in value else None
        if not isinstance(called, str):
            return value.items()
        self.names.add(called)
        # `{"name": "password", "value": …}` names its value.
        return [(called if k == "value" else k, item) for k, item in value.items()]

    def _take_named(self, name: str, value: JsonValue) -> None:
        if isinstance(value, str) or (isinstance(value, int) and value >= LEAST_NUMBER):
            meaning = classify(name)
            if meaning is not None:
                text = str(value)
                self.names.add(text)
                self.plain = self.plain and not meaning.covers(text)


@lru_cache(maxsize=4096)
def _is_mute(name: str) -> bool:
    """Whether a name says nothing of its value."""
    return name != "value" and name not in _PECULIAR and classify(name) is None


def is_quiet(text: str) -> bool:
    """Whether in a text, if it is JSON, all is plain and no name says anything.

    The text is not marked, see `gates`; large numbers it leaves to others. Never
    wrong where it says yes.
    """
    if "\\" in text:
        if "\\\\" in text:
            # Escapes in escapes: what a letter is depends on who reads it.
            return False
        # Most are quotes: a piece for each of them takes longer than all else here.
        pieces = text.replace('\\"', "").split("\\")
        text = pieces[0] + "".join([piece[1:] for piece in pieces[1:]])
    return next(_tellings(text), None) is None


def loud_ones(texts: Sequence[str]) -> Iterable[str]:
    """Return those of some texts that are not quiet, in no order."""
    joined = _BETWEEN.join(texts)
    if joined.count(_BETWEEN) >= max(1, len(texts)):
        return texts
    if "\\" in joined:
        plain = [each for each in texts if "\\" not in each]
        return [*(each for each in texts if "\\" in each), *loud_ones(plain)]
    return {texts[number] for number in _tellings(joined)}


def _tellings(text: str) -> Iterator[int]:
    """Yield in which of some joined texts a name may say something."""
    letters = text.encode("utf-8", "replace").translate(_SMALL, _NO_LETTERS)
    for _, start, _ in _telling_keys(letters, overlapping=False):
        yield letters.count(_BETWEEN.encode(), 0, start)


def looks_json(text: str) -> bool:
    """Whether a text may be a JSON object or list."""
    first = text[:1]
    if first not in {"{", "["}:
        if not first.isspace() and first != "\ufeff":
            return False
        first = text.lstrip()[:1]
        if first not in {"{", "["}:
            return False
    return text.rstrip()[-1:] in {"}", "]"}


def has_escapes(text: str) -> bool:
    """Whether JSON text may write letters, digits and signs as something else."""
    return "\\u" in text or "\\/" in text


def document_in(text: str) -> JsonValue:
    """Return the JSON object or list that a text is, or None."""
    if not looks_json(text):
        return None
    try:
        value = parse_json(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, (dict, list)) else None
