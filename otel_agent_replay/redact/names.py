"""Which names say that their value is a secret: keys, parameters, headers, flags."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, Literal, NamedTuple, TypeAlias

__all__ = ["NAME_ENDS", "SecretName", "classify", "secret_header", "secret_parameter"]

Accepts: TypeAlias = Literal["any", "random", "phone", "ssn", "card"]


class SecretName(NamedTuple):
    """What a name says of its value: its kind, and which values count."""

    kind: str
    accepts: Accepts = "any"

    def covers(self, value: str) -> bool:
        """Whether a value under this name is taken to be secret."""
        if _is_placeholder(value):
            return False
        return _CHECKS[self.accepts].fullmatch(value) is not None


_SECRET: Final = SecretName("secret")
_RANDOM: Final = SecretName("secret", "random")

_ENDINGS: Final = (
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "passwordhash",
    "passwordconfirmation",
    "secret",
    "apikey",
    "accesskey",
    "secretkey",
    "secretaccesskey",
    "accountkey",
    "subscriptionkey",
    "privatekey",
    "signingkey",
    "encryptionkey",
    "masterkey",
    "accesstoken",
    "refreshtoken",
    "authtoken",
    "idtoken",
    "sessiontoken",
    "securitytoken",
    "bearertoken",
    "apitoken",
    "bottoken",
    "csrftoken",
    "authorization",
    "connectionstring",
    "clientassertion",
)
_PHONE: Final = SecretName("phone", "phone")
_SSN: Final = SecretName("ssn", "ssn")
_CARD: Final = SecretName("card", "card")
_EXACT: Final = {
    **dict.fromkeys(("pwd", "pin", "cvv", "cvc", "otp", "jwt"), _SECRET),
    **dict.fromkeys(("credential", "credentials"), _SECRET),
    **dict.fromkeys(("phone", "phonenumber", "mobile", "telephone", "fax"), _PHONE),
    **dict.fromkeys(("mobilenumber", "cellphone", "msisdn", "mobilephone"), _PHONE),
    **dict.fromkeys(("ssn", "socialsecuritynumber", "itin"), _SSN),
    **dict.fromkeys(("cardnumber", "creditcard", "creditcardnumber", "pan"), _CARD),
}
_WORDS: Final = frozenset({"pwd", "pass", "cvv", "cvc"})
_PHONES: Final = ("phone", "mobile", "telephone")
NAME_ENDS: Final = frozenset(
    {*_ENDINGS, *_EXACT, *_WORDS, "token"}
    | {f"{phone}{number}" for phone in _PHONES for number in ("number", "no")},
)
"""With one of these the letters of every name end that says what its value is."""
_CURSORS: Final = frozenset(
    {"page", "next", "previous", "continuation", "sync", "cursor", "watch", "pad"}
    | {"eos", "bos", "stop", "special", "first", "last", "max", "min", "skip"},
)
_PARAMETERS: Final = frozenset({"key", "sig", "signature", "code", "auth", "sid"})
_HEADERS: Final = frozenset(
    {"authorization", "proxyauthorization", "xapikey", "apikey", "xgoogapikey"}
    | {"xamzsecuritytoken", "xauthtoken", "xvaulttoken", "privatetoken", "xcsrftoken"}
    | {"ocpapimsubscriptionkey", "xgoogiamauthorizationtoken", "xauth", "xaccesstoken"},
)

_PARTS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_CHECKS: Final[dict[str, re.Pattern[str]]] = {
    "any": re.compile(r"(?s).+"),
    "random": re.compile(
        r"(?=[^\s]{0,200}?\d)(?=[^\s]{0,200}?[A-Za-z])[^\s<>{}()\[\]]{16,4096}",
    ),
    "phone": re.compile(r"\+?[\d .()/-]{7,22}"),
    "ssn": re.compile(r"\d{3}[ -]?\d{2}[ -]?\d{4}"),
    "card": re.compile(r"\d[\d -]{11,22}"),
}
_PLACEHOLDER: Final = re.compile(
    r"\s*|[*•xX.…_-]+|\$\{?[A-Za-z_][^\s]*|\{\{?.*\}?\}|<[^<>]*>|%\(?\w+\)?s?"
    r"|(?i:none|null|nil|undefined|true|false|yes|no|on|off|str|string|text|int"
    r"|integer|number|bool|boolean|object|array|any|optional|required|unknown|n/a"
    r"|default|redacted|hidden|masked|filtered|\[\w+\]|bearer|basic|token|secret"
    r"|password|env|apikey|api[_ -]key|invalid|incorrect|wrong|missing|empty|include|omit|same-origin)",
)


def _is_placeholder(value: str) -> bool:
    return _PLACEHOLDER.fullmatch(value) is not None


@lru_cache(maxsize=4096)
def classify(name: str) -> SecretName | None:
    """Return what a name says of its value, or None if nothing.

    `token` alone counts only for long random values: usage, log probabilities
    and page cursors have tokens of their own.
    """
    words = [part.lower() for part in _PARTS.findall(name[-128:])]
    while words and words[-1].isdigit():
        words.pop()
    if not words:
        return None
    joined = "".join(words)
    exact = _EXACT.get(joined)
    if exact is not None:
        return exact
    if joined.endswith(_ENDINGS):
        return _SECRET
    return _by_last_word(words)


def _by_last_word(words: list[str]) -> SecretName | None:
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last in _WORDS and before:
        return _SECRET
    if last == "token" and before not in _CURSORS:
        return _RANDOM
    if before in _PHONES and last in {"number", "no"}:
        return _PHONE
    return None


@lru_cache(maxsize=1024)
def secret_parameter(name: str) -> SecretName | None:
    """Return what the name of a URL or form parameter says of its value."""
    words = [part.lower() for part in _PARTS.findall(name[-128:])]
    last = words[-1] if words else ""
    if last in {"sig", "signature"} or (last == "key" and len(words) == 1):
        return _SECRET
    if last == "credential":
        return _SECRET
    return classify(name) or (_RANDOM if last in _PARAMETERS else None)


@lru_cache(maxsize=1024)
def secret_header(name: str) -> SecretName | None:
    """Return what the name of an HTTP header says of its value."""
    joined = "".join(part.lower() for part in _PARTS.findall(name[-128:]))
    return _SECRET if joined in _HEADERS else classify(name)
