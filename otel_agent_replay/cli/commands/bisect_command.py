"""`agent-replay bisect`."""

from __future__ import annotations

import itertools

import click

from otel_agent_replay._setup.launch import absolute_store_url
from otel_agent_replay.cli.bisect_page import (
    BisectedRuns,
    bisection_json,
    print_bisection,
)
from otel_agent_replay.cli.bisect_trials import Trials
from otel_agent_replay.cli.found import named_run, store_url, whole_id
from otel_agent_replay.cli.options import (
    allow_gaps_option,
    command_argument,
    json_option,
    run_argument,
    store_option,
    tool_option,
)
from otel_agent_replay.cli.progress import working
from otel_agent_replay.cli.teaching import TeachingCommand
from otel_agent_replay.cli.terminal import Screen, print_json
from otel_agent_replay.cli.wording import count
from otel_agent_replay.replay.bisect import FEWEST
from otel_agent_replay.replay.bisection import NORMALISED, TRIALS, Ending, bisected
from otel_agent_replay.replay.matching import matching_of

__all__ = ["command"]


@click.command(
    cls=TeachingCommand,
    examples=(
        "agent-replay bisect 9a5ed353 e21ce7a7 -- python my_agent.py",
        "agent-replay bisect 9a5ed353 last --until failed -- python my_agent.py",
        "agent-replay bisect 9a5ed353 last --until 'answer~(?i)no idea' -- my-agent",
        "agent-replay bisect 9a5ed353 last --trials 200 --json -- python my_agent.py",
    ),
)
@run_argument("good")
@run_argument("bad")
@click.option(
    "--until",
    metavar="CONDITION",
    help="What it means to end badly: failed, or answer~REGEX. By default, to end with "
    "the output or exception that BAD ended with.",
)
@click.option(
    "--trials",
    type=click.IntRange(min=FEWEST),
    default=TRIALS,
    show_default=True,
    help="How often the program may be run.",
)
@click.option(
    "--normalise",
    metavar="NAME",
    multiple=True,
    default=NORMALISED,
    show_default=True,
    help="What may differ between a call and the step that answers it: timestamps, "
    "uuids, request_ids, temp_paths. May be given several times.",
)
@allow_gaps_option
@tool_option
@store_option
@json_option
@command_argument
def command(  # noqa: PLR0913 - one argument an option
    good: str,
    bad: str,
    command: tuple[str, ...],
    store: str | None,
    tools: tuple[str, ...],
    *,
    until: str | None,
    trials: int,
    normalise: tuple[str, ...],
    allow_gaps: bool,
    as_json: bool,
) -> None:
    """Find the smallest change that makes a program end as BAD ended, not as GOOD.

    The program is run again and again with every call answered from GOOD, but for some
    inputs, model answers, tool results and recorded reads, which are those of BAD. What
    is left at the end is what it takes: leave out any one of it, and the program no
    longer ends so. Nothing goes live. A trial in which the program does what neither
    run did is stopped, and counts as undecided.
    """
    url = absolute_store_url(store_url(store))
    with named_run(url, good) as (opened, first):
        runs = opened.load(first), opened.load(whole_id(opened, bad))
    made = Trials(
        good=runs[0],
        bad=runs[1],
        store=url,
        command=command,
        tools=tools,
        matching=matching_of("strict", normalise),
    )
    numbers = itertools.count(1)
    with working("Comparing the runs") as say:

        def shown(taken: frozenset[int]) -> Ending:
            trial = f"Trial {next(numbers)} of at most {trials}"
            say(f"{trial}: {count(len(taken), 'change')} of the bad run")
            return made(taken)

        found = bisected(
            *runs,
            shown,
            until=until,
            trials=trials,
            normalise=normalise,
            allow_gaps=allow_gaps,
        )
    result = BisectedRuns(
        good=runs[0], bad=runs[1], found=found, program=command, store=store
    )
    if as_json:
        print_json(bisection_json(result))
    else:
        print_bisection(Screen(), result)
