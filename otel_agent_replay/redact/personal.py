"""Built-in rules for what points at a person: e-mail, phone, card, ids, addresses."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from itertools import product
from string import ascii_uppercase
from typing import Final

from otel_agent_replay.redact.forms import CARD_SHAPE, luhn_holds
from otel_agent_replay.redact.rules import Found, Gate, Rule
from otel_agent_replay.redact.shapes import pattern_rule

__all__ = ["PERSONAL_RULES"]

_LOCAL_PART: Final = 64
_LOCAL: Final = re.compile(r"[\w.$%+}~-]*")
"""Without the signs that stand around an address in text or markup."""
_LOCAL_EDGE: Final = ".$%+-}~"
_DOMAIN: Final = re.compile(
    r"(?:[^\W_][\w-]{0,62}\.){1,8}(?P<top>[^\W\d_]{2,24})(?![\w-])",
)
_AT_A_DOMAIN: Final = re.compile(rb"@[A-Za-z0-9\x80-\xff][\w\x80-\xff-]*\.")
_FILE_ENDINGS: Final = frozenset(
    {"png", "jpg", "jpeg", "gif", "svg", "webp", "ico", "css", "js", "ts", "tsx"}
    | {"json", "html", "md", "txt", "yml", "yaml", "lock", "toml", "whl", "tgz"},
)


def _emails(text: str) -> Iterator[Found]:
    """Find addresses from their `@`: both ways from there is linear."""
    done = 0
    at = text.find("@")
    while at >= 0:
        domain = _DOMAIN.match(text, at + 1)
        start = _local_start(text, at, done) if domain else at
        if domain and start < at and _is_address(text, start, at, domain):
            done = domain.end()
            yield Found(start, done, "email", text[start:done])
        at = text.find("@", max(at + 1, done))


def _local_start(text: str, at: int, stop: int) -> int:
    before = text[max(stop, at - _LOCAL_PART) : at]
    backwards = _LOCAL.match(before[::-1])
    local = before[len(before) - backwards.end() :] if backwards else ""
    return at - len(local.lstrip(_LOCAL_EDGE))


def _is_address(text: str, start: int, at: int, domain: re.Match[str]) -> bool:
    if domain["top"].lower() in _FILE_ENDINGS:
        return False
    # `git@host.com:owner/name` names a repository, not a person.
    return not (text[start:at] == "git" and text[domain.end() :][:1] in {":", "/"})


_PHONE: Final = (
    r"(?<![\w+.-])(?:"
    r"\+(?!999)[1-9][0-9]{7,14}"
    r"|\+(?!999)[1-9][0-9]{0,2}[ .-]?(?:\([0-9]{1,4}\)[ .-]?)?[0-9]{1,4}(?:[ .-][0-9]{2,4}){1,5}"
    r"|(?:1[ .-])?(?:\([2-9][0-9][0-9]\) ?|[2-9][0-9][0-9][.-])[2-9][0-9][0-9][ .-][0-9]{4}"
    r"|(?<![0-9] )(?:1 )?[2-9][0-9][0-9] [2-9][0-9][0-9] [0-9]{4}(?! ?[0-9])"
    r"|(?<![0-9] )0[1-9](?P<s>[ .-])[0-9][0-9](?P=s)[0-9][0-9](?P=s)[0-9][0-9](?P=s)[0-9][0-9]"
    r"|(?<![0-9] )07[0-9]{3} [0-9]{6}"
    r"|(?<![0-9] )020 [0-9]{4} [0-9]{4}"
    r")(?![\w+]|[.-][0-9])"
)
_EIGHT_AFTER_PLUS: Final = re.compile(rb"\+[0-9](?:[ .()-]{0,2}[0-9]){7}|[0-9]")
_PHONE_DIGITS: Final = (8, 15)


def _is_phone(value: str) -> bool:
    least, most = _PHONE_DIGITS
    return least <= sum(sign.isdigit() for sign in value) <= most


_ISSUED: Final = re.compile(
    r"4[0-9]{12}(?:[0-9]{3})?|3[47][0-9]{13}"
    r"|(?=5[1-5]|2(?:2[2-9]|[3-6]|7[01]|720)|35(?:2[89]|[3-8]))[0-9]{16}"
    # Times in nanoseconds and long ids have 17 and more digits; other cards rarely do.
    r"|(?=6(?:011|5|4[4-9]|2))[0-9]{16,19}|(?=3(?:0[0-5]|[68]))[0-9]{14,16}",
)
"""Digits that an issuer's cards begin with, and how many those have."""


