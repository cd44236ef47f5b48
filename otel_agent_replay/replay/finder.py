"""Finds the recorded step that answers a call, in the way that was asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from otel_agent_replay.errors import ConfigurationError
from otel_agent_replay.lanes import Lane, here
from otel_agent_replay.model.call import FRAME_KINDS, Call
from otel_agent_replay.model.canonical import canonical_text
from otel_agent_replay.model.divergence import Normalised
from otel_agent_replay.model.key import address_of, asked_for
from otel_agent_replay.model.messages import ModelRequest
from otel_agent_replay.model.payload import JsonObject
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step
from otel_agent_replay.replay.matching import Chooser, Matching
from otel_agent_replay.replay.normalise import Found, normalised, where_normalised
from otel_agent_replay.replay.order import Order
from otel_agent_replay.replay.semantic import is_semantic, said
from otel_agent_replay.replay.stubs import Stubs

__all__ = ["Finder", "Hit"]

_Form: TypeAlias = tuple[bytes, tuple[Found, ...]]
_BODY: Final = "body"
_NO_LANES: Final = (
    "it was not recorded which task or thread made a call, so the order of calls is "
    "not looked at"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A step that answers a call.

    Attributes:
        step: The step.
        normalised: Where the call differs from it, by nature.
        late: Whether one was asked for before it that had come after it.
    """

    step: Step
    normalised: tuple[Normalised, ...] = ()
    late: bool = False


class Finder:
    """Finds each step once. Not safe from several threads."""

    def __init__(
        self,
        run: Run,
        matching: Matching,
        read: Callable[[Call], ModelRequest | None] = lambda _: None,
        *,
        cut_off: bool = False,
    ) -> None:
        """Make a finder.

        Args:
            run: The recorded run.
            matching: How calls are matched.
            read: Reads what a model call says off the wire.
            cut_off: Whether a process of the run was killed, and is gone on with.
        """
        self.stubs = Stubs(run, cut_off=cut_off)
        self._matching = matching
        self._read = read
        self._forms: dict[int, _Form] = {}
        self._words: dict[int, bytes] = {}
        self._order: Order | None = None
        if matching.is_ordered:
            self._order = Order(run, whole=matching.mode == "ordered")
        self.notes = _notes(run, matching)
        """What a reader should know from the start."""

    @property
    def lines(self) -> list[list[int]]:
        """The steps that were asked for in one line of calls, in that order."""
        return self._order.lines if self._order else []

    def new_doubts(self) -> list[str]:
        """Return where chance decided since the last time."""
        return self.stubs.new_doubts()

    def find(self, parent: int | None, call: Call, lane: Lane) -> Hit | None:
        """Return the step that answers a call made under a parent, or None.

        Raises:
            ConfigurationError: The user's function chose what it was not given.
        """
        step = self._equal(parent, call, lane)
        differing: tuple[Normalised, ...] = ()
        if step is None and self._matching.is_semantic:
            step = self._said(call, lane)
        if step is None:
            found = self._alike(parent, call, lane)
            if found is None:
                return None
            step, differing = found
        late = self._order is not None and self._order.is_late(step, lane)
        return Hit(step=step, normalised=differing, late=late)

    def read_like(self, call: Call, answers: Callable[[Step], bool]) -> Step | None:
        """Return the next step anywhere that asks for the same and may answer, or None."""
        lane = here()
        step = self.stubs.next_anywhere(self.stubs.key(call), lane)
        if step is None or not answers(step):
            return None
        return self.stubs.give(step, lane)

    def _equal(self, parent: int | None, call: Call, lane: Lane) -> Step | None:
        choose = self._matching.choose
        if choose is not None and call.kind not in {*FRAME_KINDS, "checkpoint"}:
            return self._users(choose, call, lane)
        key = self.stubs.key(call)
        if self._matching.has_parents:
            return self.stubs.take(parent, key, lane)
        return self.stubs.take_anywhere(parent, key, lane)

    def _users(self, choose: Chooser, call: Call, lane: Lane) -> Step | None:
        left = [step for step in self.stubs.all_left() if step.call.kind == call.kind]
        chosen = choose(call, left)
        if chosen is None:
            return None
        if not any(chosen is step for step in left):
            problem = (
                f"the function returned none of the {len(left)} steps it was given"
            )
            raise ConfigurationError("match", problem)
        return self.stubs.give(chosen, lane)

    def _said(self, call: Call, lane: Lane) -> Step | None:
        """Return the next model step without bytes in which the same was said."""
        asked = self._read(call)
        if asked is None:
            return None
        wanted = said(asked)
        return self.stubs.take_of(
            (
                step
                for step in self.stubs.all_left()
                if is_semantic(step) and self._said_in(step) == wanted
            ),
            lane,
        )

    def _said_in(self, step: Step) -> bytes | None:
        found = self._words.get(step.index)
        if found is None and step.request is not None:
            found = self._words[step.index] = said(step.request)
        return found

    def _alike(
        self, parent: int | None, call: Call, lane: Lane
    ) -> tuple[Step, tuple[Normalised, ...]] | None:
        """Return the next step that is equal but for what was told to be left out."""
        if not self._matching.normalise or call.kind == "checkpoint":
            return None
        has_parents = self._matching.has_parents
        left = self.stubs.left(parent) if has_parents else self.stubs.all_left()
        text, found = self._form(call)
        alike = (
            step
            for step in left
            if step.call.kind == call.kind and self._form_of(step)[0] == text
        )
        step = self.stubs.take_of(alike, lane)
        if step is None:
            return None
        places = where_normalised(self._form_of(step)[1], found)
        return step, tuple(
            Normalised(
                step=step.index,
                normaliser=each.normaliser,
                path=each.path.removeprefix(_BODY).removeprefix("."),
            )
            for each in places
        )

    def _form_of(self, step: Step) -> _Form:
        form = self._forms.get(step.index)
        if form is None:
            form = self._forms[step.index] = self._form(step.call)
        return form

    def _form(self, call: Call) -> _Form:
        host = call.kind != "model" or not self.stubs.any_host
        url = address_of(call, host=host)
        value: JsonObject = {_BODY: asked_for(call), "url": url}
        plain, found = normalised(value, self._matching.normalise)
        name = "" if call.request else call.name
        return canonical_text([name, plain]), found


def _notes(run: Run, matching: Matching) -> tuple[str, ...]:
    calls = [step for step in run.steps if step.call.kind != "process"]
    known = any(step.lane is not None for step in calls)
    if not matching.is_ordered or matching.mode == "ordered" or known:
        return ()
    if len(calls) < 2:  # noqa: PLR2004 - one has no order
        return ()
    return (_NO_LANES,)
