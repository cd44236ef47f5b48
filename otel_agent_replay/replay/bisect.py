"""The smallest part of a whole that still does what the whole does, found by trials.

It is `ddmin`, see Zeller and Hildebrandt (2002), "Simplifying and isolating
failure-inducing input": parts are tried alone, then all but one of them, then smaller
parts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Literal, TypeAlias

__all__ = ["FEWEST", "Smallest", "Test", "Verdict", "smallest"]

Verdict: TypeAlias = Literal["good", "bad", "unresolved"]
Test: TypeAlias = Callable[[frozenset[int]], Verdict]

FEWEST: Final = 2
"""Trials that any search needs: with nothing, and with everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Smallest:
    """A part that is as bad as the whole.

    Attributes:
        part: Its numbers.
        minimal: Whether a trial without each one of them was made, and none was bad.
        verdicts: Every trial that was made, in order.
    """

    part: frozenset[int]
    minimal: bool
    verdicts: Mapping[frozenset[int], Verdict]

    def without(self, number: int) -> Verdict | None:
        """Return how the trial without one of the part ended; None if none was made."""
        return self.verdicts.get(self.part - {number})


def smallest(count: int, test: Test, *, trials: int) -> Smallest | None:
    """Return the smallest part of 0…count-1 found that is as bad as all of it.

    Of parts that do alike, that of lower numbers is found. Nothing is tried twice.

    Args:
        count: How many there are.
        test: Makes a trial with a part.
        trials: How many may be made.

    Returns:
        None if nothing at all is not good, or the whole is not bad.
    """
    made = _Trials(test, trials)
    whole = frozenset(range(count))
    if made.verdict(frozenset()) != "good" or not made.is_bad(whole):
        return None
    minimal = True
    try:
        _minimise(made, tuple(range(count)))
    except _SpentError:
        minimal = False
    return Smallest(part=made.best, minimal=minimal, verdicts=made.verdicts)


class _SpentError(Exception):
    """No more trials may be made."""


@dataclass(slots=True)
class _Trials:
    test: Test
    most: int
    verdicts: dict[frozenset[int], Verdict] = field(default_factory=dict)
    best: frozenset[int] = frozenset()

    def verdict(self, part: frozenset[int]) -> Verdict:
        known = self.verdicts.get(part)
        if known is None:
            if len(self.verdicts) >= self.most:
                raise _SpentError
            known = self.verdicts[part] = self.test(part)
        return known

    def is_bad(self, part: frozenset[int]) -> bool:
        if self.verdict(part) != "bad":
            return False
        self.best = part
        return True


def _minimise(trials: _Trials, kept: tuple[int, ...]) -> None:
    """Try until no single one can be left out; the trials know what was found."""
    pieces = 2
    while len(kept) > 1:
        parts = _split(kept, pieces)
        # Left out from the end: what comes later follows from what came before.
        rests = [tuple(n for n in kept if n not in part) for part in reversed(parts)]
        part = next((each for each in parts if trials.is_bad(frozenset(each))), None)
        if part is not None:
            kept, pieces = part, 2
            continue
        rest = next((each for each in rests if trials.is_bad(frozenset(each))), None)
        if rest is not None:
            kept, pieces = rest, max(pieces - 1, 2)
        elif pieces == len(kept):
            return
        else:
            pieces = min(2 * pieces, len(kept))


def _split(numbers: tuple[int, ...], pieces: int) -> list[tuple[int, ...]]:
    """Return that many parts of about one size, in order, none of them empty."""
    count = len(numbers)
    cuts = [count * n // pieces for n in range(pieces + 1)]
    return [numbers[a:b] for a, b in pairwise(cuts)]
