"""What a replay tool is asked: an agent, and changes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from otel_agent_replay.model.payload import JsonValue

__all__ = ["CASES", "Case", "Expected", "Variant"]

Expected: TypeAlias = Literal["same", "caught", "right"]
"""`same`: the recorded answer, and no complaint. `caught`: a complaint. `right`: each
call its own answer, with or without a complaint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """Code that is replayed on a recording.

    Attributes:
        agent: Name of the function in `agents`.
        expected: What a good tool does.
        answer: The right answer to changed code that asks for more than was read, of
            a tool that has it all the same.
    """

    agent: str
    expected: Expected
    answer: JsonValue = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An agent that is recorded, and what is replayed on its recording.

    Attributes:
        name: What a table calls it.
        agent: The recorded agent, by its name in `agents`; replayed first, unchanged.
        variants: Changed code.
        refuse: Statuses that the first model requests get.
    """

    name: str
    agent: str
    variants: tuple[Variant, ...] = ()
    refuse: tuple[int, ...] = ()

    @property
    def all(self) -> tuple[Variant, ...]:
        """The unchanged code and the changed."""
        return (Variant(agent=self.agent, expected="same"), *self.variants)


def _caught(*agents: str) -> tuple[Variant, ...]:
    return tuple(Variant(agent=each, expected="caught") for each in agents)


def _right(*agents: str) -> tuple[Variant, ...]:
    return tuple(Variant(agent=each, expected="right") for each in agents)


_WHOLE: Final[list[JsonValue]] = [
    *(f'data: {{"piece": {index}, "seen": 0}}' for index in range(5)),
    "data: [DONE]",
]

CASES: Final = (
    Case(name="sequential", agent="sequential"),
    Case(
        name="gather",
        agent="gather",
        variants=(*_right("gather_otherwise"), *_caught("gather_changed")),
    ),
    Case(
        name="threads",
        agent="threads",
        variants=(*_right("threads_otherwise"), *_caught("threads_changed")),
    ),
    Case(name="processes", agent="processes", variants=_caught("processes_changed")),
    Case(
        name="nested agents",
        agent="nested",
        variants=(*_right("nested_otherwise"), *_caught("nested_changed")),
    ),
    Case(
        name="repeats with different results",
        agent="repeats",
        variants=_caught("repeats_once_more", "repeats_once_less"),
    ),
    Case(name="swapped order", agent="sequential", variants=_right("swapped")),
    Case(
        name="changed argument",
        agent="sequential",
        variants=_caught("changed_argument"),
    ),
    Case(name="extra call", agent="sequential", variants=_caught("extra_call")),
    Case(name="missing call", agent="sequential", variants=_caught("missing_call")),
    Case(name="exception", agent="exception", variants=_caught("exception_changed")),
    Case(
        name="retry after 429",
        agent="retry",
        variants=_caught("no_retry"),
        refuse=(429,),
    ),
    Case(
        name="retry after 500",
        agent="retry",
        variants=_caught("no_retry"),
        refuse=(500, 500),
    ),
    Case(
        name="cancelled stream",
        agent="cancelled_stream",
        variants=(Variant(agent="whole_stream", expected="caught", answer=_WHOLE),),
    ),
    Case(
        name="stream with an error",
        agent="broken_stream",
        variants=_caught("broken_stream_changed"),
    ),
    Case(
        name="redacted arguments swapped",
        agent="secret_arguments",
        variants=_right("secret_arguments_swapped"),
    ),
    Case(name="clock", agent="clock", variants=_caught("clock_unread")),
    Case(name="uuid", agent="identifier", variants=_caught("identifier_twice")),
    Case(name="random", agent="chance", variants=_caught("chance_otherwise")),
    Case(name="secrets", agent="secret", variants=_caught("secret_longer")),
    Case(
        name="environment", agent="environment", variants=_caught("environment_other")
    ),
)
