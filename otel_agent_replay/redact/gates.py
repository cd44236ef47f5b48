"""Which rules may find something in a text, and where, told from one cheap look at it.

A look is a few passes of C code that hold the interpreter lock (`translate`, `in`,
the automaton over bytes): a call that gives it up waits for its turn beside a busy
thread.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from string import ascii_uppercase, digits
from typing import Final, NamedTuple, Protocol

from ahocorasick_rs import BytesAhoCorasick, Implementation

from otel_agent_replay.redact.rules import Gate

__all__ = ["ESCAPED", "Gates", "Hit", "finder", "has_long_run"]


ESCAPED: Final = -1
"""Stands for a rule where JSON text may write a letter or sign as something else."""
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


_ALIKE: Final = (
    bytes(range(256)).lower().translate(bytes.maketrans(b"123456789 ", b"000000000-"))
)
"""Byte for byte, so what is found in the look stands there in the text."""
_RUNS: Final = bytes(
    ord("A") if chr(code) in digits + ascii_uppercase else ord(" ")
    for code in range(256)
)
_LONG: Final = b"A" * 13
_NEAR: Final = 48


class _Way(NamedTuple):
    """What must stand where a literal does, or before it, for a rule to be tried."""

    rule: int
    pattern: re.Pattern[bytes] | None
    before: re.Pattern[bytes] | None

    def fits(self, raw: bytes, at: int) -> bool:
        pattern, before = self.pattern, self.before
        if pattern is None and before is None:
            return True
        if pattern is not None and pattern.match(raw, at):
            return True
        return before is not None and bool(before.search(raw, max(0, at - _NEAR), at))


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
        for rule, gate in gates.items():
            way = _Way(rule, gate.pattern, gate.before)
            if gate.pattern is not None and not gate.literals + gate.runs:
                self._alone.append((gate.pattern, rule))
            for each in gate.literals:
                ways.setdefault(each.encode().translate(_ALIKE), []).append(way)
            for each in gate.runs:
                self._runs.setdefault(each.encode(), []).append(way)
        ways[b"\\u"] = ways[b"\\/"] = [_Way(ESCAPED, _ESCAPE, None)]
        self._ways = tuple(ways.values())
        self._find = finder([*ways])

    def hits(self, raw: bytes) -> list[Hit]:
        """Return where a text, as UTF-8, has a gate; in no order."""
        found: list[Hit] = []
        for number, at, _ in self._find(raw.translate(_ALIKE), overlapping=True):
            for way in self._ways[number]:
                if way.fits(raw, at):
                    found.append(Hit(at, way.rule))  # noqa: PERF401 - most often none
        for pattern, rule in self._alone:
            if pattern.search(raw):
                found += [Hit(each.start(), rule) for each in pattern.finditer(raw)]
        if len(raw) >= len(_LONG):
            runs = raw.translate(_RUNS)
            if _LONG in runs:
                found += self._in_runs(raw, runs)
        return found

    def _in_runs(self, raw: bytes, runs: bytes) -> Iterator[Hit]:
        """Yield where long runs of digits and capitals begin with a gate."""
        ways = self._runs
        at = runs.find(_LONG)
        while at >= 0:
            for way in ways.get(raw[at : at + 2], ()):
                if way.fits(raw, at):
                    yield Hit(at, way.rule)
            end = runs.find(b" ", at)
            at = runs.find(_LONG, end) if end >= 0 else -1


def has_long_run(text: str) -> bool:
    """Whether a gate that wants a long run of digits and capitals has one."""
    return _LONG in text.encode("utf-8", "surrogatepass").translate(_RUNS)


def finder(literals: Sequence[bytes]) -> Find:
    """Return what finds literals in bytes."""
    machine = BytesAhoCorasick(literals, implementation=Implementation.DFA)
    find: Find = machine.find_matches_as_indexes
    return find