def _is_card(value: str) -> bool:
    digits = value.replace(" ", "").replace("-", "")
    return _ISSUED.fullmatch(digits) is not None and luhn_holds(digits)


_THIRTEEN_DIGITS: Final = re.compile(
    rb"(?<![.+])[0-9]{13,19}(?![0-9])|[0-9]{4}[ -][0-9]{4}",
)
_EIGHT_DIGITS: Final = re.compile(r"[0-9]{4} ?[0-9]{4}")
"""Every country's accounts have them; reservation codes in a row do not."""


def _is_iban(value: str) -> bool:
    text = value.replace(" ", "")
    if not 15 <= len(text) <= 34 or text.startswith("ZZ"):  # noqa: PLR2004
        return False
    if not _EIGHT_DIGITS.search(value):
        return False
    return int("".join(str(int(sign, 36)) for sign in text[4:] + text[:4])) % 97 == 1


def _is_cpf(value: str) -> bool:
    digits = [int(sign) for sign in value if sign.isdigit()]
    return digits[9] == _cpf_digit(digits[:9]) and digits[10] == _cpf_digit(digits[:10])


def _cpf_digit(digits: list[int]) -> int:
    weights = range(len(digits) + 1, 1, -1)
    total = sum(d * w for d, w in zip(digits, weights, strict=True))
    return total * 10 % 11 % 10


_QUAD: Final = re.compile(
    r"(?<![\w.+])(?<![A-Za-z]-)[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}"
    r"(?![\w+]|\.\w|-[A-Za-z])",
)
_VERSION_BEFORE: Final = re.compile(
    r"(?:(?i:version|release|build|ver|rev|v|section|chapter|clause)\W{0,3}|(?:[=~<>!]=|[~^])\s?|[A-Z][A-Za-z]*/)$",
)


def _ipv4_addresses(text: str) -> Iterator[Found]:
    for match in _QUAD.finditer(text):
        value = match.group()
        before = text[max(0, match.start() - 24) : match.start()]
        if _is_public_ipv4(value) and not _VERSION_BEFORE.search(before):
            yield Found(match.start(), match.end(), "ipv4", value)


def _is_public_ipv4(value: str) -> bool:
    """Leave what points at nobody: private, loopback, `1.2.3.4`, netmasks.

    Four single digits are a version, a section or a public resolver. The ranges
    kept for documentation count as public.
    """
    parts = value.split(".")
    if all(len(part) == 1 for part in parts):
        return False
    try:
        address = ipaddress.IPv4Address(value)
    except ValueError:
        return False
    first, second = int(parts[0]), int(parts[1])
    kept = first in {0, 10, 127} or first >= 224  # noqa: PLR2004
    kept = kept or (first, second) in {(192, 168), (169, 254)}
    return not kept and not (first == 172 and address in _PRIVATE_172)  # noqa: PLR2004


_PRIVATE_172: Final = ipaddress.IPv4Network("172.16.0.0/12")
_COLONS: Final = re.compile(
    r"(?<![\w:.])[0-9A-Fa-f:]{2,4}[0-9A-Fa-f:]{1,36}(?:\.[0-9]{1,3}){0,3}(?![\w:]|\.[0-9])",
)
_SHORTENED: Final = re.compile(
    rb"::[0-9A-Fa-f]{1,4}:|(?<=:)[0-9A-Fa-f]::|(?<=:[0-9A-Fa-f])[0-9A-Fa-f]::"
    rb"|(?<=:[0-9A-Fa-f]{2})[0-9A-Fa-f]::|(?<=:[0-9A-Fa-f]{3})[0-9A-Fa-f]::",
)
"""In every address of three groups and more that has a `::`; in no `a::b`."""
_IN_FULL: Final = re.compile(rb":[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){4}")
"""In every other address; in no time of day."""
_LEAST_GROUPS: Final = 3


def _ipv6_addresses(text: str) -> Iterator[Found]:
    for match in _COLONS.finditer(text):
        value = match.group().rstrip(":") if not match.group().endswith("::") else ""
        if value.count(":") > 1 and _is_public_ipv6(value):
            yield Found(match.start(), match.start() + len(value), "ipv6", value)


