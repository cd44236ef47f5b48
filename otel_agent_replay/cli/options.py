"""Options and arguments that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

import click
from click.shell_completion import CompletionItem

__all__ = [
    "Decorator",
    "allow_gaps_option",
    "allow_write_option",
    "command_argument",
    "json_option",
    "match_option",
    "normalise_option",
    "run_argument",
    "runs_argument",
    "store_option",
    "tool_option",
]

F = TypeVar("F", bound=Callable[..., Any])


class Decorator(Protocol):
    """Adds an option to a command's function."""

    def __call__(self, function: F, /) -> F:
        """Return the function with the option."""


_COMPLETED_RUNS: Final = 50


def _complete_run(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the newest runs that fit; nothing if the store cannot be read."""
    from otel_agent_replay.cli.found import opened_store  # noqa: PLC0415 - seldom used
    from otel_agent_replay.errors import AgentReplayError  # noqa: PLC0415

    del parameter
    try:
        with opened_store(context.params.get("store")) as store:
            runs = store.runs(limit=_COMPLETED_RUNS)
    except AgentReplayError:
        return []
    found = [CompletionItem("last", help="the newest run")] if runs else []
    found += [CompletionItem(run.run_id, help=run.agent_name) for run in runs]
    return [item for item in found if item.value.startswith(incomplete)]


def run_argument(name: str = "run") -> Decorator:
    """Return the argument that names a run."""
    return click.argument(name, metavar=name.upper(), shell_complete=_complete_run)


def runs_argument(name: str = "runs") -> Decorator:
    """Return the argument that names runs, perhaps none."""
    return click.argument(
        name, metavar="[RUN]...", nargs=-1, shell_complete=_complete_run
    )


store_option: Final = click.option(
    "--store",
    metavar="URL",
    help="The store; by default that of the settings.",
)
json_option: Final = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON, for scripts."
)
command_argument: Final = click.argument(
    "command", metavar="-- COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED
)
tool_option: Final = click.option(
    "--tool",
    "tools",
    metavar="MODULE:FUNCTION[=write]",
    multiple=True,
    help="Record this function as a tool; __main__:name for one of the script itself. "
    "May be given several times.",
)
allow_write_option: Final = click.option(
    "--allow-write",
    "allow_writes",
    metavar="NAME",
    multiple=True,
    help="Let the writes of this tool or host run. May be given several times; "
    "'*' allows all.",
)
match_option: Final = click.option(
    "--match",
    metavar="MODE",
    default="strict",
    show_default=True,
    help="How a call finds its recorded step: strict (by arguments under the same "
    "parent, in order inside a task or thread), ordered (in the recorded order of starts "
    "too), by_arguments (wherever and whenever it is made), semantic (as that, and runs of "
    "other instrumentations by what was said).",
)
normalise_option: Final = click.option(
    "--normalise",
    metavar="NAME",
    multiple=True,
    help="What may differ if nothing else does: timestamps, uuids, request_ids, "
    "temp_paths. May be given several times; the report lists where.",
)
allow_gaps_option: Final = click.option(
    "--allow-gaps",
    is_flag=True,
    help="Go on although the recorded run is known to be incomplete.",
)
