"""Other replay tools on the battery, each as its documentation says.

What a tool offers beside its default is turned on where a user who knows it would: the
body among what VCR.py matches, agenttape's frozen clock, randomness and environment,
reeltime once as it comes and once strict. What a tool says only when it is asked, such
as recordings that nobody played, it is asked.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from otel_agent_replay.model.payload import JsonValue
from otel_agent_replay.testing.battery import Ours, Outside, Played, ReplayTool, World

__all__ = ["TOOLS", "installed"]


_Act = Callable[[str], JsonValue]


def _unmarked(name: str, act: _Act) -> _Act:
    del name
    return act


def _world(
    outside: Outside,
    mark: Callable[[Any], Any],
    agent: Callable[[str, _Act], _Act] = _unmarked,
) -> World:
    """Return a world whose tools are marked, and sub-agents where a tool knows them."""

    def look_up(name: str) -> JsonValue:
        return outside.look_up(name)

    async def look_up_later(name: str) -> JsonValue:
        return await outside.look_up_later(name)

    return World(
        look_up=mark(look_up),
        look_up_later=mark(look_up_later),
        agent=agent,
        client=outside.client,
    )


class _VcrPy:
    name = "VCR.py"

    def __init__(self, folder: Path) -> None:
        import vcr  # noqa: PLC0415 - a peer that need not be there

        self._path = str(folder / "recorded.yaml")
        self._vcr = vcr.VCR(match_on=("method", "uri", "body"))

    def world(self, outside: Outside) -> World:
        """It sees HTTP alone, which every tool here goes over."""
        return _world(outside, lambda function: function)

    def record(self, act: Callable[[], JsonValue]) -> JsonValue:
        with self._vcr.use_cassette(self._path, record_mode="once"):
            return act()

    def replay(self, act: Callable[[], JsonValue]) -> Played:
        value: JsonValue = None
        try:
            with self._vcr.use_cassette(self._path, record_mode="none") as played:
                value = act()
        except Exception as error:  # noqa: BLE001 - what it says
            return Played(complaints=(f"{type(error).__name__}: {error}"[:200],))
        if not played.all_played:
            return Played(value=value, complaints=("not all was played",))
        return Played(value=value)


class _AgentTape:
    name = "agenttape"

    def __init__(self, folder: Path) -> None:
        import agenttape  # noqa: PLC0415 - a peer that need not be there

        self._peer = agenttape
        self._path = folder / "recorded.yaml"
        self._config = agenttape.Config(env_snapshot=["BATTERY_REGION", "BATTERY_ZONE"])

    def world(self, outside: Outside) -> World:
        return _world(outside, self._peer.tool)

    def _session(self, mode: str) -> Any:  # noqa: ANN401 - the peer's own
        frozen = ("clock", "uuid", "random", "env")
        return self._peer.use_cassette(
            self._path, mode=mode, config=self._config, freeze=frozen
        )

    def record(self, act: Callable[[], JsonValue]) -> JsonValue:
        with self._session("record"):
            return act()

    def replay(self, act: Callable[[], JsonValue]) -> Played:
        try:
            with self._session("none"):
                return Played(value=act())
        except Exception as error:  # noqa: BLE001 - what it says
            return Played(complaints=(f"{type(error).__name__}: {error}"[:200],))


class _ReelTime:
    name = "reeltime"
    strictness = "default"

    def __init__(self, folder: Path) -> None:
        import reeltime  # noqa: PLC0415 - a peer that need not be there

        self._peer = reeltime
        self._folder = folder

    def world(self, outside: Outside) -> World:
        return _world(outside, self._peer.tool, self._in_span)

    def _in_span(self, name: str, act: _Act) -> _Act:
        def inside(question: str) -> JsonValue:
            with self._peer.span(name):
                return act(question)

        return inside

    def record(self, act: Callable[[], JsonValue]) -> JsonValue:
        with self._peer.session(tape_dir=self._folder):
            return act()

    def replay(self, act: Callable[[], JsonValue]) -> Played:
        value: JsonValue = None
        said: list[str] = []
        try:
            self._peer.install(
                "replay",
                replay="last",
                tape_dir=self._folder,
                strictness=self.strictness,
            )
            value = act()
        except BaseException as error:  # noqa: BLE001 - what it says
            said.append(f"{type(error).__name__}: {error}"[:200])
        report = self._peer.uninstall()
        for name in ("drifted", "fuzzy", "unconsumed"):
            found = getattr(report, name, ())
            if found:
                said.append(f"{len(found)} {name}")
        return Played(value=value, complaints=tuple(said))


class _ReelTimeStrict(_ReelTime):
    name = "reeltime, strict"
    strictness = "strict"


TOOLS: Final[dict[str, Callable[[Path], ReplayTool]]] = {
    each.name: each for each in (Ours, _VcrPy, _AgentTape, _ReelTime, _ReelTimeStrict)
}
_PACKAGES: Final = {
    "VCR.py": "vcr",
    "agenttape": "agenttape",
    "reeltime": "reeltime",
    "reeltime, strict": "reeltime",
}


def installed(tool: str) -> bool:
    """Return whether a tool can be judged here."""
    package = _PACKAGES.get(tool)
    return package is None or importlib.util.find_spec(package) is not None