def _is_public_ipv6(value: str) -> bool:
    """Leave private and local ones, and what code writes with `::`."""
    groups = [part for part in value.split(":") if part]
    if len(groups) < _LEAST_GROUPS or not any(sign.isdigit() for sign in value):
        return False
    try:
        address = ipaddress.IPv6Address(value)
    except ValueError:
        return False
    local = address.is_link_local or address.is_multicast or address in _UNIQUE_LOCAL
    return not local and address not in _DISCARD


_UNIQUE_LOCAL: Final = ipaddress.IPv6Network("fc00::/7")
_DISCARD: Final = ipaddress.IPv6Network("100::/64")


PERSONAL_RULES: Final[tuple[Rule, ...]] = (
    Rule(
        name="email",
        kind="email",
        definition=_DOMAIN.pattern,
        find=_emails,
        gate=Gate(("@",), pattern=_AT_A_DOMAIN),
    ),
    pattern_rule(
        "card",
        "card",
        rf"(?<![\w.+-])(?P<it>{CARD_SHAPE})(?![\w+]|[.-]\w)",
        Gate(
            ("0000-0000-0000", "0000-000000-0000"),
            tuple(f"{pair:02}" for pair in range(100)),
            pattern=_THIRTEEN_DIGITS,
        ),
        _is_card,
    ),
    pattern_rule(
        "us-ssn",
        "ssn",
        r"(?<![\w+.-])(?:(?!000|666|9)[0-9]{3}-(?!00)[0-9][0-9]-(?!0000)[0-9]{4}"
        # In a row of numbers they are columns.
        r"|(?<![0-9] )(?!000|666|9)[0-9]{3} (?!00)[0-9][0-9] (?!0000)[0-9]{4}(?! ?[0-9])"
        r"|9[0-9][0-9]-(?:5[0-9]|6[0-5]|7[0-9]|8[0-8]|9[0-24-9])-[0-9]{4})(?![\w+]|[.-]\w)",
        Gate(("000-00-0000",)),
    ),
    pattern_rule(
        "uk-nino",
        "nino",
        r"[A-CEGHJ-PR-TW-Z](?<![\w-].)[A-CEGHJ-NPR-TW-Z](?P<g> ?)[0-9][0-9](?P=g)[0-9][0-9](?P=g)"
        r"[0-9][0-9](?P=g)[A-D](?![\w-])",
        Gate(
            (
                *("000000A", "000000B", "000000C", "000000D"),
                *("-00-00-00-A", "-00-00-00-B", "-00-00-00-C", "-00-00-00-D"),
            ),
            before=re.compile(rb"[A-Z]{2}\Z"),
        ),
    ),
    pattern_rule(
        "iban",
        "iban",
        r"[A-Z](?<![\w-].)[A-Z][0-9][0-9](?:[A-Z0-9]{11,30}|(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,3})?)"
        r"(?![\w-])",
        Gate(
            ("0000-0000",),
            tuple(map("".join, product(ascii_uppercase, repeat=2))),
            pattern=re.compile(rb"[A-Z]{2}[0-9]{2}"),
            before=re.compile(rb"[A-Z]{2}[0-9]{2}"),
        ),
        _is_iban,
    ),
    pattern_rule(
        "brazil-cpf",
        "cpf",
        r"(?<![\w.-])[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9][0-9](?![\w-])",
        Gate(("000.000.000-00",)),
        _is_cpf,
    ),
    pattern_rule(
        "phone",
        "phone",
        _PHONE,
        Gate(
            (
                "+0",
                "000-0000",
                "000.0000",
                "00-00-00-00-00",
                "00.00.00.00.00",
            ),
            pattern=_EIGHT_AFTER_PLUS,
        ),
        _is_phone,
    ),
    Rule(
        name="ipv4",
        kind="ipv4",
        definition=_QUAD.pattern + _VERSION_BEFORE.pattern,
        find=_ipv4_addresses,
        gate=Gate(("0.0.0", "0.00.0", "0.000.0")),
    ),
    Rule(
        name="ipv6",
        kind="ipv6",
        definition=_COLONS.pattern,
        find=_ipv6_addresses,
        gate=Gate(
            (
                *(f"::{sign}" for sign in "0abcdef"),
                *(f"{sign}::" for sign in "0abcdef"),
            ),
            row=_IN_FULL,
            pattern=_SHORTENED,
        ),
    ),
)
