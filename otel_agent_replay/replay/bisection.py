"""Which of the things that two runs were given differently made one end as it did."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from otel_agent_replay.errors import (
    BisectionError,
    ConfigurationError,
    ResultTypeError,
    RunIncompleteError,
)
from otel_agent_replay.model.divergence import FieldDifference
from otel_agent_replay.model.native_classes import class_name, same_class
from otel_agent_replay.model.payload import JsonValue, dump_json
from otel_agent_replay.model.run import Run
from otel_agent_replay.replay.bisect import FEWEST, Smallest, Verdict, smallest
from otel_agent_replay.replay.blending import Change, changes
from otel_agent_replay.replay.differing import differing, listed
from otel_agent_replay.replay.log import SessionLog
from otel_agent_replay.replay.plan import gaps_in_the_way

__all__ = [
    "NORMALISED",
    "TRIALS",
    "Bisection",
    "Ending",
    "Until",
    "bisected",
    "why_undecided",
]

Until: TypeAlias = str | Callable[[Run], bool]
"""What is wrong with a run: `failed`, `answer~REGEX`, or a function that is true of it."""

TRIALS: Final = 50
NORMALISED: Final = ("request_ids",)
"""What may differ in a trial: a model names its tool calls anew in every run."""
_ANSWER: Final = "answer~"
_REASONS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a trial ended: the run it made, or why that says nothing."""

    run: Run | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bisection:
    """The smallest change of what a good run was given that makes it end badly.

    Attributes:
        good, bad: The runs' ids.
        changes: What it takes, in the order of the good run.
        among: How many things the runs were given differently.
        minimal: Whether it was tried to leave out each one, and none could be.
        without: How the trial without each of the changes ended, by their numbers.
        trials: How many trials were made.
        unresolved: How many of them ended neither well nor badly.
        reasons: Why these did not, each once, the first few.
    """

    good: str
    bad: str
    changes: tuple[Change, ...]
    among: int
    minimal: bool
    without: Mapping[int, Verdict] = field(default_factory=dict)
    trials: int = 0
    unresolved: int = 0
    reasons: tuple[str, ...] = ()


def bisected(  # noqa: PLR0913 - what can be asked for, of either way to make trials
    good: Run,
    bad: Run,
    trial: Callable[[frozenset[int]], Ending],
    *,
    until: Until | None = None,
    trials: int = TRIALS,
    normalise: Collection[str] = (),
    allow_gaps: bool = False,
) -> Bisection:
    """Return the smallest change that makes the program end badly, found by trials.

    Args:
        good: The run that is changed.
        bad: The run that the changes come from.
        trial: Runs the program on a blend of both with the changes of these numbers.
        until: What it is to end badly; without it, to end as the bad run did.
        trials: How many may be made.
        normalise: What differs by nature, and is no change.
        allow_gaps: Go on although a run is known to be incomplete.

    Raises:
        ConfigurationError: The ends of the runs do not differ so, or there are not
            trials enough.
        RunIncompleteError: A run has gaps.
        BisectionError: The trials do not end as the runs did.
    """
    for run in (good, bad):
        gaps = gaps_in_the_way(run, "replay")
        if gaps and not allow_gaps:
            raise RunIncompleteError(run.run_id, gaps)
    if trials < FEWEST:
        raise ConfigurationError("trials", f"{trials} is less than {FEWEST}")
    judge = _Judge(good, bad, trial, _condition(until))
    found = changes(good, bad, normalise)
    if not found:
        raise BisectionError(good.run_id, bad.run_id, _NOTHING)
    part = smallest(len(found), judge, trials=trials)
    if part is None:
        raise BisectionError(good.run_id, bad.run_id, judge.why_not())
    return _bisection(good, bad, found, part, judge)


def why_undecided(log: SessionLog) -> str:
    """Return why a trial with such a log says nothing; an empty text if it does."""
    if log.stopped:
        last = log.divergences[-1:]
        fields = "; ".join(str(field) for each in last for field in each.fields[:2])
        said = [*(each.name for each in last), *log.blocked[-1:]]
        detail = f" ({fields})" if fields else ""
        return f"it asked for what neither run did: {', '.join(said)}{detail}"
    for each in log.divergences:
        # An answer that the code cannot be given is an error of its own making.
        if [field.path for field in each.fields] == ["answer"]:
            return f"what the other run got from {each.name} cannot be given back"
    return ""


_NOTHING: Final = (
    "nothing that was recorded was given to them differently, so it is the code that "
    "differs, or what is not recorded: clock, randomness and environment are on demand "
    "(`record --effects`)."
)


