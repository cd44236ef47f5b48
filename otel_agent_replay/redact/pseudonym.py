"""Keyed pseudonyms: what stands for a redacted value."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable
from typing import Final

from otel_agent_replay.redact.forms import (
    BASIC_PREFIX,
    JWT_HEADER,
    KEY_END,
    MARK,
    UPPER_MARK,
    luhn_digit,
)
from otel_agent_replay.redact.keys import KEY_PREFIX

__all__ = ["Pseudonymizer"]

_PREFIX: Final = re.compile(KEY_PREFIX)
_UPPER_PREFIXES: Final = ("AKIA", "ASIA")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PEM: Final = re.compile(r"(-----BEGIN ([A-Z0-9 ]*)-----)((?:\\+r)?(?:\\+n)|\r?\n)?")
_NO_DIGIT: Final = re.compile(r"\D")
_KEY_BODY: Final = (21, 64)
_MARKED: Final = len(MARK)


class Pseudonymizer:
    """Gives the pseudonym of a value: the same for equal values, under one key.

    A value's pseudonym keeps the shape that code may parse. How many bits tell
    two values apart depends on it: 64 for `secret`, `email`, `jwt` and kinds of
    your own; 88 for UUIDs; 48 or more for keys and private keys; 63 for IPv6, 73
    for IBANs. Shapes too small for 48: phone (40), number (40), card (26 to 36 by
    length), IPv4 (28), US SSN (26), UK NINO (22).
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._shapes: Final[dict[str, Callable[[bytes, str], str]]] = {
            "secret": _secret,
            "key": _key,
            "email": lambda digest, _: f"user-{digest.hex()[:16]}@{MARK}.invalid",
            "phone": lambda digest, _: f"+999{_digits(digest, 12)}",
            "card": _card,
            "ssn": _ssn,
            "nino": _nino,
            "iban": _iban,
            "ipv4": _ipv4,
            "ipv6": _ipv6,
            "uuid": _uuid,
            "jwt": _jwt,
            "basic": _basic,
            "pem": _pem,
        }

    def __call__(self, kind: str, value: str) -> str:
        """Return what stands for a value of a kind; any kind `[a-z0-9]+` will do."""
        shape = self._shapes.get(kind)
        # A card is its digits, however they are grouped.
        same = _NO_DIGIT.sub("", value) if kind == "card" else value
        digest = self._digest(kind, same)
        if shape is None:
            return f"{MARK}-{kind}-{digest.hex()[:16]}"
        return shape(digest, value)

    def number(self, kind: str, value: str) -> str:
        """Return what stands for a number: digits, in the range kept for it."""
        text = self(kind, value) if kind == "card" else ""
        if text.isdigit():
            return text
        digits = _digits(self._digest(kind, value), 12)
        return f"9991{digits[1:]}" if kind == "phone" else f"999999{digits}"

    def _digest(self, kind: str, value: str) -> bytes:
        content = f"{kind}\0{value}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, content, "sha256")


def _digits(digest: bytes, count: int) -> str:
    return str(int.from_bytes(digest) % 10**count).zfill(count)


def _secret(digest: bytes, value: str) -> str:
    if _UUID.fullmatch(value):
        return _uuid(digest, value)
    return f"{MARK}-secret-{digest.hex()[:16]}"


def _key(digest: bytes, value: str) -> str:
    """Keep the prefix that says whose key it is, and about the length."""
    found = _PREFIX.match(value)
    if found is None:
        return _secret(digest, value)
    prefix = found.group()
    if prefix in _UPPER_PREFIXES:
        return prefix + UPPER_MARK + base64.b32encode(digest).decode()[:10]
    least, most = _KEY_BODY
    size = min(max(len(value) - len(prefix), least), most)
    return prefix + MARK + digest.hex()[: size - _MARKED - 1] + KEY_END


def _card(digest: bytes, value: str) -> str:
    """Keep length and grouping."""
    count = sum(sign.isdigit() for sign in value)
    digits = [9, 9, 9, 9, *(int(sign) for sign in _digits(digest, count - 5))]
    left = iter([*digits, luhn_digit(digits)])
    return "".join(str(next(left)) if sign.isdigit() else sign for sign in value)


def _ssn(digest: bytes, _: str) -> str:
    """Area 9xx with group 00-49 is neither an SSN nor an ITIN."""
    text = _digits(digest, 8)
    return f"9{text[:2]}-{int(text[2]) % 5}{text[3]}-{text[4:]}"


def _nino(digest: bytes, _: str) -> str:
    """Prefix QQ is never given to anyone."""
    return f"QQ{_digits(digest, 6)}{'ABCD'[digest[0] % 4]}"


def _iban(digest: bytes, _: str) -> str:
    """ZZ is no country; the check digits are right."""
    account = _digits(digest, 20)
    check = 98 - int(f"{account}353500") % 97
    return f"ZZ{check:02}{account}"


def _ipv4(digest: bytes, _: str) -> str:
    """240.0.0.0/4 is reserved; 255 is left out, netmasks begin with it."""
    return f"{240 + digest[0] % 15}.{digest[1]}.{digest[2]}.{digest[3]}"


def _ipv6(digest: bytes, _: str) -> str:
    """100::/64 is for discarding (RFC 6666); no leading zeros, so it is canonical."""
    groups = (
        f"{1 + digest[2 * i] % 15:x}{digest[2 * i + 1]:02x}{digest[8 + i] % 16:x}"
        for i in range(4)
    )
    return f"100::{':'.join(groups)}"


def _uuid(digest: bytes, _: str) -> str:
    text = digest.hex()
    return f"00000000-{text[:4]}-8{text[4:7]}-8{text[7:10]}-{text[10:22]}"


def _jwt(digest: bytes, _: str) -> str:
    payload = f'{{"sub":"redacted-jwt-{digest.hex()[:16]}"}}'.encode()
    return f"{JWT_HEADER}.{base64.urlsafe_b64encode(payload).decode()}.{MARK}"


def _basic(digest: bytes, _: str) -> str:
    return BASIC_PREFIX + base64.b64encode(digest.hex()[:18].encode()).decode()


def _pem(digest: bytes, value: str) -> str:
    found = _PEM.match(value)
    if found is None:
        return f"{MARK}-pem-{digest.hex()[:16]}"
    begin, label, newline = found.group(1), found.group(2), found.group(3) or ""
    body = MARK + digest.hex()[:56]
    return f"{begin}{newline}{body}{newline}-----END {label}-----"
