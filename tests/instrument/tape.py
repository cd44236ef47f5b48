"""Interceptors for tests of what is on the seam: one notes, one answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

from otel_agent_replay import intercept
from otel_agent_replay.model.call import Call, Outcome
from otel_agent_replay.model.encoding import call_events, read_call


@dataclass
class Entry:
    """A call and what came back."""

    call: Call
    outcome: Outcome | None = None
    inside: str | None = None


@dataclass
class Tape:
    """Notes every call, in order of its start."""

    entries: list[Entry] = field(default_factory=list)

    def before(self, opened: intercept.OpenCall) -> None:
        parent = opened.parent.call.name if opened.parent else None
        opened.notes[self] = Entry(opened.call, inside=parent)
        self.entries.append(opened.notes[self])

    def after(self, opened: intercept.OpenCall, outcome: Outcome) -> None:
        opened.notes[self].outcome = outcome

    def scope(self, _: intercept.OpenCall) -> AbstractContextManager[None]:
        return nullcontext()

    __hash__ = object.__hash__

    @property
    def inputs(self) -> list[object]:
        return [each.call.inputs for each in self.entries]

    @property
    def outcomes(self) -> list[Outcome | None]:
        return [each.outcome for each in self.entries]

    @property
    def only(self) -> Entry:
        (entry,) = self.entries
        return entry


class Player:
    """Answers each call with what a tape says, in order, as a store gives it back."""

    def __init__(self, tape: Tape) -> None:
        self.left = [each.outcome for each in tape.entries]
        self.outcomes: list[Outcome] = []

    def before(self, opened: intercept.OpenCall) -> Outcome:
        call = opened.call
        events = call_events(call, self.left.pop(0))
        return read_call(call.kind, call.name, call.effect, {}, events).outcome

    def after(self, _: intercept.OpenCall, outcome: Outcome) -> None:
        self.outcomes.append(outcome)

    def scope(self, _: intercept.OpenCall) -> AbstractContextManager[None]:
        return nullcontext()


@contextmanager
def recorded() -> Iterator[Tape]:
    """Note what is called inside."""
    tape = Tape()
    with intercept.session(tape):
        yield tape


@contextmanager
def answered(tape: Tape) -> Iterator[Player]:
    """Answer what is called inside."""
    player = Player(tape)
    with intercept.session(player):
        yield player
