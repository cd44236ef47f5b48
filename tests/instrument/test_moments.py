"""Checkpoints and approvals."""

from __future__ import annotations

import dataclasses
import enum
import inspect

import pydantic
import pytest

from otel_agent_replay import approval, checkpoint, intercept
from otel_agent_replay.errors import ResultTypeError
from otel_agent_replay.model.call import Outcome
from otel_agent_replay.model.natives import to_json
from tests.instrument.tape import Tape, answered, recorded


class Answering(Tape):
    """Answers a checkpoint with another state."""

    def __init__(self, value: object) -> None:
        super().__init__()
        self.value = to_json(value)

    def before(self, opened: intercept.OpenCall) -> Outcome:
        super().before(opened)
        return Outcome(value=self.value)


class Decision(enum.Enum):
    YES = "yes"
    NO = "no"


@dataclasses.dataclass
class State:
    tries: int
    notes: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    tries: int


class Model(pydantic.BaseModel):
    tries: int


# --- checkpoints -----------------------------------------------------------------------


def test_a_checkpoint_without_anybody_listening():
    """It gives back the very state."""
    state = {"a": object()}

    assert checkpoint(state) is state


@pytest.mark.parametrize(
    "state",
    [{"tries": 1}, State(1), Frozen(1), Model(tries=1), [1], 3, None, object()],
    ids=lambda value: type(value).__name__,
)
def test_a_checkpoint_records_the_state_and_gives_it_back(state):
    """The very state, as it is then."""
    with recorded() as tape:
        assert checkpoint(state, name="loop") is state

    entry = tape.only
    assert (entry.call.kind, entry.call.name) == ("checkpoint", "loop")
    assert entry.call.inputs["state"] == entry.outcome.value == to_json(state)
    with answered(tape):
        assert checkpoint(state) is state


@pytest.mark.parametrize(
    ("state", "changed"),
    [
        ({"tries": 1, "old": 1}, {"tries": 2, "new": 1}),
        ([1, 2], [3]),
        (State(1, ["a"]), State(2, ["b"])),
        (Frozen(1), Frozen(2)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_changed_state_is_changed_in_place(state, changed):
    """`checkpoint(state)` alone is enough."""
    with intercept.session(Answering(changed)):
        found = checkpoint(state)

    assert found is state
    assert state == changed


@pytest.mark.parametrize(
    ("state", "changed"),
    [
        (Model(tries=1), Model(tries=2)),
        ((1, 2), (3,)),
        (3, 4),
        ("a", None),
        (Decision.NO, Decision.YES),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_changed_state_that_cannot_be_changed_is_returned(state, changed):
    """As a new one, of the same class."""
    with intercept.session(Answering(changed)):
        found = checkpoint(state)

    assert found == changed
    assert type(found) is type(changed)


def test_objects_inside_a_changed_state():
    """They come back as the classes that are in the state."""
    state = {"state": State(1), "models": [Model(tries=1)], "decision": Decision.NO}
    changed = {"state": State(2), "models": [Model(tries=2)], "decision": Decision.YES}

    with intercept.session(Answering(changed)):
        checkpoint(state)

    assert state == changed


def test_a_change_to_what_the_state_has_not():
    """It is an error that names the class."""
    changed = Answering({"a": State(1)})

    with intercept.session(changed), pytest.raises(ResultTypeError, match="State"):
        checkpoint({"a": 1})


def test_an_interceptor_that_stops_a_checkpoint():
    """What it raises leaves through the agent."""

    class Stopping(Tape):
        def before(self, _):
            raise KeyboardInterrupt

    with intercept.session(Stopping()), pytest.raises(KeyboardInterrupt):
        checkpoint({})


# --- approvals -------------------------------------------------------------------------


def decide() -> Decision:
    return Decision.YES


async def decide_later() -> Decision:
    return Decision.YES


def fail() -> bool:
    raise TimeoutError("nobody there")


def test_an_approval_without_anybody_listening():
    """The person is asked."""
    assert approval("refund", ask=decide) is Decision.YES


def test_an_approval_is_recorded_with_what_was_shown():
    """And the decision comes back as what it was, without asking."""
    with recorded() as tape:
        assert approval("refund", ask=decide, amount=40, state=State(1)) is Decision.YES

    entry = tape.only
    assert (entry.call.kind, entry.call.name) == ("approval", "refund")
    assert entry.call.inputs["amount"] == 40
    with answered(tape):
        assert approval("refund", ask=decide, amount=40) is Decision.YES


@pytest.mark.parametrize(
    "ask",
    [decide_later, lambda: decide_later()],  # noqa: PLW0108 - async in secret
    ids=["async", "lambda"],
)
async def test_an_async_approval_is_awaited(ask):
    """Both times, however it says that it is async."""
    with recorded() as tape:
        assert await approval("refund", ask=ask) is Decision.YES
    if ask is not decide_later:
        tape.only.outcome = dataclasses.replace(
            tape.only.outcome, value={"$type": "awaitable", "value": True}
        )

    with answered(tape):
        pending = approval("refund", ask=ask)
        assert inspect.isawaitable(pending)
        assert await pending in {True, Decision.YES}


def test_a_failing_approval_fails_again():
    """With the same exception, without asking."""
    with recorded() as tape, pytest.raises(TimeoutError):
        approval("refund", ask=fail)

    with answered(tape), pytest.raises(TimeoutError, match="nobody there"):
        approval("refund", ask=lambda: True)


def test_what_asks_is_inside_the_approval():
    """A checkpoint made while a person thinks."""
    with recorded() as tape:
        approval("refund", ask=lambda: checkpoint(3))

    assert [each.inside for each in tape.entries] == [None, "refund"]
