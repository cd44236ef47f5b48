"""What a session does: replay, resume or fork, and what a fork changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias, get_args

from otel_agent_replay import semconv
from otel_agent_replay.errors import ConfigurationError
from otel_agent_replay.model.call import FRAME_KINDS, Call
from otel_agent_replay.model.payload import JsonObject, JsonValue
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step
from otel_agent_replay.replay.differing import names_of
from otel_agent_replay.replay.matching import Matching

__all__ = [
    "UNCHANGED",
    "Changes",
    "Mode",
    "Plan",
    "Reads",
    "changed_state",
    "gaps_in_the_way",
    "plan_of",
]

Mode: TypeAlias = Literal["replay", "resume", "fork"]
Reads: TypeAlias = Literal["live", "parent"]
_READS: Final = frozenset({"tool", "retrieval", "memory", "http"})


class _Unchanged:
    def __repr__(self) -> str:
        return "UNCHANGED"


UNCHANGED: Final = _Unchanged()
"""Says that a fork leaves the result as it was recorded (None is a result)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a fork changes.

    Attributes:
        state: Dotted path into the state (`max_retries`, `limits.depth`) to its new
            value; for the first checkpoint at or after the fork step.
        result: The fork step's result in place of the recorded one; a tool's.
        answer: The fork step's answer in place of the recorded one; a model's text.
        system: System prompt of every model call after the fork.
        model: Model of every model call after the fork.
        parameters: Wire parameters of every model call after the fork.
        tools: What every model call after the fork offers, if it offers tools: names
            of what it offers anyway, and further tools; None changes nothing.
    """

    state: Mapping[str, JsonValue] = field(default_factory=dict)
    result: JsonValue | _Unchanged = UNCHANGED
    answer: str | None = None
    system: str | None = None
    model: str | None = None
    parameters: JsonObject = field(default_factory=dict)
    tools: tuple[JsonValue, ...] | None = None

    @property
    def rewrites_requests(self) -> bool:
        """Whether model calls after the fork are sent changed."""
        told = (self.system, self.tools)
        given = any(each is not None for each in told)
        return bool(given or self.model or self.parameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A session's plan.

    Attributes:
        mode: What it is.
        shared: Indices of the steps that answer; the others go live if asked for.
        at: The fork step.
        changes: What the fork changes.
        allow_writes: Names (tools, hosts) of writes that may run live; `*` is all.
        matching: How a call finds its step.
        live: Kinds, hosts or names of calls that go live where no step answers.
        cut_off: Whether it goes on with a run that was cut off.
        reads: Whether reads after a fork go `live`, or are answered from the `parent`
            where it made the same.
        gives_input: Whether the agent is given the run's input, whatever it is
            called with.
    """

    mode: Mode
    shared: frozenset[int]
    at: int | None = None
    changes: Changes = field(default_factory=Changes)
    allow_writes: frozenset[str] = frozenset()
    matching: Matching = field(default_factory=Matching)
    live: frozenset[str] = frozenset()
    cut_off: bool = False
    reads: Reads = "live"
    gives_input: bool = False

    def answers_read(self, step: Step) -> bool:
        """Return whether a step after the fork answers a call that asks for the same."""
        call = step.call
        is_read = call.effect == "read" and call.kind in _READS
        return self.reads == "parent" and is_read and not _unfinished(step)

    def may_go_live(self, call: Call) -> bool:
        """Return whether a call may run where no step answers; a write needs more."""
        return bool(self.live & {call.kind, *names_of(call)})

    def may_write(self, call: Call) -> bool:
        """Return whether a write may run live.

        In a resume one that has an idempotency key may: what was written ahead of it
        decides.
        """
        if self.mode == "resume" and semconv.STEP_WRITE_ID in call.attributes:
            return True
        return "*" in self.allow_writes or bool(names_of(call) & self.allow_writes)


def plan_of(  # noqa: PLR0913 - what a session is asked for
    run: Run,
    mode: Mode,
    *,
    at: int | None = None,
    changes: Changes | None = None,
    allow_writes: frozenset[str] = frozenset(),
    matching: Matching | None = None,
    live: frozenset[str] = frozenset(),
    reads: Reads = "live",
) -> Plan:
    """Return the plan of a session on a run.

    A replay shares every step. A fork shares steps 0…at. A resume shares what had
    finished: all but the failed calls at the end, which are made again; of a run
    that succeeded, everything. After a run that ended in order, a resume may write;
    after one that was cut short a write may have been under way unseen, so new
    writes need their name in `allow_writes`.

    Raises:
        StepNotFoundError: The run has no step `at`.
        ConfigurationError: The changes do not fit the fork step, or `reads` is no
            choice.
    """
    if reads not in get_args(Reads):
        raise ConfigurationError("reads", f"{reads!r} is neither 'live' nor 'parent'")
    cut_off = mode == "resume" and _was_cut_off(run)
    used = [step.index for step in run.steps if _has_answer(step)]
    shared = frozenset(used)
    if mode == "resume":
        shared = frozenset(used) - _made_again(run)
        if not cut_off:
            allow_writes = frozenset({"*"})
    if mode == "fork":
        if at is None:
            raise ConfigurationError("at", "a fork needs the step to fork after")
        _check(run, run.step(at), changes or Changes())
        _check_tools(run, changes or Changes())
        shared = frozenset(i for i in used if i <= at)
    return Plan(
        mode=mode,
        shared=shared,
        at=at,
        changes=changes or Changes(),
        allow_writes=allow_writes,
        matching=matching or Matching(),
        live=live,
        cut_off=cut_off,
        reads=reads,
    )


