"""Secrets of every kind, other ones for every place they are planted in."""

from __future__ import annotations

import base64
import json
import random
import re
import string
from dataclasses import dataclass

from otel_agent_replay.redact import Policy, Rule

LETTERS = string.ascii_letters + string.digits


def policy() -> Policy:
    """Return the default policy with a rule of each kind that users can add."""
    return Policy.default().extended(
        [
            Rule.regex("order", r"ACME-\d{8}", kind="order"),
            Rule.path("$..vault_note"),
            Rule.tool_argument("transfer", "recipient"),
            Rule.function("firm", without_firm, version="1"),
        ],
    )


def without_firm(text: str) -> str:
    """Return a text without the names of a firm's projects."""
    return re.sub(r"Initech-[a-z]+", "[project]", text)


@dataclass(frozen=True, kw_only=True)
class Planted:
    """A secret.

    Attributes:
        kind: What it is.
        secret: What may be found nowhere.
        text: How it stands in a text.
    """

    kind: str
    secret: str
    text: str


class Plants:
    """The secrets of one place."""

    def __init__(self, place: str) -> None:
        self._random = random.Random(place)  # noqa: S311 - the same ones each time
        self.kinds = {each.kind: each for each in self._made()}

    @property
    def texts(self) -> list[str]:
        """A sentence for each kind."""
        return [each.text for each in self.kinds.values() if each.text]

    @property
    def text(self) -> str:
        """All of them in one text."""
        return "\n".join(self.texts)

    @property
    def structured(self) -> dict[str, object]:
        """What only the place in a document shows to be secret."""
        return {
            "password": self["password by name"],
            "deep": [{"client_secret": self["secret by name"], "n": 1}],
            "vault_note": self["own key path"],
        }

    def __getitem__(self, kind: str) -> str:
        return self.kinds[kind].secret

    def _made(self) -> list[Planted]:
        plain = {
            "openai key": "sk-" + "proj-" + self._word(48),
            "anthropic key": "sk-" + "ant-api03-" + self._word(93) + "AA",
            "google key": "AI" + "za" + self._word(35),
            "aws key id": "AK" + "IA" + self._word(16, string.ascii_uppercase),
            "github token": "gh" + "p_" + self._word(36),
            "jwt": self._jwt(),
            "e-mail": f"{self._name(9)}.{self._name(6)}@{self._name(8)}.com",
            "phone": f"+1 415 555 {self._digits(4)}",
            "card": self._card(),
            "ssn": f"5{self._digits(2)}-4{self._digits(1)}-8{self._digits(3)}",
            "iban": self._iban(),
            "ipv4": f"203.0.113.{self._random.randrange(10, 255)}",
            "ipv6": f"2001:db8::{self._hex()}:{self._hex()}",
            "own regex": f"ACME-{self._digits(8)}",
            "own function": f"Initech-{self._name(10)}",
            "literal": self._name(8) + " " + self._name(8),
        }
        return [
            *(
                Planted(kind=kind, secret=value, text=f"The {kind} is {value}, so.")
                for kind, value in plain.items()
            ),
            *self._within_words(),
            *(
                # Found by where they stand, not by how they look.
                Planted(kind=kind, secret=f"{self._name(7)} {self._name(9)}", text="")
                for kind in ("password by name", "secret by name", "own key path")
            ),
            Planted(
                kind="own argument",
                secret=f"{self._name(7).title()} {self._name(9).title()}",
                text="",
            ),
        ]

    def _within_words(self) -> list[Planted]:
        bearer, password = self._word(40), self._word(14)
        user, inner = self._name(6), self._word(12)
        basic = base64.b64encode(f"{user}:{inner}".encode()).decode()
        lines = [self._word(64) for _ in range(3)]
        begin, end = (
            "-----" + word + " RSA PRIVATE KEY-----" for word in ("BEGIN", "END")
        )
        in_url = self._word(13)
        return [
            Planted(
                kind="bearer", secret=bearer, text=f"Authorization: Bearer {bearer}"
            ),
            Planted(kind="basic", secret=basic, text=f"Authorization: Basic {basic}"),
            Planted(
                kind="private key",
                secret=lines[1],
                text="\n".join([begin, *lines, end]),
            ),
            Planted(
                kind="password", secret=password, text=f"login password={password}"
            ),
            Planted(
                kind="url credentials",
                secret=in_url,
                text=f"see https://{user}:{in_url}@db.example.com/main",
            ),
        ]

    def _word(self, length: int, letters: str = LETTERS) -> str:
        """Return letters with a digit among the first few."""
        made = self._random.choices(letters, k=length)
        made[2] = "7"
        return "".join(made)

    def _name(self, length: int) -> str:
        return "".join(self._random.choices("bcdfghjklmnpqrstvwxz", k=length))

    def _digits(self, length: int) -> str:
        return "".join(self._random.choices(string.digits[1:], k=length))

    def _hex(self) -> str:
        return f"{self._random.randrange(0x1000, 0xFFFF):x}"

    def _jwt(self) -> str:
        head = {"alg": "HS256", "typ": "JWT"}
        parts = [head, {"sub": self._name(12)}]
        texts = [
            base64.urlsafe_b64encode(json.dumps(p).encode()).decode() for p in parts
        ]
        return ".".join([*(each.rstrip("=") for each in texts), self._word(43)])

    def _card(self) -> str:
        digits = "4111" + self._digits(11)
        total = 0
        for place, sign in enumerate(reversed(digits)):
            value = int(sign) * (2 if place % 2 == 0 else 1)
            total += value - 9 if value > 9 else value
        digits += str(-total % 10)
        return " ".join(digits[at : at + 4] for at in range(0, 16, 4))

    def _iban(self) -> str:
        account = "37040044" + self._digits(10)
        check = 98 - int(account + "131400") % 97
        return f"DE{check:02}{account}"
