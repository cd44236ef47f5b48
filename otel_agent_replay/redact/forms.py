"""The forms that pseudonyms have, known by their look alone.

A recording may be replayed where another key is in use, so nothing here needs
the key. The numeric forms stand in ranges that nobody is ever given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from otel_agent_replay.redact.keys import KEY_PREFIX

__all__ = [
    "BASIC_PREFIX",
    "CARD_SHAPE",
    "JWT_HEADER",
    "KEY_END",
    "MARK",
    "UPPER_MARK",
    "is_pseudonym",
    "luhn_digit",
    "luhn_holds",
    "pseudonyms_in",
]

MARK: Final = "redacted"
KEY_END: Final = "x"
"""No hexadecimal digit: what follows a pseudonym is never taken for its end."""
UPPER_MARK: Final = "REDACT"
JWT_HEADER: Final = "eyJhbGciOiJub25lIiwidHlwIjoicmVkYWN0ZWQifQ"
"""`{"alg":"none","typ":"redacted"}` in Base64."""
BASIC_PREFIX: Final = "cmVkYWN0ZWQ6"
"""`redacted:` in Base64."""

CARD_SHAPE: Final = (
    r"[0-9]{13,19}|[0-9]{4}(?P<gap>[ -])"
    r"(?:[0-9]{4}(?P=gap)[0-9]{4}(?P=gap)[0-9]{4}|[0-9]{6}(?P=gap)[0-9]{4,5})"
)
"""Digits of a card: in one piece, 4-4-4-4, 4-6-5 or 4-6-4."""

_CARD: Final = (
    r"9999(?:\d{9,15}|(?P<gap>[ -])(?:\d{4}(?P=gap)\d{4}(?P=gap)\d{4}"
    r"|\d{6}(?P=gap)\d{4,5}))"
)
_NEWLINE: Final = r"(?:\\{0,8}[rn]|[\r\n]){0,4}"
_LABEL: Final = r"[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?"
_FORMS: Final = (
    rf"-----BEGIN {_LABEL}-----{_NEWLINE}{MARK}[0-9a-f]{{56}}{_NEWLINE}-----END {_LABEL}-----",
    rf"{JWT_HEADER}\.[A-Za-z0-9_-]{{52}}\.{MARK}",
    rf"{BASIC_PREFIX}[A-Za-z0-9+/]{{24}}",
    rf"user-[0-9a-f]{{16}}(?:@|%40){MARK}\.invalid",
    rf"{MARK}-[a-z0-9]{{1,24}}-[0-9a-f]{{16}}",
    rf"(?:{KEY_PREFIX})?{MARK}[0-9a-f]{{12,56}}{KEY_END}",
    rf"(?:AKIA|ASIA){UPPER_MARK}[A-Z2-7]{{10}}",
    r"(?:\+|%2B)999\d{12}",
    r"999999\d{12}",
    rf"(?P<card>{_CARD})",
    r"9\d\d-[0-4]\d-\d{4}",
    r"QQ\d{6}[A-D]",
    r"ZZ\d{22}",
    r"00000000-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}",
    r"100::[1-9a-f][0-9a-f]{3}(?::[1-9a-f][0-9a-f]{3}){3}",
    r"2(?:4\d|5[0-4])(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}",
    r"9991\d{11}",
)
_ANY: Final = re.compile("|".join(_FORMS))


def is_pseudonym(value: str) -> bool:
    """Whether a whole value has the form of a pseudonym."""
    found = _ANY.fullmatch(value)
    return found is not None and _valid(found)


def pseudonyms_in(text: str) -> Iterator[tuple[int, int]]:
    """Yield where pseudonyms stand in a text, in order."""
    for found in _ANY.finditer(text):
        if _valid(found):
            yield found.span()


def _valid(found: re.Match[str]) -> bool:
    card = found.group("card")
    return card is None or luhn_holds(card)


def luhn_holds(text: str) -> bool:
    """Whether the digits of a text pass the Luhn check."""
    digits = [int(sign) for sign in text if sign.isdigit()]
    return luhn_digit(digits[:-1]) == digits[-1]


def luhn_digit(digits: list[int]) -> int:
    """Return the digit that makes the digits before it pass the Luhn check."""
    doubled = (2 * digit for digit in reversed(digits[-1::-2]))
    others = digits[-2::-2]
    total = sum(value - 9 if value > 9 else value for value in doubled)  # noqa: PLR2004
    return -(total + sum(others)) % 10
