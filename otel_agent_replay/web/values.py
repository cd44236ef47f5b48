"""Values, and where two of them differ, as HTML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Final

import orjson

from otel_agent_replay.cli.wording import count
from otel_agent_replay.model.divergence import FieldDifference
from otel_agent_replay.model.payload import JsonValue, dump_json
from otel_agent_replay.web.markup import Html, joined, tag

__all__ = ["fields_html", "value_text"]

_VALUE: Final = 4_000
_FIELDS: Final = 25
_FEW: Final = 40
_WORDS: Final = re.compile(r"\w+|\s+|[^\w\s]")
_LEAST_ALIKE: Final = 0.4


def value_text(value: JsonValue, limit: int = _VALUE) -> str:
    """Return text as it is, anything else as indented JSON; what is cut is said."""
    text = value if isinstance(value, str) else _indented(value)
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… ({len(text) - limit} more characters are left out)"


def _indented(value: JsonValue) -> str:
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    except TypeError:
        return dump_json(value)  # integers beyond 64 bits, lone surrogates


def fields_html(fields: Sequence[FieldDifference], limit: int = _FIELDS) -> Html:
    """Return each field that differs: where, what was, what is now."""
    more = len(fields) - limit
    left_out = (
        f"{count(more, 'more field')} differ and are left out." if more > 0 else ""
    )
    return joined(
        [
            *(_field(each) for each in fields[:limit]),
            tag("p", left_out, class_="note") if left_out else None,
        ]
    )


def _field(field: FieldDifference) -> Html:
    was, now = _sides(field)
    return tag(
        "dl",
        tag("dt", value_text(field.path or "value", 300)),
        tag("dd", was) if field.in_expected else None,
        tag("dd", now) if field.in_actual else None,
        class_="field",
    )


def _sides(field: FieldDifference) -> tuple[Html, Html]:
    was, now = value_text(field.expected), value_text(field.actual)
    both = field.in_expected and field.in_actual
    parts = _word_by_word(was, now) if both else None
    old, new = parts or (Html(joined([was])), Html(joined([now])))
    return tag("pre", old, class_="was"), tag("pre", new, class_="now")


def _word_by_word(was: str, now: str) -> tuple[Html, Html] | None:
    """Return both texts with what differs marked; None if that is most of them.

    Between what both begin and end with, words are told apart one by one only where
    they are few: that takes the square of their number.
    """
    old, new = _WORDS.findall(was), _WORDS.findall(now)
    first, last = _alike_at_the_ends(old, new)
    middle = old[first : len(old) - last], new[first : len(new) - last]
    few = max(map(len, middle)) <= _FEW
    matcher = SequenceMatcher(None, *middle, autojunk=False) if few else None
    inside = matcher.get_matching_blocks() if matcher else []
    equal = sum(map(len, (*old[:first], *old[len(old) - last :])))
    equal += sum(len("".join(middle[0][n : n + size])) for n, _, size in inside)
    if equal < _LEAST_ALIKE * len(was):
        return None
    whole = [("replace", 0, len(middle[0]), 0, len(middle[1]))]
    found = matcher.get_opcodes() if matcher else whole
    left = [_marked("del", middle[0][i:j], kind) for kind, i, j, _, _ in found]
    right = [_marked("ins", middle[1][k:m], kind) for kind, _, _, k, m in found]
    begin, end = "".join(old[:first]), "".join(old[len(old) - last :])
    return joined([begin, *left, end]), joined([begin, *right, end])


def _alike_at_the_ends(old: Sequence[str], new: Sequence[str]) -> tuple[int, int]:
    most = min(len(old), len(new))
    first = 0
    while first < most and old[first] == new[first]:
        first += 1
    last = 0
    while last < most - first and old[-last - 1] == new[-last - 1]:
        last += 1
    return first, last


def _marked(name: str, words: Sequence[str], kind: str) -> str:
    text = "".join(words)
    return text if kind == "equal" or not text.strip() else tag(name, text)
