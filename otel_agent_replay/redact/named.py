"""Built-in rules for what a name in the text says is secret: `password=…`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from otel_agent_replay.model.payload import parse_json
from otel_agent_replay.redact.names import SecretName, classify
from otel_agent_replay.redact.rules import Found, Gate, Rule

__all__ = ["NAMED_RULES"]

_CORE: Final = re.compile(
    r"(?i)(?:passw(?:or)?d|passphrase|passcode|pwd|secret|key|token|authorization"
    r"|credentials?|connection[_-]?string|ssn|cvv|phone|card[_-]?number)"
    r"(?:[_-]?(?:hash|confirmation|\d|number))?"
    r"(?:\\{0,8}[\"'])?(?P<sep>\s{0,4}(?:=>|:=|={1,2}|:)\s{0,4}|\s{1,4})",
)
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{0,48}$")
_OPEN: Final = re.compile(r"\\{0,8}[\"']")
_BARE: Final = re.compile(r"[^\s\"'`,;&<>(){}\[\]\\|]{1,4096}")
_SCHEME: Final = re.compile(
    r"(?i)(?:bearer|basic|token|digest|negotiate|apikey|api-key|aws4-hmac-sha256)$",
)
_CODE: Final = re.compile(r"[A-Za-z_][A-Za-z]*(?:[_.][A-Za-z_]+)+|[A-Za-z]+://\S*")
_LETTERS: Final = re.compile(r"[^\W\d_]+")
_MORE_WORDS: Final = re.compile(r"[ \t]+[^\W\d_]|'[a-z]")
_LEAST: Final = 4


class _Span(NamedTuple):
    start: int
    end: int


def _assignments(text: str) -> Iterator[Found]:
    """Find what is assigned to a secret name, quoted or bare."""
    at = 0
    while (core := _CORE.search(text, at)) is not None:
        at = core.end()
        before = _NAME.search(text, max(0, core.start() - 48), core.start())
        name = (before.group() if before else "") + core.group()[: -len(core["sep"])]
        found = _value(text, core, name.strip("\\\"'"))
        if found is not None:
            at = max(at, found.end)
            yield found


def _value(text: str, core: re.Match[str], name: str) -> Found | None:
    meaning = classify(name)
    if meaning is None or (core["sep"].isspace() and not name.startswith("--")):
        return None
    opened = _OPEN.match(text, core.end())
    if opened is not None:
        return _quoted(text, opened, meaning)
    bare = _BARE.match(text, core.end())
    if bare is None:
        return None
    span = _Span(bare.start(), bare.start() + len(bare.group().rstrip(".,:!?")))
    value = text[span.start : span.end]
    if not _is_value(text, span, ":" in core["sep"]) or not meaning.covers(value):
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
    decoded = _decoded(value) if quote == '"' and "\\" in value else value
    if not value or not meaning.covers(decoded):
        return None
    if quote == '"':
        return Found(start, end, meaning.kind, decoded, "json", named=True)
    return Found(start, end, meaning.kind, value, named=True)


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


_SAID: Final = re.compile(
    r"(?i)(?:password|passphrase|passcode|api[ -]?key|access token|pin(?: code)?|secret)"
    r"\s{1,3}(?:is|was|=|ist|est|es)[:\s]{1,4}[\"'`]?(?P<it>[^\s\"'`,;<>]{4,256})",
)


def _said(text: str) -> Iterator[Found]:
    """Find `my password is hunter2`: a value with a digit, so no word of prose."""
    for match in _SAID.finditer(text):
        value = match["it"].rstrip(".,:!?)")
        start = match.start("it")
        digit = any(sign.isdigit() for sign in value)
        if digit and len(value) >= _LEAST and not _CODE.fullmatch(value):
            yield Found(start, start + len(value), "secret", value, named=True)


def _words(*lines: str) -> tuple[str, ...]:
    return tuple(" ".join(lines).split())


NAMED_RULES: Final[tuple[Rule, ...]] = (
    Rule(
        name="named-secret",
        kind="secret",
        definition=_CORE.pattern + _BARE.pattern + _CODE.pattern,
        find=_assignments,
        gate=Gate(
            _words(
                "passw passphrase passcode pwd secret key token authorization",
                "credential string ssn cvv phone number",
            ),
            "lower",
        ),
    ),
    Rule(
        name="said-secret",
        kind="secret",
        definition=_SAID.pattern,
        find=_said,
        gate=Gate(
            _words("password passphrase passcode key token pin secret"),
            "lower",
        ),
    ),
)
