"""What the root spans say about the run as a whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from otel_agent_replay import semconv
from otel_agent_replay.instrument.providers.json_access import (
    object_of,
    sequence,
)
from otel_agent_replay.loader.draft import number
from otel_agent_replay.loader.semantic import payload_or_none, read_error
from otel_agent_replay.model.call import Outcome
from otel_agent_replay.model.encoding import MISSING, read_call
from otel_agent_replay.model.payload import JsonObject, JsonValue
from otel_agent_replay.model.run import ParentRun, PolicyId, RunClass, RunStatus
from otel_agent_replay.model.span import Attributes, SpanRecord

__all__ = [
    "input_and_outcome",
    "json_object",
    "parent_run",
    "policy",
    "run_class",
    "run_status",
    "superseded",
    "tags",
    "told",
]

_STATUSES: Final[dict[str, RunStatus]] = {
    "success": "success",
    "failed": "failed",
    "interrupted": "interrupted",
}
_CLASSES: Final[dict[str, RunClass]] = {
    "success": "success",
    "failed": "failed",
    "flagged": "flagged",
    "test": "test",
}
_T = TypeVar("_T")


def told(roots: list[SpanRecord], read: Callable[[Attributes], _T | None]) -> _T | None:
    """Return what the latest root that knows says; None if none does."""
    found = (read(root.attributes) for root in reversed(roots))
    return next((value for value in found if value is not None), None)


def run_status(roots: list[SpanRecord], *, cut_off: bool) -> RunStatus:
    """Return how the run ended; that of a foreign root follows its span's status."""
    if cut_off or not roots:
        return "interrupted"
    last = roots[-1]
    if semconv.RUN_STATUS in last.attributes:
        return _STATUSES.get(last.attributes[semconv.RUN_STATUS], "interrupted")
    return "failed" if last.status_code == "Error" else "success"


def run_class(roots: list[SpanRecord], status: RunStatus) -> RunClass:
    """Return the class that was given to the run, or the one that follows."""
    given: RunClass | None = told(roots, _given_class)
    if given is not None:
        return given
    return "success" if status == "success" else "failed"


def _given_class(values: Attributes) -> RunClass | None:
    return _CLASSES.get(values.get(semconv.RUN_CLASS, ""))


def parent_run(values: Attributes) -> ParentRun | None:
    """Return the run that this one came from."""
    run_id = values.get(semconv.RUN_PARENT_ID)
    if run_id is None:
        return None
    fork = values.get(semconv.RUN_PARENT_RELATION) == "fork"
    return ParentRun(
        run_id=run_id,
        relation="fork" if fork else "replay",
        step=number(values, semconv.RUN_PARENT_STEP),
    )


def policy(values: Attributes) -> PolicyId | None:
    """Return the redaction policy the run was recorded under."""
    name = values.get(semconv.POLICY_NAME)
    if name is None:
        return None
    return PolicyId(name=name, version=values.get(semconv.POLICY_VERSION, ""))


def tags(values: Attributes) -> tuple[str, ...] | None:
    """Return the run's tags."""
    listed = sequence(payload_or_none(values.get(semconv.RUN_TAGS, "")))
    return tuple(each for each in listed if isinstance(each, str)) or None


def json_object(values: Attributes, name: str) -> JsonObject | None:
    """Return an attribute that is a JSON object; None if it is none or empty."""
    return object_of(payload_or_none(values.get(name, ""))) or None


def input_and_outcome(roots: list[SpanRecord]) -> tuple[JsonValue, Outcome]:
    """Return what the run was given, and how its last part ended."""
    if not roots:
        return None, Outcome()
    readings = [
        read_call("agent", root.name, "read", root.attributes, root.events)
        for root in roots
    ]
    inputs = [each.call.inputs for each in readings if each.call.inputs is not None]
    last = readings[-1]
    given: JsonValue = inputs[-1] if inputs else _messages(roots[-1], asked=True)
    if last.dropped == MISSING:
        answer = _messages(roots[-1], asked=False)
        return given, Outcome(value=answer, error=read_error(roots[-1]))
    return given, last.outcome


def _messages(root: SpanRecord, *, asked: bool) -> JsonValue:
    name = semconv.INPUT_MESSAGES if asked else semconv.OUTPUT_MESSAGES
    return payload_or_none(root.attributes.get(name, ""))


def superseded(roots: list[SpanRecord]) -> frozenset[str]:
    """Return the ids of steps that a resume of the run made again."""
    texts = [root.attributes.get(semconv.RUN_SUPERSEDED, "") for root in roots]
    return frozenset(name for text in texts for name in text.split(",") if name)
