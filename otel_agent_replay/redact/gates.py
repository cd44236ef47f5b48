"""Which rules may find something in a text, and where, told from one cheap look at it.

A look is a few passes of C code that hold the interpreter lock (`translate`, `in`,
the automaton over bytes): a call that gives it up waits for its turn beside a busy
thread.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import product
from string import ascii_uppercase, digits, hexdigits
from typing import Final, NamedTuple, Protocol

from ahocorasick_rs import BytesAhoCorasick, Implementation

from otel_agent_replay.redact.rules import Gate

__all__ = ["ESCAPED", "MARKED", "Gates", "Hit", "finder", "has_long_run"]


ESCAPED: Final = -1
"""Stands for a rule where JSON text may write a letter or sign as something else."""
MARKED: Final = -2
"""Stands for a rule where a flag or a mark of JSON may say what another text is."""
_MARKS: Final = (b'"--', b"$type")
_ESCAPE: Final = re.compile(rb"\\[u/]")


class Hit(NamedTuple):
    """Where in the bytes of a text a rule's gate stands open."""

    at: int
    rule: int


class Find(Protocol):
    """Gives which literals occur in bytes: number, start, end."""

    def __call__(
        self, seen: bytes, /, *, overlapping: bool
    ) -> Iterable[tuple[int, int, int]]:
        """Find them; those that overlap others only where `overlapping`."""


_BLANKS: Final = b"\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f"
_BEYOND: Final = bytes(range(0x80, 0x100))
_ALIKE: Final = (
    bytes(range(256))
    .lower()
    .translate(bytes.maketrans(b"123456789 ", b"000000000-"))
    .translate(bytes.maketrans(_BLANKS, b"\n" * len(_BLANKS)))
    .translate(bytes.maketrans(_BEYOND, b"\x7f" * len(_BEYOND)))
)
"""Byte for byte, so what is found in the look stands there in the text."""
_ROWS: Final = bytes(
    ord("A") if chr(code) in hexdigits + ascii_uppercase + ":" else ord(" ")
    for code in range(256)
)
_CAPITALS: Final = bytes(
    ord("A") if chr(code) in digits + ascii_uppercase else ord(" ")
    for code in range(256)
)
_LEAST_ROW: Final = 13
_LONG: Final = b"A" * _LEAST_ROW
_RUN: Final = re.compile(rb"[0-9A-Z]{13,}")
_DIGITS: Final = bytes(
    ord("d") if chr(code) in digits else code if chr(code) in ".+" else row
    for code, row in enumerate(_ROWS)
)
_FRACTION: Final = b"." + b"d" * 13
_MASK: Final = b"." + b"-" * 12 + b"|"
_GOES_ON: Final = re.compile(rb"\|d*+A")
_UNMASKED: Final = bytes.maketrans(b"d.+-|", b"A    ")
_MANY: Final = 8
_NEAR: Final = 48
_FINDERS: Final = 64


class _Way(NamedTuple):
    """What must stand where a literal does, or before it, for a rule to be tried.

    `match` is asked so many bytes behind the literal's beginning as `skip` says.
    """

    rule: int
    skip: int
    match: Callable[[bytes, int], object]
    before: Callable[[bytes, int, int], object] | None

    @classmethod
    def of(cls, rule: int, gate: Gate, literal: str = "") -> _Way:
        pattern, before = gate.after or gate.pattern, gate.before
        match = _open if before is None else _shut
        return cls(
            rule,
            len(literal) if gate.after is not None else 0,
            match if pattern is None else pattern.match,
            None if before is None else before.search,
        )


def _open(_: bytes, __: int) -> bool:
    return True


def _shut(_: bytes, __: int) -> bool:
    return False


