"""Which rules may find something in a text, told from a few cheap looks at it.

A look is one pass of C code that holds the interpreter lock (`translate`, `in`):
a call that gives it up waits for its turn beside a busy thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from otel_agent_replay.redact.rules import Gate, Look

__all__ = ["Gates", "Hit", "assigned"]


class Hit(NamedTuple):
    """A literal of a rule's gate, and the rule's number."""

    rule: int
    gate: Gate
    literal: bytes


_ASCII: Final = bytes(range(128))
_LETTERS: Final = bytes(code for code in _ASCII if chr(code).isalpha())
_SMALL: Final = bytes(code for code in _LETTERS if chr(code).islower())
_WORD: Final = _LETTERS + b"0123456789_-"
_OTHERS: Final = bytes(code for code in range(256) if code not in _WORD)
_BEYOND_ASCII: Final = bytes(range(128, 256))

_LOWER_WITH_COLONS: Final = bytes(range(256)).lower().replace(b"=", b":")
_DIGITS_ALIKE: Final = bytes.maketrans(
    b"123456789" + _LETTERS.upper() + b" ",
    b"0" * 9 + b"A" * len(_LETTERS) + b"-",
)
_NEXT_TO_NO_DIGIT: Final = _SMALL + _BEYOND_ASCII + b"()\"'\\"
_WORDS_ALIKE: Final = bytes.maketrans(
    _WORD + _OTHERS,
    b"w" * len(_WORD) + b" " * len(_OTHERS),
)
_MARK: Final = b"\x1f"
"""Between texts that are looked at together; in no gate."""
_LONG: Final = b"w" * 15
_NAME_AND_SIGN: Final = 64


def assigned(raw: bytes) -> bytes:
    """Return what stands before each `:` and `=`; all, where a flag may stand."""
    low = raw.translate(_LOWER_WITH_COLONS)
    if b"--" in raw:
        return low
    # A set: the events of a stream repeat their keys.
    return b"\n".join({piece[-_NAME_AND_SIGN:] for piece in low.split(b":")[:-1]})


def _digits(raw: bytes) -> bytes:
    # What is deleted is in no gate, so what is in a gate stays together.
    return raw.translate(_DIGITS_ALIKE, _NEXT_TO_NO_DIGIT)


_LOOKS: Final[Mapping[Look, Callable[[bytes], bytes]]] = {
    "text": bytes,
    "lower": bytes.lower,
    "assigned": assigned,
    "digits": _digits,
}


class Gates:
    """The gates of many rules, looked at together; never wrong where they say no."""

    def __init__(self, hits: Iterable[Hit]) -> None:
        """Take what is to be looked for."""
        self._looks: dict[Look, dict[str, list[Hit]]] = {}
        self._starts: dict[bytes, list[Hit]] = {}
        for hit in hits:
            if hit.gate.look == "word":
                self._starts.setdefault(hit.literal[:2], []).append(hit)
            else:
                look = self._looks.setdefault(hit.gate.look, {})
                look.setdefault(hit.literal.decode(), []).append(hit)

    @classmethod
    def of(cls, gates: Mapping[int, Gate]) -> Gates:
        """Return the gates of rules, given by their numbers."""
        return cls(
            Hit(rule, gate, literal.encode())
            for rule, gate in gates.items()
            for literal in gate.literals
        )

    def hits(self, text: str) -> list[Hit]:
        """Return what of the gates a text has."""
        raw = text.encode("utf-8", "surrogatepass")
        found: list[Hit] = []
        for name, literals in self._looks.items():
            seen = _LOOKS[name](raw)
            if not seen:
                continue
            for literal in _present(literals, seen):
                for hit in literals[literal]:
                    pattern = hit.gate.pattern
                    if pattern is None or pattern.search(seen):
                        found.append(hit)
        found += [hit for _, hit in self._words_found(raw)]
        return found

    def among(self, texts: Sequence[str]) -> list[str]:
        """Return all of the texts that have a gate, and few more.

        They are looked at as one: each look costs once for all.
        """
        raw = _MARK.decode().join(texts).encode("utf-8", "surrogatepass")
        if raw.count(_MARK) >= len(texts):
            return [text for text in texts if self.hits(text)]
        found: set[int] = set()
        for name, literals in self._looks.items():
            seen = _LOOKS[name](raw)
            present = _present(literals, seen)
            if present:
                lines = raw.lower() if name == "assigned" else seen
                pieces = lines.decode("latin-1").split(_MARK.decode())
                for literal in present:
                    found.update(_having(literal, literals[literal], seen, pieces))
        for at, _ in self._words_found(raw):
            found.add(raw.count(_MARK, 0, at))
        return [texts[number] for number in sorted(found)]

    def _words_found(self, raw: bytes) -> list[tuple[int, Hit]]:
        """Return where long runs of letters, digits, `_` and `-` have a gate."""
        found: list[tuple[int, Hit]] = []
        words = raw.translate(_WORDS_ALIKE) if self._starts else b""
        at = words.find(_LONG)
        while at >= 0:
            hits = self._starts.get(raw[at : at + 2], ())
            found += [(at, hit) for hit in hits if raw.startswith(hit.literal, at)]
            end = words.find(b" ", at)
            at = words.find(_LONG, end) if end >= 0 else -1
        return found


def _present(literals: Iterable[str], seen: bytes) -> list[str]:
    # In short texts `in` costs a tenth of what it costs on bytes.
    text = seen.decode("latin-1")
    return [literal for literal in literals if literal in text]


def _having(
    literal: str,
    hits: Iterable[Hit],
    seen: bytes,
    pieces: Iterable[str],
) -> list[int]:
    """Return the numbers of the pieces with a literal, if a pattern of it holds."""
    patterns = [hit.gate.pattern for hit in hits]
    if all(pattern is not None and not pattern.search(seen) for pattern in patterns):
        return []
    return [number for number, piece in enumerate(pieces) if literal in piece]
