"""Payloads stored once: attribute values become references to shared contents.

A value of 256 characters or more is cut by `split`, and each piece is a content,
stored under (scope, the beginning of its SHA-256). In the row the value becomes a *recipe*, and its key
gets the prefix `semconv.CONTENT_PREFIX`. A recipe is a JSON list of strings: `=`
and literal text, `#` and the name of a content, or `@` and the name of a content
that is itself a recipe. Long recipes are folded into such ones, so that a step
which repeats a long history adds little more than what is new in it.

A key that already has the prefix is always stored by reference, and so gets it
twice; a row's reader takes off exactly one. No value can be mistaken for a
reference, because only keys say what is one.

The scope is the run, so erasing a run erases whole scopes. Everything is pure,
but for `Packer`'s memory of hashes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import is_
from typing import Final, NamedTuple

from otel_agent_replay import semconv
from otel_agent_replay.model.payload import dump_json
from otel_agent_replay.model.pieces import GrowingText
from otel_agent_replay.model.reader import DamagedError, PayloadReader, items_of
from otel_agent_replay.model.recipe import (
    LITERAL,
    closes_group,
    content_item,
    content_key,
    key_in,
    literal_item,
    recipe_item,
)
from otel_agent_replay.model.span import Attributes, EventRecord, SpanRecord, storable
from otel_agent_replay.model.split import SMALL, split

__all__ = [
    "INLINE",
    "Contents",
    "PackedBatch",
    "PackedParts",
    "PackedSpan",
    "Packer",
    "Part",
    "content_key",
    "inline_texts",
    "literals",
    "reader_of",
    "scope_in",
    "scope_of",
    "trace_scope",
    "unpack",
]

INLINE: Final = 256
"""Characters below which a value stays in its row."""

Contents = Mapping[tuple[str, bytes], str]
"""Texts by scope and `content_key`."""

_FOLD_ABOVE: Final = 16
_ROW_BYTES: Final = 256
"""About what a row's ids, times and other short columns take."""
_MEMO_CHARACTERS: Final = 16 << 20
_MEMO_LONGEST: Final = 64 << 10
_OWN: Final = (semconv.CONTENT_PREFIX, semconv.SPAN_BYTES)
_CUT_FROM: Final = 4096
_UNIQUE: Final = frozenset(
    {
        semconv.HTTP_RESPONSE_BODY,
        semconv.HTTP_RESPONSE_HEADERS,
        semconv.OUTPUT_MESSAGES,
    }
)
"""What hardly comes again, in parts or whole: small ones are not worth cutting."""
# What run lists are made of stays where SQL can read it.
_LISTED: Final = frozenset(
    {
        semconv.AGENT_NAME,
        semconv.AGENT_VERSION,
        semconv.CONVERSATION_ID,
        semconv.USER_ID,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedSpan:
    """A span whose big values are recipes, and the contents these name.

    Attributes:
        span: The span; `unpack` makes the first one of it again.
        scope: The scope of its contents.
        contents: Contents by key: all that it names, or those of them that none of
            its packer's earlier spans has brought along.
        recipes: The keys of those contents that are recipes themselves.
    """

    span: SpanRecord
    scope: str
    contents: Mapping[bytes, str]
    recipes: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedBatch:
    """Packed spans that are written together, once.

    Attributes:
        token: Names the batch, whoever sends it and however often.
        spans: Its spans, in the order they ended in.
    """

    token: str
    spans: tuple[PackedSpan, ...]


class Part(NamedTuple):
    """An event to be packed; `grown` are more attributes of it."""

    name: str
    time_ns: int
    attributes: Attributes
    grown: Mapping[str, GrowingText]


class PackedParts(NamedTuple):
    """What packing changes of a span, and the contents that it names."""

    attributes: Attributes
    events: tuple[EventRecord, ...]
    contents: Mapping[bytes, str]
    recipes: frozenset[bytes]

    def of(self, span: SpanRecord) -> PackedSpan:
        """Return a span that has these parts, packed."""
        return PackedSpan(
            span=span,
            scope=scope_of(span),
            contents=self.contents,
            recipes=self.recipes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """The contents of a span, while they are being found."""

    contents: dict[bytes, str]
    recipes: set[bytes]


def scope_of(span: SpanRecord) -> str:
    """Return the scope of a span's contents: its run, else its trace."""
    return scope_in(span.attributes, span.trace_id)


def scope_in(attributes: Attributes, trace_id: str) -> str:
    """Return the scope of the contents that a span's attributes name."""
    run_id = storable(attributes.get(semconv.RUN_ID, ""))
    return run_id or trace_scope(trace_id)


def trace_scope(trace_id: str) -> str:
    """Return the scope of a trace's spans that belong to no run."""
    return f"trace/{trace_id}"


class Packer:
    """Packs spans. Remembers hashes of recent texts; safe from several threads."""

    def __init__(self) -> None:
        self._hashes: dict[str, bytes] = {}
        self._characters = 0

    def pack(self, span: SpanRecord) -> PackedSpan:
        """Return the span with its big values as recipes, and with its size."""
        parts = self.parts(
            len(span.name),
            span.attributes,
            [Part(e.name, e.time_ns, e.attributes, {}) for e in span.events],
        )
        packed = replace(span, attributes=parts.attributes, events=parts.events)
        return parts.of(packed)

    def parts(
        self, size: int, attributes: Attributes, events: Iterable[Part]
    ) -> PackedParts:
        """Return what packing changes of a span, whose name has so many characters."""
        contents: dict[bytes, str] = {}
        found = _Found(contents=contents, recipes=set())
        size += _ROW_BYTES + _size(attributes)
        made: list[EventRecord] = []
        for name, time_ns, values, grown in events:
            size += _size(values)
            packed = self._attributes(values, found)
            for key, text in grown.items():
                packed[semconv.CONTENT_PREFIX + key] = text.recipe
                contents.update(text.new)
                found.recipes.update(text.new_recipes)
                size += len(key) + len(text)
            made.append(EventRecord(name=name, time_ns=time_ns, attributes=packed))
        own = self._attributes(attributes, found)
        own[semconv.SPAN_BYTES] = str(size)
        return PackedParts(own, tuple(made), contents, frozenset(found.recipes))

    def _attributes(self, attributes: Attributes, found: _Found) -> dict[str, str]:
        if _is_all_small(attributes):
            return {**attributes}
        made: dict[str, str] = {}
        for key, value in attributes.items():
            # Most are so; what is small but not ASCII is seen to below.
            if len(value) < INLINE and value.isascii() and not key.startswith(_OWN):
                made[key] = value
            elif _is_big(key, value):
                unique = key in _UNIQUE and INLINE <= len(value) < _CUT_FROM
                recipe = _whole if unique else self._recipe
                made[semconv.CONTENT_PREFIX + key] = recipe(value, found)
            else:
                made[key] = value
        return made

    def _recipe(self, text: str, found: _Found) -> str:
        if not _is_utf8(text):
            return _literal(text)
        items: list[str] = []
        for piece in split(text):
            if len(piece) < SMALL:
                items.append(literal_item(piece))
            else:
                items.append(content_item(self._store(piece, found)))
        while len(items) > _FOLD_ABOVE:
            folded = [
                self._store(dump_json([*group]), found) for group in _groups(items)
            ]
            found.recipes.update(folded)
            items = [recipe_item(key) for key in folded]
        return dump_json([*items])

    def _store(self, text: str, found: _Found) -> bytes:
        """Add a content; return its key."""
        key = self._hashes.get(text)
        if key is None:
            key = content_key(text)
            self._remember(text, key)
        found.contents[key] = text
        return key

    def _remember(self, text: str, key: bytes) -> None:
        """Keep a hash: messages come again with every later step of a run.

        Threads may race here; the worst that comes of it is a hash made twice.
        """
        if len(text) > _MEMO_LONGEST:
            return
        if self._characters > _MEMO_CHARACTERS:
            self._hashes = {}
            self._characters = 0
        self._hashes[text] = key
        self._characters += len(text)


def _whole(text: str, found: _Found) -> str:
    """Return the recipe of a text that is one content, which nobody remembers."""
    if not _is_utf8(text):
        return _literal(text)
    key = content_key(text)
    found.contents[key] = text
    return dump_json([content_item(key)])


def _literal(text: str) -> str:
    # JSON escapes can hold a lone surrogate, a stored content cannot. Two that
    # belong together come back as the character they stand for.
    return dump_json([LITERAL + text])


def unpack(spans: Sequence[SpanRecord], contents: Contents) -> tuple[SpanRecord, ...]:
    """Return the spans with payloads inline.

    A payload of which a part is missing or damaged is left out, and its span then
    says so in `semconv.STEP_DROPPED`.
    """
    readers: dict[str, PayloadReader] = {}
    found = []
    for span in spans:
        scope = scope_of(span)
        reader = readers.get(scope)
        if reader is None:
            reader = readers[scope] = reader_of(scope, contents)
        found.append(_inline(span, reader))
    return tuple(found)


def reader_of(scope: str, contents: Contents) -> PayloadReader:
    """Return what puts the payloads of a scope together."""

    def find(item: str) -> str | None:
        """Return a content that is what its name says."""
        key = key_in(item)
        text = None if key is None else contents.get((scope, key))
        return text if text is not None and content_key(text) == key else None

    return PayloadReader(find)


def _inline(span: SpanRecord, reader: PayloadReader) -> SpanRecord:
    before = [event.attributes for event in span.events]
    attributes, events = reader.inline(span.attributes, before)
    if attributes is span.attributes and all(map(is_, events, before)):
        return span
    changed = tuple(
        EventRecord(name=event.name, time_ns=event.time_ns, attributes=values)
        for event, values in zip(span.events, events, strict=True)
    )
    return replace(span, attributes=attributes, events=changed)


def inline_texts(attributes: Attributes) -> Iterator[str]:
    """Yield the texts that stand in the row itself, literals of recipes included."""
    for key, value in attributes.items():
        if not key.startswith(semconv.CONTENT_PREFIX):
            yield value
            continue
        yield from literals(value)


def literals(recipe: str) -> Iterator[str]:
    """Yield the texts that stand in a recipe itself; none if it is damaged."""
    try:
        items = items_of(recipe)
    except DamagedError:
        return
    yield from (item[1:] for item in items if item.startswith(LITERAL))


def _groups(items: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield neighbours in groups, cut by their own hash.

    So a list that grows at its end, or loses its head, keeps its other groups.
    """
    start = 0
    for at in range(1, len(items) + 1):
        if closes_group(items[start:at]):
            yield items[start:at]
            start = at
    if start < len(items):
        yield items[start:]


def _size(attributes: Attributes) -> int:
    """Return about how many bytes attributes have, inline."""
    return sum(map(len, attributes)) + sum(map(len, attributes.values()))


def _is_all_small(attributes: Attributes) -> bool:
    """Whether all stays in the row as it is; asked at once, for most spans have many."""
    values = attributes.values()
    if not attributes or max(map(len, values)) >= INLINE:
        return not attributes
    names = "\n".join(attributes)
    return "".join(values).isascii() and not any(own in names for own in _OWN)


def _is_big(key: str, value: str) -> bool:
    if key == semconv.SPAN_BYTES:
        return True  # of another writer: the row's own takes its place
    if key in _LISTED or key.startswith(semconv.RUN_PREFIX):
        return False
    return (
        len(value) >= INLINE
        or key.startswith(semconv.CONTENT_PREFIX)
        or not _is_utf8(value)
    )


def _is_utf8(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
