"""A run as tests read it: short questions, answered in plain JSON."""

from __future__ import annotations

import copy
from typing import Final

from otel_agent_replay.errors import StepNotFoundError
from otel_agent_replay.model.payload import JsonObject, JsonValue
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step

__all__ = ["GoldenRun", "plain"]

_TYPE: Final = "$type"
_MODEL: Final = "model"


class GoldenRun:
    """What the agent did, to be asserted.

    Every answer is plain JSON (or a number or text) and the asker's own copy, so it
    can be compared, changed, and given to inline-snapshot or syrupy.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    def __repr__(self) -> str:
        return f"<the run of {self._run.agent_name}: {len(self._run.steps)} steps>"

    @property
    def run(self) -> Run:
        """The whole run, with its wire requests and answers."""
        return self._run

    @property
    def answer(self) -> JsonValue:
        """What the agent returned; of a generator, what it yielded."""
        outcome = self._run.outcome
        if outcome.items is not None:
            return [plain(each) for each in outcome.items]
        return plain(outcome.value)

    @property
    def error(self) -> str | None:
        """Class name and message of the exception that ended it; None if none did."""
        error = self._run.outcome.error
        if error is None:
            return None
        name = error.type_name.rpartition(":")[2]
        return f"{name}: {error.message}" if error.message else name

    @property
    def status(self) -> str:
        """How it ended: `success`, `failed` or `interrupted`."""
        return self._run.status

    @property
    def tools(self) -> list[str]:
        """The names of the tools it called, in order."""
        return [each.call.name for each in self._of("tool")]

    @property
    def models(self) -> list[str]:
        """The models it asked, in order."""
        steps = self._of(_MODEL)
        return [
            s.request.model or s.call.name if s.request else s.call.name for s in steps
        ]

    @property
    def tool_calls(self) -> list[JsonObject]:
        """Its tool calls in order: name, arguments, and result or error."""
        return [_row(each) for each in self._of("tool")]

    @property
    def steps(self) -> list[JsonObject]:
        """Its steps in order: index, kind, name, and what was asked and answered.

        Of models that is what was said, of checkpoints the state.
        """
        return [
            {"index": step.index, "kind": step.call.kind, **_row(step)}
            for step in self._run.steps
            if not step.superseded
        ]

    @property
    def states(self) -> list[JsonValue]:
        """Every state it went on with, in order of its `checkpoint(state)` calls."""
        return [_state(each) for each in self._of("checkpoint")]

    @property
    def state(self) -> JsonValue:
        """The last state; None if it never told one."""
        states = self.states
        return states[-1] if states else None

    @property
    def cost_usd(self) -> float | None:
        """US dollars of all priced steps, as recorded; None if none has a price."""
        return self._run.cost_usd

    @property
    def tokens(self) -> int:
        """Input and output tokens of all model steps that say theirs."""
        usage = self._run.usage
        return (usage.input_tokens or 0) + (usage.output_tokens or 0)

    def calls(self, name: str | None = None) -> int:
        """Return how many tools of this name it called; without one, of any."""
        return len([each for each in self.tools if name in {None, each}])

    def state_at(self, index: int) -> JsonValue:
        """Return the state it had after a step.

        Raises:
            StepNotFoundError: It made no such step.
            LookupError: It had told no state by then.
        """
        if not 0 <= index < len(self._run.steps):
            raise StepNotFoundError(self._run.run_id, index, len(self._run.steps))
        past = [each for each in self._of("checkpoint") if each.index <= index]
        if not past:
            message = (
                f"the agent told no state up to step {index}: no checkpoint(state)"
            )
            raise LookupError(message)
        return _state(past[-1])

    def messages_at(self, index: int) -> list[JsonValue]:
        """Return the conversation after a step, as the model saw it.

        Raises:
            StepNotFoundError: It made no such step.
        """
        found = self._run.checkpoint(index).messages
        return [copy.deepcopy(each.to_json()) for each in found]

    def _of(self, kind: str) -> list[Step]:
        steps = self._run.steps
        return [
            each for each in steps if each.call.kind == kind and not each.superseded
        ]


def _row(step: Step) -> JsonObject:
    found: JsonObject = {"name": step.call.name}
    if step.call.kind == _MODEL:
        said = step.response.messages if step.response else ()
        found["said"] = [copy.deepcopy(each.to_json()) for each in said]
    elif step.call.kind == "checkpoint":
        found["state"] = _state(step)
    else:
        found["arguments"] = plain(step.call.arguments)
        found["result"] = plain(step.outcome.value)
        if step.outcome.items is not None:
            found["result"] = [plain(each) for each in step.outcome.items]
    if step.outcome.error is not None:
        found["error"] = step.outcome.error.message
        found.pop("result", None)
    return found


def _state(step: Step) -> JsonValue:
    if step.outcome.value is not None:
        return plain(step.outcome.value)
    return plain((step.call.inputs or {}).get("state"))


def plain(value: JsonValue) -> JsonValue:
    """Return a recorded value without the notes on its Python classes.

    An object becomes its fields, a tuple or set a list; what has no JSON form of its
    own (a date, bytes) becomes its text.
    """
    if isinstance(value, list):
        return [plain(each) for each in value]
    if not isinstance(value, dict):
        return value
    return _untagged(value) if _TYPE in value else _items(value)


def _items(value: JsonObject) -> JsonObject:
    return {key: plain(item) for key, item in value.items()}


def _untagged(value: JsonObject) -> JsonValue:
    match value:
        case {"items": [*pairs], "$type": "dict"}:
            return {str(p[0]): plain(p[1]) for p in pairs if isinstance(p, list)}
        case {"items": [*items]}:
            return [plain(each) for each in items]
        case {"value": inner}:
            return plain(inner)
        case _:
            return _items(value)
