"""How a live call finds the recorded step that answers it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

from otel_agent_replay.errors import ConfigurationError
from otel_agent_replay.model.call import Call
from otel_agent_replay.model.step import Step
from otel_agent_replay.replay.normalise import NORMALISERS

__all__ = ["MODES", "Chooser", "Match", "Matching", "Mode", "matching_of"]

Mode: TypeAlias = Literal["strict", "ordered", "by_arguments", "semantic"]
Chooser: TypeAlias = Callable[[Call, Sequence[Step]], Step | None]
"""Picks the step that answers a call, or none, among those that are left."""
Match: TypeAlias = Mode | Chooser

MODES: Final[tuple[Mode, ...]] = get_args(Mode)
_ANYWHERE: Final = frozenset({"by_arguments", "semantic"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """How calls are matched.

    Attributes:
        mode: `strict`: under the same parent, and in order where one task or thread
            made the calls one after another; `ordered`: in the recorded order of
            starts; `by_arguments`: wherever and whenever it is asked for; `semantic`:
            as that, and a model call without recorded bytes by what was said in it.
        choose: The user's function, which is asked instead; None for a mode.
        normalise: What may differ by nature, names among `NORMALISERS`.
    """

    mode: Mode = "strict"
    choose: Chooser | None = None
    normalise: frozenset[str] = frozenset()

    @property
    def has_parents(self) -> bool:
        """Whether a call must be made inside the call that it was made in."""
        return self.choose is None and self.mode not in _ANYWHERE

    @property
    def is_ordered(self) -> bool:
        """Whether the order of calls is looked at."""
        return self.choose is None and self.mode not in _ANYWHERE

    @property
    def is_semantic(self) -> bool:
        """Whether answers are made of what was said, where there are no bytes."""
        return self.choose is None and self.mode == "semantic"


def matching_of(match: Match, normalise: Collection[str] = ()) -> Matching:
    """Return what `match=` and `normalise=` ask for.

    Raises:
        ConfigurationError: There is no such mode or normaliser.
    """
    names = [normalise] if isinstance(normalise, str) else normalise
    unknown = [name for name in names if name not in NORMALISERS]
    if unknown:
        known = ", ".join(NORMALISERS)
        raise ConfigurationError("normalise", f"{unknown[0]!r} is none of {known}")
    wanted = frozenset(names)
    if callable(match):
        return Matching(choose=match, normalise=wanted)
    if match not in MODES:
        known = ", ".join(MODES)
        raise ConfigurationError(
            "match", f"{match!r} is none of {known}, and no function"
        )
    return Matching(mode=match, normalise=wanted)
