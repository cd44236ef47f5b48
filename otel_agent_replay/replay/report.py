"""The report of a session, made of what its processes saw."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from otel_agent_replay.model.call import FRAME_KINDS
from otel_agent_replay.model.divergence import Divergence, FieldDifference, ReplayReport
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step
from otel_agent_replay.replay.causes import cause_of
from otel_agent_replay.replay.differing import parents_of
from otel_agent_replay.replay.log import SessionLog
from otel_agent_replay.replay.order import out_of_order
from otel_agent_replay.replay.plan import Plan
from otel_agent_replay.replay.stubs import alike_processes, covered, of_others

__all__ = ["report_of"]

_OFF_SEAM: Final = (
    "only another instrumentation recorded it, so a replay cannot answer it and it runs; "
    "put it on the seam with @tool, or --tool MODULE:FUNCTION, and record again"
)


def report_of(run: Run, plan: Plan, log: SessionLog) -> ReplayReport:
    """Return the report of a session that has ended.

    A shared step that no call asked for is unused, unless it lies inside an answered
    one. Where the agent was stopped the rest is unused too, but not missing; nor is a
    step that a live call stood for. What the agent returned comes last, as that is
    where all else leads to.
    """
    inside = covered(run, log.served | log.replaced)
    unused = tuple(
        step.index
        for step in run.steps
        if step.index in plan.shared
        and step.index not in log.asked
        and step.index not in inside
    )
    missing: tuple[Divergence, ...] = ()
    if not log.stopped:
        missing = (*_missing(run, plan, log, unused), *_state_unchanged(plan, log))
    found = [*_seen(run, log), *_twice(run, log), *missing]
    ends = [replace(each, follows=True) if found else each for each in log.ends]
    return ReplayReport(
        run_id=run.run_id,
        served=tuple(sorted(log.served)),
        unused=unused,
        live=tuple(log.live),
        blocked=tuple(log.blocked),
        in_doubt=tuple(log.in_doubt),
        divergences=(*found, *ends),
        normalised=tuple(log.normalised),
        notes=tuple(dict.fromkeys([*log.notes, *_ran(run, log)])),
    )


def _ran(run: Run, log: SessionLog) -> list[str]:
    """Return which tools ran, past the seam, beside calls that were answered."""
    others = of_others(run)
    answered = covered(run, log.served, off_seam=False) if others else set()
    ran = [index for index in others if index not in answered | log.asked]
    if not log.served or len(others) == len(run.steps):
        return []
    return [f"{run.steps[index].call.name}: {_OFF_SEAM}" for index in sorted(ran)]


def _seen(run: Run, log: SessionLog) -> list[Divergence]:
    """Return what was seen as it happened; calls that moved stand where one did."""
    found = [*log.divergences]
    if log.moved_at is not None:
        found[log.moved_at : log.moved_at] = out_of_order(run, log.lines)
    return found


def _twice(run: Run, log: SessionLog) -> list[Divergence]:
    """Return a divergence for each step that answered in more than one process."""
    return [
        Divergence(
            kind="unexpected",
            name=run.steps[index].call.name,
            parent=parents_of(run, index),
            cause="code",
            reason=f"step {index} answered it in two processes; the run asked once",
        )
        for index in sorted(log.twice)
    ]


def _state_unchanged(plan: Plan, log: SessionLog) -> tuple[Divergence, ...]:
    """Return that a fork's change of the state found no checkpoint to act on."""
    if not plan.changes.state or log.state_changed:
        return ()
    fields = tuple(
        FieldDifference(path=f"state.{path}", expected=value, in_actual=False)
        for path, value in plan.changes.state.items()
    )
    return (Divergence(kind="missing", name="checkpoint", fields=fields),)


def _missing(
    run: Run, plan: Plan, log: SessionLog, unused: tuple[int, ...]
) -> tuple[Divergence, ...]:
    """Return a divergence a step never asked for.

    A frame's stands for those inside, unless parents are free: then frames are not
    looked at.
    """
    anywhere = not plan.matching.has_parents
    others = of_others(run)
    found: list[Divergence] = []
    for step in (run.steps[index] for index in unused):
        if step.index in log.replaced or _stands_inside(run, step, unused, anywhere):
            continue
        if _is_spare(run, step, log, unused):
            continue
        plain = Divergence(
            kind="missing",
            name=step.call.name,
            step=step.index,
            parent=parents_of(run, step.index),
            reason=_OFF_SEAM if step.index in others else "",
            follows=bool(log.divergences or log.lines),
        )
        found.append(replace(plain, cause=cause_of(plain, altered=log.altered)))
    return tuple(found)


def _is_spare(run: Run, step: Step, log: SessionLog, unused: tuple[int, ...]) -> bool:
    """Return whether a pool's other workers, recorded or not, did all its work."""
    if step.call.kind != "process":
        return False
    inside = {each.index for each in run.steps if each.parent == step.index}
    others = log.asked & {*alike_processes(step, run.steps), *inside}
    return bool(others) and inside.isdisjoint(unused)


def _stands_inside(
    run: Run,
    step: Step,
    unused: tuple[int, ...],
    anywhere: bool,  # noqa: FBT001 - private
) -> bool:
    """Return whether another divergence stands for this step, or none has to."""
    if anywhere:
        return step.call.kind in FRAME_KINDS
    if step.parent is None or step.parent not in unused:
        return False
    return run.steps[step.parent].call.kind in FRAME_KINDS
