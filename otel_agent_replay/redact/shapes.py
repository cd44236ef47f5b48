"""Built-in rules for what is secret by how it looks: keys, tokens, key blocks."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from typing import Final

from otel_agent_replay.redact.keys import KEY_SHAPES, KeyShape
from otel_agent_replay.redact.rules import Found, Gate, Rule

__all__ = ["PRIVATE_KEY_RULE", "SHAPE_RULES", "SPACE", "pattern_rule"]

SPACE: Final = rb"(?:[\s\x1c-\x1f\x80-\xff]|\\+[nrtfb])"
"""White space, also as JSON writes it; or a byte of anything beyond ASCII."""

_WORD: Final = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-",
)


def pattern_rule(
    name: str,
    kind: str,
    pattern: str,
    gate: Gate,
    accept: Callable[[str], bool] | None = None,
) -> Rule:
    """Return a built-in rule; its group `it`, where it has one, is the secret."""
    compiled = re.compile(pattern)
    group = "it" if "it" in compiled.groupindex else 0

    def find(text: str) -> Iterator[Found]:
        for match in compiled.finditer(text):
            start, end = match.span(group)
            value = text[start:end]
            if accept is None or accept(value):
                yield Found(start, end, kind, value)

    return Rule(name=name, kind=kind, definition=pattern, find=find, gate=gate)


def _key_rule(shape: KeyShape) -> Rule:
    """Return a rule that begins at its literals: `in` finds those fastest."""
    compiled = re.compile(f"(?:{shape.more}){shape.body}")
    starts = "|".join(re.escape(start) for start in shape.starts)

    def find(text: str) -> Iterator[Found]:
        for literal in shape.starts:
            at = text.find(literal)
            while at >= 0:
                rest = at + len(literal)
                match = None
                if at == 0 or text[at - 1] not in _WORD:
                    match = compiled.match(text, rest)
                if match is not None:
                    rest = match.end()
                    yield Found(at, rest, "key", text[at:rest])
                at = text.find(literal, rest)

    return Rule(
        name=shape.name,
        kind="key",
        definition=f"key {shape.starts} {compiled.pattern}",
        find=find,
        gate=Gate(
            shape.starts,
            # No longer than this: starts may come in a row.
            pattern=re.compile(f"(?:{starts})[A-Za-z0-9+/_.=-]{{10}}".encode()),
        ),
    )


_BEGIN: Final = "-----BEGIN "
_BEGIN_LINE: Final = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
)
_END: Final = "-----END "
_END_LINE: Final = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_CUT_OFF: Final = re.compile(r"[A-Za-z0-9+/=\s\\:,.-]*")


def _private_keys(text: str) -> Iterator[Found]:
    """Find key blocks; one that is cut off ends where its text no longer fits."""
    at = text.find(_BEGIN)
    while at >= 0:
        begin = _BEGIN_LINE.match(text, at)
        rest = at + len(_BEGIN)
        if begin is not None:
            rest = _block_end(text, begin.end())
            yield Found(at, rest, "pem", text[at:rest])
        at = text.find(_BEGIN, rest)


def _block_end(text: str, start: int) -> int:
    following = text.find(_BEGIN, start)
    limit = len(text) if following < 0 else following
    end = text.find(_END, start, limit)
    if end >= 0:
        line = _END_LINE.match(text, end)
        return line.end() if line else end + len(_END)
    rest = _CUT_OFF.match(text, start, limit)
    return rest.end() if rest else start


_BEARER: Final = re.compile(
    r"(?ai:\bbearer)(?:\s|%20|\+){1,4}(?P<it>[A-Za-z0-9._~+/-]{8,}=*)",
)
_BASIC: Final = re.compile(r"(?ai:\bbasic)\s{1,4}(?P<it>[A-Za-z0-9+/]{6,}={0,2})")
_BEARER_IN_BYTES: Final = re.compile(rb"(?i)bearer(?:" + SPACE + rb"|%20|\+)")
_BASIC_IN_BYTES: Final = re.compile(
    # Most often it is one space and a word.
    rb"(?: (?=[A-Za-z0-9+/])|(?! [A-Za-z0-9+/])"
    + SPACE
    + rb"{1,12})(?:[A-Za-z0-9+/]{4})*"
    + rb"(?:[A-Za-z0-9+/]{4}(?![A-Za-z0-9+/])"
    + rb"|[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)",
)
"""What by its length is no Base64 is a word."""
_LONG_ENOUGH_TO_BE_NO_WORD: Final = 24


def _bearers(text: str) -> Iterator[Found]:
    for match in _BEARER.finditer(text):
        start, end = match.span("it")
        value = text[start:end].rstrip(".")
        random = any(sign.isdigit() for sign in value)
        if random or len(value) >= _LONG_ENOUGH_TO_BE_NO_WORD:
            yield Found(start, start + len(value), "secret", value, named=True)


def _has_credentials(value: str) -> bool:
    try:
        return b":" in base64.b64decode(value, validate=True)
    except binascii.Error:
        return False


def _basics(text: str) -> Iterator[Found]:
    for match in _BASIC.finditer(text):
        start, end = match.span("it")
        if _has_credentials(text[start:end]):
            yield Found(start, end, "basic", text[start:end])


SHAPE_RULES: Final[tuple[Rule, ...]] = (
    *(_key_rule(shape) for shape in KEY_SHAPES),
    pattern_rule(
        "telegram-bot-token",
        "secret",
        r"(?<![\w-])(?:bot)?(?P<it>\d{8,10}:AA[A-Za-z0-9_-]{33})(?![A-Za-z0-9_-])",
        Gate((":AA",)),
    ),
    pattern_rule(
        "slack-webhook",
        "secret",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/(?P<it>[A-Za-z0-9/_-]{20,})",
        Gate(("hooks.slack.com/",)),
    ),
    pattern_rule(
        "azure-client-secret",
        "secret",
        r"(?<![\w~.-])[A-Za-z0-9_~.-]{3}[78]Q~[A-Za-z0-9_~.-]{31,34}(?![\w~-])",
        Gate(("Q~",)),
    ),
    pattern_rule(
        "twilio-key",
        "secret",
        r"SK(?<![A-Za-z0-9_-]SK)[0-9a-f]{32}(?![0-9A-Za-z])",
        Gate(
            ("SK0", "SKa", "SKb", "SKc", "SKd", "SKe", "SKf"),
            pattern=re.compile(rb"SK[0-9a-f]{32}"),
        ),
    ),
    pattern_rule(
        "jwt",
        "jwt",
        r"eyJ(?<![A-Za-z0-9_-]eyJ)[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"
        r"\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+){0,2}",
        Gate(("eyJ",), pattern=re.compile(rb"eyJ[A-Za-z0-9_-]{8}")),
    ),
    Rule(
        name="bearer-token",
        kind="secret",
        definition=_BEARER.pattern,
        find=_bearers,
        gate=Gate(("bearer",), pattern=_BEARER_IN_BYTES),
    ),
    Rule(
        name="basic-authentication",
        kind="basic",
        definition=_BASIC.pattern,
        find=_basics,
        gate=Gate(("basic",), after=_BASIC_IN_BYTES),
    ),
)

PRIVATE_KEY_RULE: Final = Rule(
    name="private-key",
    kind="pem",
    definition=_BEGIN_LINE.pattern + _CUT_OFF.pattern,
    find=_private_keys,
    gate=Gate((_BEGIN,)),
)