def _bisection(
    good: Run, bad: Run, found: tuple[Change, ...], part: Smallest, judge: _Judge
) -> Bisection:
    tried = {each: part.without(each) for each in sorted(part.part)}
    return Bisection(
        good=good.run_id,
        bad=bad.run_id,
        changes=tuple(each for each in found if each.number in part.part),
        among=len(found),
        minimal=part.minimal,
        without={number: how for number, how in tried.items() if how is not None},
        trials=len(part.verdicts),
        unresolved=sum(each == "unresolved" for each in part.verdicts.values()),
        reasons=tuple(dict.fromkeys(judge.reasons))[:_REASONS],
    )


class _Judge:
    """Makes trials and says how they ended."""

    def __init__(
        self,
        good: Run,
        bad: Run,
        trial: Callable[[frozenset[int]], Ending],
        is_wrong: Callable[[Run], bool] | None,
    ) -> None:
        self.reasons: list[str] = []
        self._runs = good, bad
        self._trial = trial
        self._is_wrong = is_wrong
        self._ended: list[str] = []
        _check_ends(good, bad, is_wrong)

    def __call__(self, part: frozenset[int]) -> Verdict:
        """Make a trial."""
        ending = self._trial(part)
        verdict, why = self._verdict(ending)
        self._ended.append(why)
        if verdict == "unresolved":
            self.reasons.append(why)
        return verdict

    def why_not(self) -> str:
        """Return which of the first trials did not end as its run did."""
        good, bad = self._runs
        run = good if len(self._ended) == 1 else bad
        return (
            f"given all that {run.run_id} was given, the program does not end as that "
            f"run did: {self._ended[-1]}. See what differs with `agent-replay replay "
            f"{run.run_id} -- COMMAND`."
        )

    def _verdict(self, ending: Ending) -> tuple[Verdict, str]:
        run = ending.run
        if run is None or ending.problem:
            return "unresolved", ending.problem or "it made no call"
        error = run.outcome.error
        if error is not None and error.type_name == class_name(ResultTypeError):
            return "unresolved", f"it cannot be given that input: {error.message}"
        how = f"it ended with {_end(run)}"
        good, bad = self._runs
        if self._is_wrong is not None:
            return ("bad" if self._is_wrong(run) else "good"), how
        if _ended_alike(run, bad):
            return "bad", how
        return ("good" if _ended_alike(run, good) else "unresolved"), how


def _check_ends(good: Run, bad: Run, is_wrong: Callable[[Run], bool] | None) -> None:
    """Check that the bad run is bad, and the good one is not.

    Raises:
        ConfigurationError: It is not so.
    """
    problem = ""
    if is_wrong is not None:
        if not is_wrong(bad):
            problem = (
                f"it does not hold for run {bad.run_id}, which is to be the bad one"
            )
        elif is_wrong(good):
            problem = f"it holds for run {good.run_id} too, which is to be the good one"
    elif "interrupted" in {good.status, bad.status}:
        problem = "a run was cut off, so how it ended says nothing; say what is wrong"
    elif _ended_alike(good, bad):
        problem = (
            f"both runs ended with {_end(bad)}; say what is wrong with "
            f"{bad.run_id}: 'answer~REGEX'"
        )
    if problem:
        raise ConfigurationError("until", problem)


def _condition(until: Until | None) -> Callable[[Run], bool] | None:
    if until is None or not isinstance(until, str):
        return until
    if until == "failed":
        return lambda run: run.outcome.failed or run.status == "failed"
    if not until.startswith(_ANSWER):
        problem = f"{until!r} is neither 'failed' nor 'answer~REGEX'"
        raise ConfigurationError("until", problem)
    try:
        wanted = re.compile(until.removeprefix(_ANSWER))
    except re.error as error:
        raise ConfigurationError("until", f"no regular expression: {error}") from error
    return lambda run: wanted.search(_text(_answer(run))) is not None


def _answer(run: Run) -> JsonValue:
    return run.output if run.outcome.items is None else list(run.outcome.items)


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else dump_json(value)


def _end(run: Run) -> str:
    error = run.outcome.error
    if error is not None:
        return f"{error.type_name.rpartition(':')[2]}: {error.message}"
    return f"the answer {_text(_answer(run))[:80]!r}"


def _ended_alike(one: Run, other: Run) -> bool:
    return not _differences(one, other)


def _differences(one: Run, other: Run) -> tuple[FieldDifference, ...]:
    then, now = one.outcome, other.outcome
    found = differing(then.value, now.value, "output")
    found += differing(listed(then.items), listed(now.items), "items")
    if then.error is None or now.error is None:
        names = [each.type_name if each else None for each in (then.error, now.error)]
        return found + differing(names[0], names[1], "error")
    if not same_class(then.error.type_name, now.error.type_name):
        found += differing(then.error.type_name, now.error.type_name, "error")
    return found + differing(then.error.message, now.error.message, "error")
