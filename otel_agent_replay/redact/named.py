"""Built-in rules for what a name in the text says is secret: `password=…`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from otel_agent_replay.model.payload import parse_json
from otel_agent_replay.redact.names import SecretName, classify
from otel_agent_replay.redact.rules import Found, Gate, Rule
from otel_agent_replay.redact.shapes import SPACE

__all__ = ["NAMED_RULES"]

_CORE_WORDS: Final = (
    *("password", "passwd", "passphrase", "passcode", "pwd", "secret", "key", "token"),
    *("authorization", "credential", "connectionstring", "connection_string"),
    *("ssn", "cvv", "phone", "cardnumber", "card_number"),
)
_AFTER: Final = re.compile(
    r"s?(?:[_-]?(?:hash|confirmation|\d|number))?"
    r"(?:\\{0,8}[\"'])?(?P<sep>\s{0,4}(?:=>|:=|={1,2}|:)\s{0,4}|\s{1,4})",
    re.IGNORECASE,
)
_ASSIGNED: Final = re.compile(
    # Of more than one no name says anything, save of credentials. Where case does
    # not count, a regular expression takes a long s for one.
    rb"(?:(?<=(?i:credential))[sS]|\xc5\xbf)?"
    rb"[_-]?(?:(?i:hash|confirmation|number)|[0-9])?"
    rb"(?:\\[nrtfb]|[\s\x1c-\x1f\x80-\xff\"'\\])*[:=]",
)
"""What follows a name and ends in a sign, in UTF-8, also as JSON writes it."""
_FOLLOWS: Final = (*"_-hcn0\\\"':=\n", "\x7f")
"""What it begins with, or what a flag and its value have between them."""
_FLAG: Final = re.compile(rb"--[A-Za-z0-9_.-]*\Z")
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{0,48}$")
_OPEN: Final = re.compile(r"\\{0,8}[\"']")
_BARE: Final = re.compile(r"[^\s\"'`,;&<>(){}\[\]\\|]{1,4096}")
_GROUPS: Final = re.compile(r"[A-Z]{0,2}[0-9]{2,6}(?: [A-Z0-9]{1,6}){1,8}(?!\w)")
"""A number written in groups, such as a card's, is one value."""
_SCHEME: Final = re.compile(
    r"(?i)(?:bearer|basic|token|digest|negotiate|apikey|api-key|aws4-hmac-sha256)$",
)
_CODE: Final = re.compile(r"[A-Za-z_][A-Za-z]*(?:[_.][A-Za-z_]+)+|[A-Za-z]+://\S*")
_LETTERS: Final = re.compile(r"[^\W\d_]+")
_MORE_WORDS: Final = re.compile(r"[ \t]+[^\W\d_]|'[a-z]")
_LEAST: Final = 4
_AFTER_A_STRING: Final = (")", ",", ";", "]", "}", " ")
_LINE: Final = 400


class _Span(NamedTuple):
    start: int
    end: int


def _ends(text: str, words: Iterable[str]) -> list[tuple[int, int]]:
    """Return where words stand in a text, in order; `in` finds them fastest."""
    low = text.lower() if text.isascii() else _ascii_lower(text)
    found: list[tuple[int, int]] = []
    for word in words:
        at = low.find(word)
        while at >= 0:
            found.append((at, at + len(word)))
            at = low.find(word, at + len(word))
    return sorted(found)


def _ascii_lower(text: str) -> str:
    """Keep every other letter: a few have a lower case of another length."""
    raw = text.encode("utf-8", "surrogatepass")
    return raw.lower().decode("utf-8", "surrogatepass")


def _assignments(text: str) -> Iterator[Found]:
    """Find what is assigned to a secret name, quoted or bare."""
    done = 0
    for start, end in _ends(text, _CORE_WORDS):
        after = _AFTER.match(text, end) if start >= done else None
        if after is None:
            continue
        before = _NAME.search(text, max(0, start - 48), start)
        name = (before.group() if before else "") + text[start : after.start("sep")]
        found = _value(text, after, name.strip("\\\"'"))
        if found is not None:
            done = found.end
            yield found


def _value(text: str, after: re.Match[str], name: str) -> Found | None:
    meaning = classify(name)
    if meaning is None or (after["sep"].isspace() and not name.startswith("--")):
        return None
    opened = _OPEN.match(text, after.end())
    if opened is not None:
        return _quoted(text, opened, meaning)
    bare = _GROUPS.match(text, after.end()) or _BARE.match(text, after.end())
    if bare is None:
        return None
    span = _Span(bare.start(), bare.start() + len(bare.group().rstrip(".,:!?")))
    value = text[span.start : span.end]
    if not _is_value(text, span, ":" in after["sep"]) or not meaning.covers(value):
        return None
    return Found(*span, meaning.kind, value, named=True)


