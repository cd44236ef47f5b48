"""`bisect`: trials in this process, each a replay of a blend of two runs."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial

from otel_agent_replay._setup.replaying import store_of
from otel_agent_replay._setup.session_folder import own_directory
from otel_agent_replay._setup.sessions import open_session
from otel_agent_replay._setup.specs import SessionSpec
from otel_agent_replay.errors import (
    DivergenceError,
    WriteBlockedError,
    WriteInDoubtError,
)
from otel_agent_replay.model.call import Outcome, RecordedException
from otel_agent_replay.model.exceptions import record_exception
from otel_agent_replay.model.run import Run
from otel_agent_replay.replay.bisection import (
    NORMALISED,
    TRIALS,
    Bisection,
    Ending,
    Until,
    bisected,
    why_undecided,
)
from otel_agent_replay.replay.blending import Blend
from otel_agent_replay.replay.log import SessionLog
from otel_agent_replay.replay.matching import Matching, matching_of

__all__ = ["bisect"]


def bisect(  # noqa: PLR0913 - one keyword for each thing that can be asked for
    good: Run,
    bad: Run,
    act: Callable[[], object],
    *,
    until: Until | None = None,
    trials: int = TRIALS,
    normalise: Collection[str] = NORMALISED,
    allow_gaps: bool = False,
) -> Bisection:
    """Return what of a bad run, put into a good one, makes the agent end badly.

    The agent is run again and again with every call answered from the good run, but
    for some inputs, results, answers and reads of the bad one. A call that is in
    neither run at that place stops it, so nothing ever goes live. What is found can be
    smaller in no single place, unless `minimal` says that the trials did not suffice.

    Args:
        good: The run that is changed.
        bad: The run that the changes come from.
        act: Runs the agent once; `lambda: support("refunds")`.
        until: What it means to end badly: `failed`, `answer~REGEX`, or a function that
            is true of such a run; without it, to end as the bad run did.
        trials: How many trials may be made.
        normalise: What may differ, as for `replay`.
        allow_gaps: Go on although a run is known to be incomplete.

    Raises:
        ConfigurationError: The runs do not end differently in that way.
        RunIncompleteError: A run has gaps.
        BisectionError: The agent does not end as the runs did when it is given all
            that they were given.
    """
    matching = matching_of("strict", normalise)
    trial = partial(_trial, good, bad, act, matching)
    return bisected(
        good,
        bad,
        trial,
        until=until,
        trials=trials,
        normalise=matching.normalise,
        allow_gaps=allow_gaps,
    )


def _trial(
    good: Run,
    bad: Run,
    act: Callable[[], object],
    matching: Matching,
    taken: frozenset[int],
) -> Ending:
    known = {good.run_id: good, bad.run_id: bad}
    with own_directory() as folder:
        spec = SessionSpec(
            mode="replay",
            store=store_of(good),
            run_id=good.run_id,
            directory=folder,
            matching=matching,
            allow_gaps=True,
            blend=Blend(other=bad.run_id, taken=taken),
        )
        blend = spec.run(known.__getitem__)
        raised: RecordedException | None = None
        log = SessionLog()
        try:
            with open_session(blend, spec, strict=False) as session:
                log = session.log
                try:
                    act()
                except Exception as error:  # noqa: BLE001 - so it ends, perhaps
                    raised = record_exception(error)
        except (DivergenceError, WriteBlockedError, WriteInDoubtError):
            return Ending(problem=why_undecided(log))
        run, problem = session.run, why_undecided(log)
    if run is not None and raised is not None and run.outcome == Outcome():
        run = replace(run, outcome=Outcome(error=raised))
    return Ending(run=run, problem=problem)
