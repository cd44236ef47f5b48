"""The battery: agents recorded and replayed, with changes a replay tool must notice.

Anybody can run a tool of theirs on it: write a `ReplayTool`, and `judge` it on every
one of `CASES`.

    tool = Ours(folder)
    judged = [each for case in CASES for each in judge(tool, case)]
    assert all(each.good for each in judged)
"""

from __future__ import annotations

from otel_agent_replay.testing.battery.cases import CASES, Case, Expected, Variant
from otel_agent_replay.testing.battery.judging import (
    Judged,
    Played,
    ReplayTool,
    Verdict,
    judge,
)
from otel_agent_replay.testing.battery.ours import Ours
from otel_agent_replay.testing.battery.outside import Outside, World

__all__ = [
    "CASES",
    "Case",
    "Expected",
    "Judged",
    "Ours",
    "Outside",
    "Played",
    "ReplayTool",
    "Variant",
    "Verdict",
    "World",
    "judge",
]
