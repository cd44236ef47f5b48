"""`agent-replay fork`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from otel_agent_replay.cli.options import (
    allow_gaps_option,
    allow_write_option,
    command_argument,
    match_option,
    normalise_option,
    run_argument,
    store_option,
    tool_option,
)
from otel_agent_replay.cli.session_program import SessionRequest, run_session
from otel_agent_replay.cli.teaching import TeachingCommand
from otel_agent_replay.errors import ConfigurationError
from otel_agent_replay.model.payload import JsonObject, JsonValue, parse_json
from otel_agent_replay.replay.matching import Match, matching_of
from otel_agent_replay.replay.plan import UNCHANGED, Changes, Reads

__all__ = ["command"]

F = TypeVar("F", bound=Callable[..., Any])

_STATE: Final = "state."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """The changes as they stand on the command line."""

    assignments: tuple[str, ...]
    parameters: tuple[str, ...]
    result: str | None
    answer: str | None
    system: str | None
    model: str | None
    tool_list: str | None

    def changes(self) -> Changes:
        """Return the changes.

        Raises:
            ConfigurationError: One of them has no meaning.
        """
        return Changes(
            state=_state(self.assignments),
            result=UNCHANGED if self.result is None else _json(self.result, "--result"),
            answer=self.answer,
            system=_text_or_file(self.system),
            model=self.model,
            parameters=dict(_pairs(self.parameters, "--parameter")),
            tools=_tools(self.tool_list),
        )


def _changes(function: F) -> F:
    """Add the options that say what a fork changes."""
    options = (
        click.option(
            "--set",
            "assignments",
            metavar="state.PATH=JSON",
            multiple=True,
            help="Change the agent's state at its next checkpoint. May be given "
            "several times.",
        ),
        click.option(
            "--result", metavar="JSON", help="What that step, a tool, returns instead."
        ),
        click.option(
            "--answer", metavar="TEXT", help="What that step, a model, says instead."
        ),
        click.option(
            "--system",
            metavar="TEXT|@FILE",
            help="The system prompt of all model calls after it.",
        ),
        click.option("--model", help="The model of all model calls after it."),
        click.option(
            "--parameter",
            "parameters",
            metavar="NAME=JSON",
            multiple=True,
            help="A request parameter of all model calls after it. May be given "
            "several times.",
        ),
        click.option(
            "--tools",
            "tool_list",
            metavar="JSON|@FILE",
            help="The tools that all model calls after it offer: a list of names to "
            "keep, and of objects with name, description and parameters.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


@click.command(
    cls=TeachingCommand,
    examples=(
        "agent-replay fork last --at 5 --set state.max_retries=3 -- python my_agent.py",
        "agent-replay fork last --at 'search#2' --result '[\"30 days\"]' -- my-agent",
        "agent-replay fork last --at 2 --model gpt-4o -- python my_agent.py --fixed",
    ),
)
@run_argument()
@click.option(
    "--at",
    metavar="STEP",
    required=True,
    help="The last step that is shared: its number, or its name, such as search, "
    "tool:search, or search#2 for the second one.",
)
@_changes
@click.option(
    "--reads",
    type=click.Choice(["live", "parent"]),
    default="live",
    help="Whether reads after it go live, or are answered from the parent run where "
    "it made the same.",
)
@allow_write_option
@match_option
@normalise_option
@allow_gaps_option
@tool_option
@store_option
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the report as JSON; what the program prints goes to standard error.",
)
@command_argument
def command(  # noqa: PLR0913 - one argument an option
    run: str,
    at: str,
    command: tuple[str, ...],
    store: str | None,
    tools: tuple[str, ...],
    allow_writes: tuple[str, ...],
    *,
    reads: Reads,
    match: Match,
    normalise: tuple[str, ...],
    allow_gaps: bool,
    as_json: bool,
    **given: Any,  # noqa: ANN401 - click checked them
) -> None:
    """Run a program on from a step of a recorded run, changed, as a new run.

    The steps up to it are answered from the run; then the program goes on live, with the
    changes given here or with changed code. A write after it is stopped unless
    --allow-write names its tool or host. Values are JSON; what is none is text.
    """
    request = SessionRequest(
        mode="fork",
        run=run,
        command=command,
        store=store,
        tools=tools,
        at=at,
        changes=_Given(**given).changes(),
        allow_writes=frozenset(allow_writes),
        matching=matching_of(match, normalise),
        allow_gaps=allow_gaps,
        reads=reads,
        as_json=as_json,
    )
    raise click.exceptions.Exit(run_session(request).exit_code)


def _state(assignments: Iterable[str]) -> JsonObject:
    found: JsonObject = {}
    for path, value in _pairs(assignments, "--set"):
        if not path.startswith(_STATE) or path == _STATE:
            raise ConfigurationError("--set", f"{path!r} does not begin with {_STATE}")
        found[path.removeprefix(_STATE)] = value
    return found


def _pairs(texts: Iterable[str], option: str) -> list[tuple[str, JsonValue]]:
    pairs: list[tuple[str, JsonValue]] = []
    for each in texts:
        name, equals, value = each.partition("=")
        if not name or not equals:
            raise ConfigurationError(option, f"{each!r} is not NAME=JSON")
        pairs.append((name, _json_or_text(value)))
    return pairs


def _json_or_text(content: str) -> JsonValue:
    try:
        return parse_json(content)
    except ValueError:
        return content


def _json(content: str, option: str) -> JsonValue:
    try:
        return parse_json(content)
    except ValueError:
        message = f"{content!r} is no JSON; text is written '\"like this\"'"
        raise ConfigurationError(option, message) from None


def _tools(given: str | None) -> tuple[JsonValue, ...] | None:
    content = _text_or_file(given, "--tools")
    if content is None:
        return None
    found = _json(content, "--tools")
    if not isinstance(found, list):
        raise ConfigurationError("--tools", "it is no list, such as '[\"search\"]'")
    return tuple(found)


def _text_or_file(given: str | None, option: str = "--system") -> str | None:
    if given is None or not given.startswith("@"):
        return given
    try:
        return Path(given[1:]).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigurationError(option, f"{given[1:]}: {error}") from error
