"""The divergence that a call is which no recorded step answers."""

from __future__ import annotations

from typing import Final

from otel_agent_replay.model.call import Call
from otel_agent_replay.model.divergence import Candidate, Divergence
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step
from otel_agent_replay.replay.differing import parents_of
from otel_agent_replay.replay.nearest import nearest
from otel_agent_replay.replay.stubs import Stubs

__all__ = ["miss"]

_MOST: Final = 3


def miss(
    run: Run,
    stubs: Stubs,
    call: Call,
    *,
    inside: int | None,
    above: tuple[str, ...],
    anywhere: bool = False,
) -> Divergence:
    """Return the divergence of a call that no step answers where it was made.

    Args:
        run: The recorded run.
        stubs: Its steps.
        call: The call.
        inside: The step it was made inside; None for the run itself.
        above: Names of the calls it was made inside, outermost first.
        anywhere: Whether steps under any parent could have answered.
    """
    elsewhere = None if anywhere else stubs.elsewhere(stubs.key(call))
    if elsewhere is not None:
        return _moved(run, call, elsewhere, above)
    left = stubs.all_left() if anywhere else stubs.left(inside)
    around = stubs.all_steps() if anywhere else stubs.under(inside)
    used = [step for step in around if step.index in stubs.taken]
    found = nearest(call, left, used, any_host=stubs.any_host)
    free = [each for each in found if not each.used]
    closest = next((each for each in free if each.name == call.name), None)
    return Divergence(
        kind="changed" if closest else "unexpected",
        name=call.name,
        step=closest.step if closest else _any_of(call, left),
        parent=above,
        fields=closest.fields if closest else (),
        candidates=found[:_MOST],
        reason=_asked_again(stubs, call, inside, found),
    )


def _any_of(call: Call, left: list[Step]) -> int | None:
    return next((each.index for each in left if each.call.kind == call.kind), None)


def _asked_again(
    stubs: Stubs, call: Call, inside: int | None, found: tuple[Candidate, ...]
) -> str:
    if not found or found[0].fields or not found[0].used:
        return ""
    times = stubs.count(inside, stubs.key(call))
    recorded = f"; it was recorded {times} times" if times > 1 else ""
    return f"asked for once more than recorded{recorded}"


def _moved(run: Run, call: Call, step: Step, above: tuple[str, ...]) -> Divergence:
    parents = parents_of(run, step.index)
    place = f"inside {' > '.join(parents)}" if parents else "directly under the run"
    return Divergence(
        kind="out_of_order",
        name=call.name,
        step=step.index,
        parent=above,
        reason=f"it was recorded {place}",
    )
