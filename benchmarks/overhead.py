"""What recording a chat call costs: CPU on the calling thread and in the process.

    python benchmarks/overhead.py --all [--folder FOLDER] [--python NAME=PATH ...]

measures this project and each peer in an interpreter of its own, in turn, some
rounds, and prints one table. Interpreters that are not given are made below the
folder with pip. `--peer NAME` measures one in this interpreter. `--json` prints the
numbers instead. With AGENT_REPLAY_CORPUS set, the conversations are those of real
agent runs.

Columns: `keeps`, the share of calls whose every message, tool definition and answer
can be read back; `isolated`, with nothing inside but what the recorder wraps (the
inner call of a peer answers at once, ours wraps a bare httpx client); `client`,
through the whole openai client over a transport in the process; `process`, in all
threads until everything is flushed, with an exporter that drops what it gets, and
`otlp` with one that sends it (ours redacts and writes to SQLite in both). All in
microseconds a call more than without. Behind each stands the ratio to the cheapest
peer that keeps everything; recorders with a * are floors written by hand, and no
peers. Absolute numbers vary with the machine; read the ratios. What is less than
half a millisecond is noise in `client` at 200 KB, where a bare call takes 30.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from overhead_peers import OURS, PEERS

_HERE: Final = Path(__file__).parent
_MEASURES: Final = ("isolated", "client", "process", "process_otlp")
_Found = dict[str, Any]


def main() -> None:
    """Measure, and print a table or JSON."""
    asked = _arguments()
    if asked.peer:
        found = {asked.peer: [_measured_here(asked)]}
    else:
        found = _measured_in_turn(asked)
    if asked.json:
        print(json.dumps(found[asked.peer][0] if asked.peer else found))  # noqa: TID251
        return
    print("\n".join(_table(found, asked.sizes)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--all", action="store_true", help="measure every peer")
    which.add_argument("--only", nargs="+", choices=PEERS, help="measure some")
    which.add_argument("--peer", choices=PEERS, help="measure one in this interpreter")
    parser.add_argument("--sizes", type=int, nargs="+", default=[2, 20, 200])
    parser.add_argument("--calls", type=int, default=30, help="different calls")
    parser.add_argument("--rounds", type=int, default=4, help="times each is made")
    parser.add_argument("--blocks", type=int, default=4, help="of conversations")
    parser.add_argument("--repeat", type=int, default=3, help="processes a peer")
    parser.add_argument("--folder", type=Path, help="where interpreters are made")
    parser.add_argument("--python", action="append", default=[], metavar="NAME=PATH")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _measured_here(asked: argparse.Namespace) -> _Found:
    try:
        from overhead_measure import Plan, measure  # noqa: PLC0415

        plan = Plan(
            sizes=tuple(size * 1000 for size in asked.sizes),
            calls=asked.calls,
            rounds=asked.rounds,
            blocks=asked.blocks,
        )
        # As they come back from another interpreter.
        return json.loads(json.dumps(measure(asked.peer, plan)))  # noqa: TID251
    except ImportError as error:
        return {"skipped": f"{type(error).__name__}: {error}"}


def _measured_in_turn(asked: argparse.Namespace) -> dict[str, list[_Found]]:
    names = list(PEERS) if asked.all else asked.only
    given = dict(each.split("=", 1) for each in asked.python)
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="overhead-"))
    found: dict[str, list[_Found]] = {}
    pythons: dict[str, str] = {}
    for name in names:
        try:
            pythons[name] = given.get(name) or _interpreter(name, folder)
        except subprocess.CalledProcessError as error:
            said = (error.stderr or "").strip().splitlines()
            found[name] = [{"skipped": f"not installed: {said[-1] if said else error}"}]
    for turn in range(asked.repeat):
        for name, python in pythons.items():
            print(f"{turn + 1}/{asked.repeat} {name}", file=sys.stderr)
            found.setdefault(name, []).append(_measured(name, python, asked))
    return found


def _interpreter(name: str, folder: Path) -> str:
    """Return an interpreter that has a peer; made if it is not there."""
    place = folder / name
    python = place / "bin" / "python"
    if not python.exists():
        _run(sys.executable, "-m", "venv", str(place))
        common = str(_HERE / "requirements-overhead.txt")
        pip = (str(python), "-m", "pip", "install", "--quiet")
        try:
            _run(*pip, "--requirement", common, *PEERS[name].requires)
        except subprocess.CalledProcessError:
            python.unlink()
            raise
    return str(python)


def _measured(name: str, python: str, asked: argparse.Namespace) -> _Found:
    options = [
        *("--peer", name, "--json"),
        *("--sizes", *map(str, asked.sizes)),
        *("--calls", str(asked.calls)),
        *("--rounds", str(asked.rounds)),
        *("--blocks", str(asked.blocks)),
    ]
    try:
        said = _run(python, str(_HERE / "overhead.py"), *options)
        found: _Found = json.loads(said.splitlines()[-1])
    except (subprocess.CalledProcessError, OSError) as error:
        reason = str(getattr(error, "stderr", "") or error).strip().splitlines()[-1]
        return {"skipped": reason}
    return found


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    return done.stdout


# --- the table -----------------------------------------------------------------


def _table(found: dict[str, list[_Found]], sizes: Sequence[int]) -> Iterator[str]:
    head = f"{'KB':>4} {'recorder':15}{'version':>9}{'keeps':>7}"
    yield head + "".join(
        f"{name:>10}{'ratio':>7}" for name in ("isolated", "client", "process", "otlp")
    )
    for size in sizes:
        key = str(size * 1000)
        for name, turns in found.items():
            done = [each for each in turns if "sizes" in each]
            if done:
                yield _line(size, name, done, _cheapest(found, key))
    for name, turns in found.items():
        for reason in {each["skipped"] for each in turns if "skipped" in each}:
            yield f"{name}: skipped, {reason}"


def _line(
    size: int, name: str, turns: list[_Found], cheapest: list[dict[str, float]]
) -> str:
    key = str(size * 1000)
    keeps = min(each["sizes"][key]["keeps"] for each in turns)
    mark = "*" if PEERS[name].reference else ""
    line = f"{size:>4} {name + mark:15}{turns[0]['version']:>9}{keeps:>7.0%}"
    for measure in _MEASURES:
        costs = [each["sizes"][key][measure] for each in turns]
        ratios = [
            cost / best[measure]
            for cost, best in zip(costs, cheapest, strict=False)
            if measure in best
        ]
        ratio = f"{statistics.median(ratios):7.2f}" if ratios else f"{'-':>7}"
        line += f"{statistics.median(costs):10.0f}{ratio}"
    return line


def _cheapest(found: dict[str, list[_Found]], key: str) -> list[dict[str, float]]:
    """Return the cost of the cheapest peer that keeps everything, of each turn."""
    whole = [
        [each["sizes"][key] for each in turns]
        for name, turns in found.items()
        if name != OURS
        and not PEERS[name].reference
        and all("sizes" in each and each["sizes"][key]["keeps"] == 1 for each in turns)
    ]
    return [
        {measure: min(each[measure] for each in turn) for measure in _MEASURES}
        for turn in zip(*whole, strict=False)
    ]


if __name__ == "__main__":
    main()
