"""Writes with an idempotency key: what keeps their intentions, and who decides."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final, TypeAlias, cast

from otel_agent_replay import intercept, semconv
from otel_agent_replay._setup.remembering import Remembering
from otel_agent_replay.capture.intentions import Intentions
from otel_agent_replay.capture.recorder import Recorder
from otel_agent_replay.errors import ConfigurationError
from otel_agent_replay.model.intention import (
    STOP,
    Decide,
    Decision,
    DoubtAction,
    Intention,
    IntentionLog,
    outcome_text,
)
from otel_agent_replay.model.key import key_of
from otel_agent_replay.model.natives import to_json
from otel_agent_replay.model.payload import JsonObject, JsonValue
from otel_agent_replay.model.run import Run
from otel_agent_replay.redact import Redactor
from otel_agent_replay.replay.plan import Plan
from otel_agent_replay.store import open_intentions, open_store

__all__ = [
    "Doubts",
    "InDoubt",
    "doubts_as_json",
    "doubts_from_json",
    "doubts_of",
    "in_doubt",
    "intentions_in",
    "say_writes",
]

_ACTIONS: Final[dict[str, DoubtAction]] = {
    "stop": "stop",
    "retry": "retry",
    "assume_done": "assume_done",
}
_EVERY: Final = "*"
_SPOOL_WAITS: Final = 5.0
"""Seconds; the first write of a process waits for the recording to have started."""

Doubts: TypeAlias = Mapping[str, Decision]
"""What becomes of writes in doubt: by `tool:key`, by tool, and `*` for the others."""

InDoubt: TypeAlias = (
    "str | Decision | Mapping[str, str | Decision]"
    " | Callable[[Intention], str | Decision]"
)
"""How a caller says so."""


def intentions_in(
    url: str,
    recorder: Recorder | Remembering,
    redactor: Callable[[], Redactor],
    spooled: Callable[[float], bool] = lambda _: True,
) -> Intentions:
    """Return what writes intentions into the store at a URL, once there are any.

    Args:
        url: The store.
        recorder: Knows which run a call is inside.
        redactor: Makes the redactor.
        spooled: Waits until what was recorded outlives the process, so many seconds.
    """

    def log() -> IntentionLog:
        with intercept.suppressed():
            open_store(url).close()  # makes it, should it not be there yet
            return open_intentions(url)

    def run_id_of(opened: intercept.OpenCall) -> str | None:
        run = recorder.run_of(opened)
        return run.run_id if run else None

    return Intentions(log, redactor, run_id_of, spool=partial(spooled, _SPOOL_WAITS))


# --- what a session knows ------------------------------------------------------------


def say_writes(intentions: Intentions, run: Run, plan: Plan, given: InDoubt) -> None:
    """Tell a session's intentions what is done already, and who decides on doubts.

    Raises:
        ConfigurationError: `given` is no decision.
    """
    intentions.known = {(w.tool, w.key): w for w in _known_writes(run, plan)}
    intentions.decide = _decided_by(given, intentions)


def _known_writes(run: Run, plan: Plan) -> Iterator[Intention]:
    """Yield the writes with a key that a session's run shares with a recorded one."""
    for step in run.steps:
        key = step.call.attributes.get(semconv.STEP_WRITE_ID)
        finished = not (step.is_open or step.outcome.failed)
        if isinstance(key, str) and finished and step.index in plan.shared:
            yield Intention(
                run_id=run.run_id,
                tool=step.call.name,
                key=key,
                digest=key_of(step.call),
                token=step.span_id,
                process="",
                began_ns=step.start_ns,
                state="done",
                outcome=outcome_text(step.outcome),
                ended_ns=step.end_ns,
            )


def in_doubt(run: Run, intentions: tuple[Intention, ...]) -> tuple[Intention, ...]:
    """Return those without an outcome, neither of their own nor as a step of the run."""
    ended = {
        (step.call.name, step.call.attributes.get(semconv.STEP_WRITE_ID))
        for step in run.steps
        if not step.is_open and not step.outcome.failed
    }
    return tuple(
        each
        for each in intentions
        if each.state == "open" and (each.tool, each.key) not in ended
    )


# --- who decides ---------------------------------------------------------------------


def _decided_by(given: InDoubt, intentions: Intentions) -> Decide:
    """Return what decides as the caller said.

    A write is found by its name as `show` prints it, or as it is before redaction.

    Raises:
        ConfigurationError: It is none of the answers.
    """
    if callable(given):
        ask = given
        return lambda intention: _decision(ask(intention))
    doubts = doubts_of(given)

    def decide(intention: Intention) -> Decision:
        redacted = intentions.redactor().text
        named = {redacted(name): each for name, each in doubts.items()} | {**doubts}
        names = (intention.name, intention.tool, _EVERY)
        return next((named[name] for name in names if name in named), STOP)

    return decide


def doubts_of(given: InDoubt) -> Doubts:
    """Return a caller's answer by names; a function is for this process alone.

    Raises:
        ConfigurationError: It is none of the answers.
    """
    if callable(given):
        return {}
    if isinstance(given, Mapping):
        return {str(name): _decision(each) for name, each in given.items()}
    return {_EVERY: _decision(given)}


def _decision(given: object) -> Decision:
    if isinstance(given, Decision):
        action, result = given.action, to_json(given.result)
    else:
        action, result = cast("DoubtAction", given), None
    if action not in _ACTIONS:
        known = "'stop', 'retry', 'assume_done'"
        raise ConfigurationError("in_doubt", f"{action!r} is none of {known}")
    return Decision(action=action, result=result)


def doubts_as_json(doubts: Doubts) -> JsonObject:
    """Return decisions as JSON, for the processes of a session."""
    return {
        name: {"action": each.action, "result": each.result}
        for name, each in doubts.items()
    }


def doubts_from_json(value: JsonValue) -> Doubts:
    """Return the decisions that `doubts_as_json` wrote.

    Raises:
        ConfigurationError: It did not write them.
    """
    given = value if isinstance(value, dict) else {}
    return {
        name: _decision(
            Decision(
                action=cast("DoubtAction", each.get("action")),
                result=each.get("result"),
            )
        )
        for name, each in given.items()
        if isinstance(each, dict)
    }
