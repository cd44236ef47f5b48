"""Writes in doubt on the command line: what is to become of them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import Final

import click

from otel_agent_replay._setup.doubts import Doubts, in_doubt
from otel_agent_replay._setup.stores import RunStore
from otel_agent_replay.cli.found import named_run
from otel_agent_replay.cli.plain import clean_line
from otel_agent_replay.cli.terminal import Screen, text
from otel_agent_replay.cli.wording import when
from otel_agent_replay.errors import ConfigurationError, StoreError
from otel_agent_replay.model.intention import Decision, DoubtAction, Intention
from otel_agent_replay.model.payload import JsonValue, parse_json
from otel_agent_replay.model.run import Run

__all__ = [
    "doubts_given",
    "in_doubt_option",
    "print_doubts",
    "writes_json",
    "writes_of",
]

_OPTION: Final = "--in-doubt"
_ASK: Final = "ask"
_ACTIONS: Final[dict[str, DoubtAction]] = {
    "stop": "stop",
    "retry": "retry",
    "assume_done": "assume_done",
}
_GIVEN: Final = re.compile(
    rf"(?:(?P<name>.+?)=)?(?P<action>{'|'.join(_ACTIONS)}|{_ASK})(?:=(?P<result>.*))?",
    re.DOTALL,
)

in_doubt_option: Final = click.option(
    _OPTION,
    "in_doubt",
    metavar="[TOOL[:KEY]=]stop|retry|assume_done[=JSON]|ask",
    multiple=True,
    help="What becomes of a write that was begun and never ended: stop there (the "
    "default), run it again, or go on as if it had returned JSON (else null). For all, "
    "for a tool, or for one write; ask asks for each. May be given several times.",
)


def doubts_given(texts: Iterable[str], store: str | None, run: str) -> Doubts:
    """Return the decisions that a command line gives, or a person who is asked.

    Raises:
        ConfigurationError: One has no meaning, or nobody is there to be asked.
    """
    found: dict[str, Decision] = {}
    ask = False
    for each in texts:
        given = _GIVEN.fullmatch(each)
        if given is None:
            problem = f"{each!r} is no choice; see agent-replay resume --help"
            raise ConfigurationError(_OPTION, problem)
        if given["action"] == _ASK:
            ask = True
        else:
            action, result = _ACTIONS[given["action"]], _json(given["result"])
            found[given["name"] or "*"] = Decision(action=action, result=result)
    return _asked(store, run, found) | found if ask else found


# --- shown ---------------------------------------------------------------------------


def writes_of(store: RunStore, run: Run) -> tuple[Intention, ...]:
    """Return a run's writes with a key; none where the store cannot say."""
    try:
        return store.writes(run.run_id)
    except StoreError:  # made by a Collector, or by an older version and read only
        return ()


def writes_json(run: Run, writes: tuple[Intention, ...]) -> list[JsonValue]:
    """Return a run's writes with a key, for scripts."""
    doubts = in_doubt(run, writes)
    return [
        {
            "tool": each.tool,
            "key": each.key,
            "state": "in_doubt" if each in doubts else _state(each),
            "process": each.process,
            "began_ns": each.began_ns,
            "ended_ns": each.ended_ns or None,
        }
        for each in writes
    ]


def _state(write: Intention) -> str:
    return "done" if write.state == "open" else write.state


def print_doubts(screen: Screen, run: Run, writes: tuple[Intention, ...]) -> None:
    """Print the writes that began and never ended, and what to do about them."""
    doubts = in_doubt(run, writes)
    if not doubts:
        return
    screen.heading("In doubt: begun, and nobody knows whether it happened")
    for each in doubts:
        host, number, _ = each.process.rsplit(" ", 2)
        began = f"began {when(each.began_ns)} in process {number} on {host}"
        screen.print(text(f"- {each.name}  {began}", "red"))
    screen.print(text("  agent-replay resume RUN --in-doubt ask goes on from there"))


# --- inside --------------------------------------------------------------------------


def _json(content: str | None) -> JsonValue:
    if content is None:
        return None
    try:
        return parse_json(content)
    except ValueError:
        problem = f"{content!r} is no JSON; text is written '\"like this\"'"
        raise ConfigurationError(_OPTION, problem) from None


def _asked(store: str | None, run: str, found: Doubts) -> dict[str, Decision]:
    with named_run(store, run) as (opened, run_id):
        doubts = in_doubt(opened.load(run_id), opened.writes(run_id))
    open_ = [each for each in doubts if not {each.name, each.tool} & {*found}]
    if open_ and not sys.stdin.isatty():
        problem = "there is nobody to ask; name a choice for each write"
        raise ConfigurationError(f"{_OPTION} {_ASK}", problem)
    return {each.name: _ask_about(each) for each in open_}


def _ask_about(write: Intention) -> Decision:
    said = (
        f"{clean_line(write.name)} began at {when(write.began_ns)} and never said its "
        "end. Did it happen? assume_done if it did, retry if it did not"
    )
    choice = click.prompt(said, type=click.Choice([*_ACTIONS]), err=True)
    return Decision(action=_ACTIONS[choice])
