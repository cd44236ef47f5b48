"""What replay tools do with agents that were changed: ours, VCR.py, agenttape, reeltime.

    pip install -r benchmarks/requirements-battery.txt
    python benchmarks/battery.py [--json] [--why]

Runs `otel_agent_replay.testing.battery` on each tool that is installed, every case in a
process of its own, and prints a table. A cell has a word for each piece of code that is
replayed, the unchanged one first: `ok`; `caught`: the tool complained of a change;
`silent`: wrong answers, or a change that passed; `live`: calls went out; `alarm`: it
complained of unchanged code; `failed`: it could not record the agent.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Final

from battery_peers import TOOLS, installed
from rich.console import Console
from rich.progress import track
from rich.table import Table

from otel_agent_replay.model.payload import JsonValue, dump_json, parse_json
from otel_agent_replay.testing.battery import CASES, judge

_SECONDS: Final = 60
_SHORT: Final = {"false alarm": "alarm"}
_GOOD: Final = {True: "green", False: "bold red"}


def main() -> None:
    """Judge every tool on every case."""
    asked = _arguments()
    if asked.one is not None:
        _judge_one(*asked.one)
        return
    names = [name for name in TOOLS if installed(name)]
    pairs = [(name, case.name) for case in CASES for name in names]
    console = Console(stderr=True)
    found = {
        pair: _in_process(*pair)
        for pair in track(pairs, "judging", console=console, transient=True)
    }
    if asked.as_json:
        rows: list[JsonValue] = [
            {"tool": tool, "case": case, "judged": list[JsonValue](judged)}
            for (tool, case), judged in found.items()
        ]
        print(dump_json(rows))
        return
    _show(names, found)
    if asked.why:
        for (tool, case), judged in found.items():
            for each in judged:
                if not each["good"]:
                    print(f"{tool}: {case}: {each['agent']}: {each['why']}"[:300])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", dest="as_json")
    parser.add_argument("--why", action="store_true", help="say what was wrong")
    parser.add_argument(
        "--one", nargs=2, metavar=("TOOL", "CASE"), help=argparse.SUPPRESS
    )
    return parser.parse_args()


def _in_process(tool: str, case: str) -> list[dict[str, JsonValue]]:
    command = [sys.executable, __file__, "--one", tool, case]
    try:
        done = subprocess.run(  # noqa: S603 - this script
            command, capture_output=True, timeout=_SECONDS, check=False, text=True
        )
        lines = done.stdout.splitlines() or [""]
        value = parse_json(lines[-1].encode())
        why = (done.stderr.splitlines() or [""])[-1]
    except (ValueError, subprocess.TimeoutExpired) as error:
        value, why = None, str(error)
    if isinstance(value, list):
        return [each for each in value if isinstance(each, dict)]
    return [{"agent": case, "verdict": "failed", "good": False, "why": why}]


def _judge_one(tool_name: str, case_name: str) -> None:
    case = next(each for each in CASES if each.name == case_name)
    with tempfile.TemporaryDirectory() as folder:
        judged = judge(TOOLS[tool_name](Path(folder)), case)
    rows: list[JsonValue] = [
        {
            "agent": each.variant.agent,
            "verdict": each.verdict,
            "good": each.good,
            "why": each.why,
        }
        for each in judged
    ]
    print(dump_json(rows), flush=True)


def _show(
    names: list[str], found: dict[tuple[str, str], list[dict[str, JsonValue]]]
) -> None:
    table = Table("case", *names)
    good: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for case in CASES:
        cells = []
        for name in names:
            judged = found[name, case.name]
            good[name] += all(each["good"] for each in judged)
            wrong[name] += sum(each["verdict"] in {"silent", "live"} for each in judged)
            cells.append(", ".join(_word(each) for each in judged))
        table.add_row(case.name, *cells)
    table.add_section()
    table.add_row("cases all right", *(f"{good[n]} of {len(CASES)}" for n in names))
    table.add_row("silently wrong", *(str(wrong[name]) for name in names))
    Console().print(table)


def _word(judged: dict[str, JsonValue]) -> str:
    verdict = str(judged["verdict"])
    return f"[{_GOOD[bool(judged['good'])]}]{_SHORT.get(verdict, verdict)}[/]"


if __name__ == "__main__":
    main()