class Gates:
    """The gates of many rules, looked at together; never wrong where they say no.

    A text may be JSON: what its strings have is found in how they are written too,
    save where `ESCAPED` is among the hits.
    """

    def __init__(self, gates: Mapping[int, Gate]) -> None:
        """Take the gates of rules, given by their numbers."""
        ways: dict[bytes, list[_Way]] = {}
        self._alone: list[tuple[re.Pattern[bytes], int]] = []
        self._runs: dict[bytes, list[_Way]] = {}
        self._rows: list[tuple[re.Pattern[bytes], int]] = []
        for rule, gate in gates.items():
            if gate.row is not None:
                self._rows.append((gate.row, rule))
            if gate.pattern is not None and not gate.literals + gate.runs:
                self._alone.append((gate.pattern, rule))
            for each, sign in product(gate.literals, gate.follow or ("",)):
                seen = ways.setdefault(f"{each}{sign}".encode().translate(_ALIKE), [])
                seen.append(_Way.of(rule, gate, each))
            for each in gate.runs:
                self._runs.setdefault(each.encode(), []).append(_Way.of(rule, gate))
        for mark in _MARKS:
            ways[mark] = [_Way(MARKED, 0, _open, None)]
        ways[b"\\u"] = ways[b"\\/"] = [_Way(ESCAPED, 0, _ESCAPE.match, None)]
        self._ways = tuple(ways.values())
        self._find = finder([*ways])

    def hits(self, raw: bytes) -> list[Hit]:
        """Return where a text, as UTF-8, has a gate; in no order."""
        found: list[Hit] = []
        ways = self._ways
        for number, at, _ in self._find(raw.translate(_ALIKE), overlapping=True):
            for rule, skip, match, before in ways[number]:
                if match(raw, at + skip) or (
                    before and before(raw, max(0, at - _NEAR), at)
                ):
                    found.append(Hit(at, rule))
        for pattern, rule in self._alone:
            if pattern.search(raw):
                found += [Hit(each.start(), rule) for each in pattern.finditer(raw)]
        if len(raw) >= _LEAST_ROW:
            rows = raw.translate(_ROWS)
            if _LONG in rows:
                found += self._in_rows(raw, rows)
        return found

    def _in_rows(self, raw: bytes, rows: bytes) -> Iterator[Hit]:
        """Yield gates in long rows of hexadecimal digits, capitals and colons."""
        if rows.count(_LONG) > _MANY:
            rows = _without_fractions(raw)
        end = 0
        while (at := rows.find(_LONG, end)) >= 0:
            end = rows.find(b" ", at)
            end = end if end >= 0 else len(rows)
            row = raw[at:end]
            if raw[at - 1 : at] in {b".", b"+"} and row.isdigit():
                continue
            for pattern, rule in self._rows:
                for each in pattern.finditer(raw, at, end):
                    yield Hit(each.start(), rule)
            # Most are ids in small letters.
            if _LONG in row.translate(_CAPITALS):
                for run in _RUN.finditer(raw, at, end):
                    yield from self._at_run(raw, run.start())

    def _at_run(self, raw: bytes, at: int) -> Iterator[Hit]:
        for rule, _, match, before in self._runs.get(raw[at : at + 2], ()):
            if match(raw, at) or (before and before(raw, max(0, at - _NEAR), at)):
                yield Hit(at, rule)


def _without_fractions(raw: bytes) -> bytes:
    """Return the rows, without digits alone behind a `.`: they come by the thousand."""
    masked = bytearray(raw.translate(_DIGITS).replace(_FRACTION, _MASK))
    for each in [*_GOES_ON.finditer(masked)]:
        masked[each.start() - len(_MASK) + 2 : each.start() + 1] = _LONG
    return bytes(masked.translate(_UNMASKED))


def has_long_run(text: str) -> bool:
    """Whether a gate that wants a long run of digits and capitals may have one."""
    return _LONG in text.encode("utf-8", "surrogatepass").translate(_ROWS)


def finder(literals: Sequence[bytes]) -> Find:
    """Return what finds literals in bytes."""
    return _made_finder(tuple(literals))


@lru_cache(maxsize=_FINDERS)
def _made_finder(literals: tuple[bytes, ...]) -> Find:
    """Make a finder once: it takes longer than a short replay."""
    machine = BytesAhoCorasick(literals, implementation=Implementation.DFA)
    find: Find = machine.find_matches_as_indexes
    return find
