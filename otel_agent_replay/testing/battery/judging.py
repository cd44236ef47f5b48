"""Runs a replay tool through the battery and says what it did."""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final, Literal, Protocol, TypeAlias

from otel_agent_replay.model.payload import JsonValue
from otel_agent_replay.testing.battery.cases import Case, Variant
from otel_agent_replay.testing.battery.outside import Outside, World

__all__ = ["Act", "Judged", "Played", "ReplayTool", "Verdict", "judge"]

Verdict: TypeAlias = Literal["ok", "caught", "silent", "live", "false alarm", "failed"]
"""`ok`: right answers, nothing to complain of; `caught`: it complained of changed code;
`silent`: wrong answers, or changed code, without a word; `live`: it ran calls again
without a word; `false alarm`: it complained of unchanged code; `failed`: the agent
could not be recorded."""

Act: TypeAlias = Callable[[], JsonValue]

_SLOW: Final = {"slow": 0.03, "middle": 0.015}
_REGION: Final = "BATTERY_REGION"


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What a replay came to.

    Attributes:
        value: What the agent returned.
        complaints: What the tool said: of the agent, or by stopping it.
    """

    value: JsonValue = None
    complaints: tuple[str, ...] = ()


class ReplayTool(Protocol):
    """A tool that records an agent and replays it."""

    name: str

    def world(self, outside: Outside) -> World:
        """Return what agents call, put under the tool's eyes."""

    def record(self, act: Act) -> JsonValue:
        """Run an agent, keep its recording for `replay`, and return its value."""

    def replay(self, act: Act) -> Played:
        """Run code on the recording made last; never raises what the tool says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a tool did with one piece of code.

    Attributes:
        case: The case.
        variant: The code that was replayed.
        verdict: What is to be thought of it.
        why: What the tool said, or what was wrong.
    """

    case: str
    variant: Variant
    verdict: Verdict
    why: str = ""

    @property
    def good(self) -> bool:
        """Whether it is what a tool should do."""
        if self.variant.expected == "caught" and self.variant.answer is None:
            return self.verdict == "caught"
        return self.verdict == "ok" or (
            self.variant.expected != "same" and self.verdict == "caught"
        )


def judge(tool: ReplayTool, case: Case) -> tuple[Judged, ...]:
    """Return what a tool does with a case: the unchanged code first."""
    with _agents() as agents:
        outside = Outside(slow=_SLOW, refuse=[*case.refuse])
        world = tool.world(outside)
        os.environ[_REGION] = "north"
        try:
            recorded = tool.record(_act(agents, case.agent, world))
        except Exception as error:  # noqa: BLE001 - whatever a tool raises is its result
            failed = f"{type(error).__name__}: {error}"
            return tuple(
                Judged(case=case.name, variant=each, verdict="failed", why=failed)
                for each in case.all
            )
        found = []
        for variant in case.all:
            os.environ[_REGION] = "south"
            outside.refuse[:] = case.refuse
            before = outside.asked
            played = tool.replay(_act(agents, variant.agent, world))
            live = outside.asked > before
            found.append(_judged(case, variant, recorded, played, live=live))
        os.environ.pop(_REGION)
        return tuple(found)


def _act(agents: ModuleType, name: str, world: World) -> Act:
    def act() -> JsonValue:
        found: JsonValue = getattr(agents, name)(world)
        return found

    return act


def _judged(
    case: Case, variant: Variant, recorded: JsonValue, played: Played, *, live: bool
) -> Judged:
    def say(verdict: Verdict, why: str = "") -> Judged:
        return Judged(case=case.name, variant=variant, verdict=verdict, why=why)

    if played.complaints:
        said = "; ".join(played.complaints)
        return say("false alarm" if variant.expected == "same" else "caught", said)
    if live:
        return say("live", "calls went out")
    if variant.answer is not None and played.value == variant.answer:
        return say("ok")
    if variant.expected == "caught":
        return say("silent", "changed code passed")
    if played.value != recorded:
        return say("silent", f"{recorded!r} became {played.value!r}")
    return say("ok")


@contextmanager
def _agents() -> Iterator[ModuleType]:
    """Load the agents from a copy, as code that is no library's."""
    with tempfile.TemporaryDirectory(prefix="battery-") as folder:
        path = Path(folder) / "battery_agents.py"
        shutil.copyfile(Path(__file__).with_name("agents.py"), path)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None:
            raise ImportError(str(path))
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module