def _was_cut_off(run: Run) -> bool:
    """Return whether a process of the run was ever killed, though a resume ended well.

    What that process was about to write is not known by that.
    """
    roots = (span.attributes.get(semconv.RUN_STATUS) for span in run.spans)
    cut = run.status == "interrupted" or "interrupted" in roots
    return cut or any(step.is_open for step in run.steps)


def gaps_in_the_way(run: Run, mode: Mode) -> list[str]:
    """Return the gaps for which a session must not begin unless it is told to.

    What a killed process lost with its last moments a resume makes again: a read does
    no harm, and a write is stopped, or decided by what was written ahead of it.
    """
    return [gap.text for gap in run.gaps if not (mode == "resume" and gap.at_end)]


def _has_answer(step: Step) -> bool:
    """Return whether a call can be given what came of this one."""
    if step.is_open and step.call.kind not in FRAME_KINDS:
        return False
    return not step.superseded


def _made_again(run: Run) -> set[int]:
    """Return the failed calls at the end: after them nothing began that finished.

    Calls side by side may end in any order; one that began before another failed does
    not show that the agent went on. What only holds calls is made again if all in it
    are; else it is gone on with.
    """
    again: set[int] = set()
    if run.status == "success":
        return again
    kept_inside: set[int | None] = set()
    last_began = 0
    for step in reversed(run.steps):
        if step.superseded:
            continue
        failed = _unfinished(step)
        frame = step.call.kind in FRAME_KINDS
        holds_kept = frame and step.index in kept_inside
        if failed and last_began < step.end_ns and not holds_kept:
            again.add(step.index)
            continue
        kept_inside.add(step.parent)
        if not (failed and frame):
            last_began = max(last_began, step.start_ns)
    return again | _inside(run, again)


def _inside(run: Run, calls: set[int]) -> set[int]:
    """Return the steps that calls will make again themselves."""
    found: set[int] = set()
    for step in run.steps:
        parent = step.parent
        if parent in found or (
            parent in calls and run.steps[parent].call.kind not in FRAME_KINDS
        ):
            found.add(step.index)
    return found


def _unfinished(step: Step) -> bool:
    return step.outcome.failed or step.outcome.ended != "complete" or _refused(step)


def _refused(step: Step) -> bool:
    response = step.outcome.response
    return response is not None and response.status >= 400  # noqa: PLR2004 - HTTP errors


def _check_tools(run: Run, changes: Changes) -> None:
    """Check that every name among the tools is one that a model was offered."""
    offered = {
        tool.get("name") or tool.get("type")
        for step in run.steps
        if step.request
        for tool in step.request.tools
    }
    for each in changes.tools or ():
        if isinstance(each, str) and each not in offered:
            known = ", ".join(sorted(name for name in offered if isinstance(name, str)))
            problem = f"no model was offered {each!r}; it was offered {known or 'none'}"
            raise ConfigurationError("tools", problem)


def _check(run: Run, step: Step, changes: Changes) -> None:
    kind, what = step.call.kind, f"step {step.index} is a {step.call.kind}"
    if step.superseded:
        raise ConfigurationError(
            "at", f"step {step.index} was made again by a resume; give the later one"
        )
    if changes.answer is not None and kind != "model":
        raise ConfigurationError("answer", f"{what}, no model call")
    if changes.result is not UNCHANGED and kind not in _WITH_RESULT:
        raise ConfigurationError(
            "result",
            f"{what}; a result can be given for a tool, use `answer` for a model and "
            "`state` for a checkpoint",
        )
    changed = changes.answer is not None or changes.result is not UNCHANGED
    answered = _answered_above(run, step) if changed else None
    if answered is not None:
        raise ConfigurationError(
            "at",
            f"step {step.index} is inside step {answered.index}, {answered.call.name}, "
            "which is answered as a whole; fork there",
        )


_WITH_RESULT: Final = frozenset({"tool", "retrieval", "memory", "approval"})


def _answered_above(run: Run, step: Step) -> Step | None:
    """Return the outermost call that a step is inside and that runs no code."""
    found: Step | None = None
    while step.parent is not None:
        step = run.steps[step.parent]
        found = found if step.call.kind in FRAME_KINDS else step
    return found


def changed_state(state: JsonValue, changes: Mapping[str, JsonValue]) -> JsonValue:
    """Return a state with values set at dotted paths.

    Objects (`$type: object`) are entered through their fields; lists by number.

    Raises:
        ConfigurationError: A path leads nowhere.
    """
    for path, value in changes.items():
        state = _with(state, path.split("."), value, path)
    return state


def _with(node: JsonValue, keys: list[str], value: JsonValue, path: str) -> JsonValue:
    if not keys:
        return value
    key, rest = keys[0], keys[1:]
    if isinstance(node, dict) and node.get("$type") == "object":
        return {**node, "value": _with(node.get("value"), keys, value, path)}
    if isinstance(node, dict) and (key in node or not rest):
        return {**node, key: _with(node.get(key), rest, value, path)}
    if isinstance(node, list) and key.isdecimal() and int(key) < len(node):
        changed = [*node]
        changed[int(key)] = _with(changed[int(key)], rest, value, path)
        return changed
    raise ConfigurationError(f"state.{path}", f"the state has no {key!r} there")
