"""A stored run made into a golden, and what is wrong with goldens that are there."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from otel_agent_replay import loader
from otel_agent_replay._setup.golden_files import (
    NAMED,
    golden_names,
    orphans,
    pending,
    read_golden,
    unnamed,
)
from otel_agent_replay._setup.golden_session import run_of
from otel_agent_replay._setup.redaction import redactor_for
from otel_agent_replay.config import Settings, load_settings
from otel_agent_replay.errors import (
    AgentReplayError,
    ConfigurationError,
    GoldenError,
)
from otel_agent_replay.model.call import Kind, Outcome
from otel_agent_replay.model.key import key_of
from otel_agent_replay.model.run import Recording, Run
from otel_agent_replay.redact import RedactionError, Redactor
from otel_agent_replay.replay.golden import Golden, dump_golden, load_golden
from otel_agent_replay.replay.golden_expectations import parse_expectation, unmet
from otel_agent_replay.replay.golden_quiet import day_of, quiet
from otel_agent_replay.replay.golden_view import GoldenRun

__all__ = ["check_folder", "in_ci", "made_golden", "refuse_in_ci", "secrets_in"]

T = TypeVar("T")

_SHOWN: Final = 5
_NO: Final = frozenset({"", "0", "false", "no"})


def in_ci() -> bool:
    """Return whether this runs in continuous integration, where nothing is written."""
    return os.environ.get("CI", "").lower() not in _NO


def refuse_in_ci() -> None:
    """Refuse to write goldens in continuous integration.

    Raises:
        ConfigurationError: CI is set.
    """
    if in_ci():
        problem = (
            "is set, and a golden is never written there. Write it where you work, "
        )
        raise ConfigurationError("CI", f"{problem}look at its diff, and commit it.")


def made_golden(
    recording: Recording, name: str, expect: Sequence[str] = (), *, origin: str = ""
) -> Golden:
    """Return the golden of a recording.

    Args:
        recording: The run.
        name: What it is to be called.
        expect: Of a bad run, what has to hold instead.
        origin: The mark of the stored run, by which `erase` finds the golden.

    Raises:
        ConfigurationError: An expectation is none.
        GoldenError: The run compares nothing, was cut short, holds a secret, or
            already meets all that is expected of it.
        RunIncompleteError: The run has gaps.
    """
    for each in expect:
        parse_expectation(each)
    run = loader.load(recording.spans, recording.run_id)
    if run.status == "interrupted" and run.outcome.error is None and not expect:
        problem = (
            "the run was cut short, so it has no end to compare with. Finish it with "
            "`agent-replay resume`, or say with --expect what should have happened."
        )
        raise GoldenError(name, problem)
    golden = Golden(
        name=name,
        agent=run.agent_name or "agent",
        recorded_on=day_of(recording),
        origin=origin,
        expect=tuple(each.strip() for each in expect),
        recording=quiet(recording, name),
    )
    _check_whole(golden, run)
    _check_secrets(golden)
    if expect and not unmet(expect, GoldenRun(run)):
        problem = (
            "the recorded run already meets all that is expected, so the test would be "
            "green on the code that made it. Say what was wrong with it."
        )
        raise GoldenError(name, problem)
    return golden


def _check_whole(golden: Golden, run: Run) -> None:
    """Check that what is written reads back, and asks and answers as the run did."""
    made = dump_golden(golden)
    again = load_golden(made.text, golden.name, made.bodies.__getitem__)
    if again != golden or _said(run_of(golden)) != _said(run):
        problem = "it would not be the run that was recorded. Please report this."
        raise GoldenError(golden.name, problem)


def _said(run: Run) -> list[object]:
    return [
        (key_of(s.call), s.parent, s.occurrence, s.outcome.value, s.outcome.items)
        for s in run.steps
    ]


def _check_secrets(golden: Golden) -> None:
    found = secrets_in(run_of(golden), load_settings())
    if found:
        shown = "; ".join(found[:_SHOWN])
        problem = (
            f"the run holds what the redaction policy calls secret: {shown}. Record it "
            "with redaction, or allow it with `redact_allow` in the settings."
        )
        raise GoldenError(golden.name, problem)


def secrets_in(run: Run, settings: Settings) -> list[str]:
    """Return where in a run something secret stands; never the secret itself.

    Pseudonyms are known by their look, so what was redacted is not found again.
    """
    redactor = redactor_for(settings, secrets.token_bytes(32))
    found: list[str] = []
    for step in run.steps:
        name = f"step {step.index} {step.call.name}"
        if _changes(redactor.call, step.call):
            found.append(f"{name}: what it was asked")
        if _changes(_outcomes(redactor, step.call.kind), step.outcome):
            found.append(f"{name}: what it answered")
    if _changes(redactor.value, run.input):
        found.append("the agent's input")
    if _changes(_outcomes(redactor, "agent"), run.outcome):
        found.append("the agent's answer")
    return found


def _outcomes(redactor: Redactor, kind: Kind) -> Callable[[Outcome], Outcome]:
    return lambda outcome: redactor.outcome(outcome, kind)


def _changes(redact: Callable[[T], T], what: T) -> bool:
    try:
        return redact(what) != what
    except RedactionError:
        return True


def check_folder(folder: Path) -> tuple[list[Golden], list[tuple[str, str]]]:
    """Return the goldens of a folder, and what is wrong there: name and problem.

    Each has to load whole, hold calls to compare, no secret, and be written as this
    version writes it; each body has to belong to one.
    """
    goldens: list[Golden] = []
    problems: list[tuple[str, str]] = []
    settings = load_settings()
    for name in golden_names(folder):
        try:
            golden = read_golden(folder, name)
            goldens.append(golden)
            run = run_of(golden)
        except AgentReplayError as error:
            problems.append((name, str(error)))
            continue
        where = secrets_in(run, settings)
        problems += [(name, f"something secret stands in it: {each}") for each in where]
        if pending(folder, golden):
            problem = "it is not written as this version writes it (`golden update`)"
            problems.append((name, problem))
    if len(goldens) == len(golden_names(folder)):
        alone = orphans(folder, goldens)
        problems += [
            (p.name, "a body that no golden has (`golden update`)") for p in alone
        ]
    problems += [(p.name, f"it can be no golden: {NAMED}") for p in unnamed(folder)]
    if not goldens and not problems:
        problems.append((str(folder), "there is no golden in it"))
    return goldens, problems
