"""Sees where a session differs from its recording, and stops the agent if it must."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NoReturn

from otel_agent_replay.errors import RecordedStreamEndedError, ResultTypeError
from otel_agent_replay.model.call import Call, Outcome
from otel_agent_replay.model.divergence import (
    Divergence,
    FieldDifference,
    differences,
)
from otel_agent_replay.model.key import asked_for
from otel_agent_replay.model.native_classes import class_name, same_class
from otel_agent_replay.model.payload import JsonValue
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step
from otel_agent_replay.replay.causes import cause_of, follows
from otel_agent_replay.replay.differing import agreeing, differing, listed
from otel_agent_replay.replay.log import SessionLog
from otel_agent_replay.replay.plan import Plan

__all__ = ["ReplayStopped", "Witness"]

_UNUSABLE: Final = {
    class_name(each) for each in (ResultTypeError, RecordedStreamEndedError)
}


class ReplayStopped(BaseException):
    """Leaves the agent when a replay cannot go on, at every call from then on.

    Not an `Exception`: agent frameworks catch those and feed them to the model. The
    session turns it into a `DivergenceError` or `WriteBlockedError` outside.
    """


class Witness:
    """Writes differences into a log. Not safe from several threads."""

    def __init__(self, run: Run, plan: Plan, log: SessionLog) -> None:
        self._run = run
        self._names = plan.matching.normalise
        self._log = log

    def diverge(
        self, divergence: Divergence, *, fatal: bool = False, call: Call | None = None
    ) -> None:
        """Note a divergence with its cause; stop the agent at a fatal one.

        Raises:
            ReplayStopped: It is fatal.
        """
        log = self._log
        asked = asked_for(call) if call is not None else None
        self._log.divergences.append(
            replace(
                divergence,
                cause=cause_of(divergence, asked, log.altered),
                follows=follows(divergence, log.divergences),
            )
        )
        if fatal:
            self.stop()

    def stop(self) -> NoReturn:
        """Stop the agent.

        Raises:
            ReplayStopped: Always.
        """
        log = self._log
        log.stopped = True
        said = [*map(str, log.divergences[-1:]), *log.blocked[-1:]]
        raise ReplayStopped(*said[-1:])

    # --- what is compared, not matched ------------------------------------------

    def given(self, call: Call) -> None:
        """Compare the input of the agent's own call."""
        run = self._run
        fields = differences(run.agent_name, call.name, "agent")
        if run.root_span_id is not None:  # else it was cut before it was told
            fields += self._differing(run.input, call.inputs, "input")
        if fields:
            self.diverge(Divergence(kind="changed", name=call.name, fields=fields))

    def state(self, call: Call, step: Step) -> None:
        """Compare the state that a checkpoint was given."""
        fields = self._differing(step.call.inputs, call.inputs, "", step.index)
        if fields:
            self.diverge(
                Divergence(
                    kind="changed", name=call.name, step=step.index, fields=fields
                )
            )

    def end(self, now: Outcome) -> None:
        """Compare what the agent's own call ended with."""
        then = self._run.outcome
        fields = self._differing(then.value, now.value, "output")
        fields += self._differing(listed(then.items), listed(now.items), "items")
        errors = [e.type_name if e else None for e in (then.error, now.error)]
        if not same_class(errors[0] or "", errors[1] or ""):
            fields += differences(errors[0], errors[1], "error")
        if fields:
            found = Divergence(kind="changed", name=self._run.agent_name, fields=fields)
            cause = cause_of(found, None, self._log.altered)
            self._log.ends.append(replace(found, cause=cause))

    def unusable(
        self,
        name: str,
        step: int | None,
        above: tuple[str, ...],
        outcomes: Sequence[Outcome],
    ) -> None:
        """Note an answer that could not be given back, whoever catches the error."""
        answer, outcome = outcomes
        error = outcome.error
        if error is None or error.type_name not in _UNUSABLE:
            return
        was = answer.error.message if answer.error else None
        self.diverge(
            Divergence(
                kind="changed",
                name=name,
                step=step,
                parent=above,
                fields=differences(was, error.message, "answer"),
            )
        )

    def _differing(
        self, then: JsonValue, now: JsonValue, path: str, step: int | None = None
    ) -> tuple[FieldDifference, ...]:
        fields = differing(then, now, path)
        passed = agreeing(then, now, path, self._names) if fields else None
        if passed is None:
            return fields
        self._log.normalised += [replace(each, step=step) for each in passed]
        return ()