def _quoted(text: str, opened: re.Match[str], meaning: SecretName) -> Found | None:
    """Take a quoted value; without its closing quote, up to the end of the line."""
    quote, start = opened.group(), opened.end()
    end, at = -1, start
    while end < 0:
        at = text.find(quote, at)
        if at < 0:
            newline = text.find("\n", start)
            end = len(text) if newline < 0 else newline
        elif len(quote) == 1 and _escaped(text, start, at):
            at += 1
        else:
            end = at
    value = text[start:end]
    if value[:1] in _AFTER_A_STRING and _ends_a_string(text, opened):
        return None
    decoded = _decoded(value) if quote == '"' and "\\" in value else value
    if not value or not meaning.covers(decoded):
        return None
    if quote == '"':
        return Found(start, end, meaning.kind, decoded, "json", named=True)
    return Found(start, end, meaning.kind, value, named=True)


def _ends_a_string(text: str, quote: re.Match[str]) -> bool:
    """Whether a quote ends what began on its line, as in `input("Password: ")`."""
    at = quote.start()
    line = text.rfind("\n", max(0, at - _LINE), at) + 1
    return at - line < _LINE and text.count(quote.group(), line, at) % 2 == 1


def _escaped(text: str, start: int, at: int) -> bool:
    count = 0
    while at - count > start and text[at - count - 1] == "\\":
        count += 1
    return count % 2 == 1


def _decoded(value: str) -> str:
    try:
        decoded = parse_json(f'"{value}"')
    except ValueError:
        return value
    return decoded if isinstance(decoded, str) else value


def _is_value(text: str, span: _Span, colon: bool) -> bool:  # noqa: FBT001
    """Tell a value from code and from prose that goes on after a colon."""
    value, after = text[span.start : span.end], text[span.end : span.end + 12]
    if len(value) < _LEAST or after[:1] in {"(", "["} or value[0] in "$<%*-/":
        return False
    if _CODE.fullmatch(value) or _SCHEME.fullmatch(value) or classify(value):
        return False
    prose = colon and _LETTERS.fullmatch(value) is not None
    return not (prose and _MORE_WORDS.match(after))


_SAID_WORDS: Final = (
    *("password", "passphrase", "passcode", "api key", "api-key", "apikey"),
    *("access token", "secret"),
)
_PIN_WORDS: Final = ("pin", "pin code")
_SAID_SOMETHING: Final = re.compile(
    f"(?i:{'|'.join(_SAID_WORDS)}|pin(?: code)?)".encode()
    + SPACE
    + rb"+(?i:[iwe]|=|[\x80-\xff])",
)
_SAID: Final = re.compile(
    r"\s{1,3}(?:is|was|=|ist|est|es)[:\s]{1,4}[\"'`]?(?P<it>[^\s\"'`,;<>]{4,256})",
    re.IGNORECASE,
)


def _said(text: str, words: Iterable[str] = _SAID_WORDS) -> Iterator[Found]:
    """Find `my password is hunter2`: a value with a digit, so no word of prose."""
    for _, end in _ends(text, words):
        match = _SAID.match(text, end)
        if match is None:
            continue
        value = match["it"].rstrip(".,:!?)")
        start = match.start("it")
        digit = any(sign.isdigit() for sign in value)
        is_code = _CODE.fullmatch(value.partition("(")[0])
        if digit and len(value) >= _LEAST and not is_code:
            yield Found(start, start + len(value), "secret", value, named=True)


NAMED_RULES: Final[tuple[Rule, ...]] = (
    Rule(
        name="named-secret",
        kind="secret",
        definition=f"{_CORE_WORDS} {_AFTER.pattern} {_BARE.pattern} {_CODE.pattern}",
        find=_assignments,
        by_name=True,
        gate=Gate(
            (*_CORE_WORDS, "credentials"),
            after=_ASSIGNED,
            before=_FLAG,
            follow=_FOLLOWS,
        ),
    ),
    Rule(
        name="said-secret",
        kind="secret",
        definition=f"{_SAID_WORDS} {_SAID.pattern}",
        find=_said,
        by_name=True,
        gate=Gate(_SAID_WORDS, pattern=_SAID_SOMETHING),
    ),
    Rule(
        name="said-pin",
        kind="secret",
        definition=f"{_PIN_WORDS} {_SAID.pattern}",
        find=lambda text: _said(text, _PIN_WORDS),
        by_name=True,
        gate=Gate(_PIN_WORDS[:1], pattern=_SAID_SOMETHING),
    ),
)
