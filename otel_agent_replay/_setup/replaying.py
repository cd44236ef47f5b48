"""`replay`, `resume`, `fork`: a recorded run between the code inside and the world."""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from otel_agent_replay._setup.doubts import InDoubt, doubts_of
from otel_agent_replay._setup.effects import Clock, clock_of
from otel_agent_replay._setup.network import addresses_of
from otel_agent_replay._setup.session_folder import own_directory
from otel_agent_replay._setup.sessions import open_session
from otel_agent_replay._setup.specs import SessionSpec
from otel_agent_replay.config import load_settings
from otel_agent_replay.model.payload import JsonObject, JsonValue
from otel_agent_replay.model.run import Run
from otel_agent_replay.replay.matching import Match, matching_of
from otel_agent_replay.replay.plan import UNCHANGED, Changes, Mode, Reads
from otel_agent_replay.replay.session import ReplaySession
from otel_agent_replay.replay.step_names import StepName, named_step

__all__ = ["fork", "replay", "resume", "store_of"]


@contextmanager
def replay(  # noqa: PLR0913 - one keyword for each thing that can be asked for
    run: Run,
    *,
    strict: bool = True,
    allow_gaps: bool = False,
    match: Match = "strict",
    normalise: Collection[str] = (),
    live: Collection[str] = (),
    allow_writes: Collection[str] = (),
    clock: Clock = "recorded",
    network: Collection[str] = (),
) -> Generator[ReplaySession]:
    """Run the code inside with every call answered from a run.

    Nothing goes live that is not named in `live`: a call that was not recorded stops
    the agent before anything is sent. The run made by the replay is not stored; the
    session has it as `run`.

    Args:
        run: The recorded run.
        strict: Whether unused steps, another order, and changed states and answers
            are errors too; without it they stand in the report only.
        allow_gaps: Replay a run that is known to be incomplete.
        match: How a call finds its step. `strict`: by its arguments under the same
            parent, in order where one task or thread made the calls; `ordered`: in
            the recorded order of starts too; `by_arguments`: wherever it is made;
            `semantic`: as that, and model calls of other instrumentations' runs by
            what was said, with answers written for the SDK that asks; or
            a function, given the call and the steps that are left, that returns one
            of these or None.
        normalise: What may differ, if nothing else does: `timestamps`, `uuids`,
            `request_ids`, `temp_paths`.
        live: Kinds (`model`, `tool`, `http`, …), hosts or names of calls that go live
            where no step answers; a write only if `allow_writes` names it as well.
        allow_writes: Names of tools, or hosts, whose writes may go live.
        clock: What `time.time()` and `datetime` tell the agent's code where that was
            not recorded: the `recorded` time of the step it has come to, or `live`.
        network: `host:port`, or `host`, of what the agent may connect to past the
            recording; all else is closed, `live` hosts excepted.

    Raises:
        ConfigurationError: There is no such mode, normaliser or clock.
        RunIncompleteError: The run has gaps.
        DivergenceError: The replay differed from the recording; at the end.
        WriteBlockedError: A write was refused; at the end.
    """
    spec = replace(
        _spec(run, "replay"),
        matching=matching_of(match, normalise),
        live=_names(live),
        allow_writes=_names(allow_writes),
        clock=clock_of(clock),
        network=addresses_of(_names(network)),
        allow_gaps=allow_gaps,
    )
    with _opened(run, spec, strict=strict) as session:
        yield session


@contextmanager
def resume(  # noqa: PLR0913 - one keyword for each thing that can be asked for
    run: Run,
    *,
    allow_writes: Collection[str] = (),
    in_doubt: InDoubt = "stop",
    strict: bool = True,
    allow_gaps: bool = False,
    match: Match = "strict",
    normalise: Collection[str] = (),
) -> Generator[ReplaySession]:
    """Go on with a run: finished steps are answered, then calls go live.

    What is new is recorded into the same run. Finished writes are never run again.
    A write with an idempotency key runs if its intention was not stored before. Of
    other writes it is not known, after a run that was cut short, whether one was
    under way; so new ones need their name in `allow_writes`.

    Args:
        run: The run.
        allow_writes: Names of tools, or hosts, whose writes may run.
        in_doubt: What becomes of a write that was begun and never ended: `stop`,
            `retry`, `assume_done` (it returns None, or what a `Decision` says); a
            mapping of `tool:key`, tool, or `*` to these; or a function of the
            intention, which is asked in this process only.
        strict: As for `replay`.
        allow_gaps: As for `replay`.
        match: As for `replay`, of the finished steps.
        normalise: As for `replay`.

    Raises:
        WriteInDoubtError: The agent was stopped at a write in doubt; at the end.
        RunIncompleteError: The run has gaps.
        DivergenceError: The code did not ask for the finished steps; at the end.
        WriteBlockedError: A write was refused; at the end.
    """
    spec = replace(
        _spec(run, "resume"),
        matching=matching_of(match, normalise),
        allow_writes=_names(allow_writes),
        allow_gaps=allow_gaps,
        in_doubt=doubts_of(in_doubt),
    )
    with _opened(run, spec, strict=strict, in_doubt=in_doubt) as session:
        yield session


@contextmanager
def fork(  # noqa: PLR0913 - one keyword for each thing a fork can change
    run: Run,
    *,
    at: StepName,
    state: Mapping[str, JsonValue] | None = None,
    result: object = UNCHANGED,
    answer: str | None = None,
    system: str | None = None,
    model: str | None = None,
    parameters: JsonObject | None = None,
    tools: Sequence[JsonValue] | None = None,
    reads: Reads = "live",
    allow_writes: Collection[str] = (),
    strict: bool = True,
    allow_gaps: bool = False,
    match: Match = "strict",
    normalise: Collection[str] = (),
) -> Generator[ReplaySession]:
    """Make a new run that shares steps 0…at with a run and then differs.

    Args:
        run: The parent run.
        at: The last shared step: its index; its name, such as `search`, `tool:search`
            or `search#2` for the second one; or a function that is true of it, such
            as `lambda step: step.outcome.failed`: the first such step.
        state: Dotted path to new value, for the next `checkpoint(state)`.
        result: What step `at`, a tool, returns instead.
        answer: What step `at`, a model, says instead.
        system: System prompt of the model calls after it.
        model: Model of the model calls after it.
        parameters: Wire parameters of the model calls after it.
        tools: What the model calls after it offer, where they offer tools: names of
            those to keep, and further ones as `name`, `description`, `parameters`.
        reads: `parent` answers tools, retrievals, memory and HTTP requests after it
            that only read with what the parent got, if it asked for the same; each of
            its answers once, in order. They stand among `served` in the report.
        allow_writes: Names of tools, or hosts, whose writes may run after it.
        strict: As for `replay`.
        allow_gaps: As for `replay`.
        match: As for `replay`, of the shared steps.
        normalise: As for `replay`.

    Raises:
        StepNotFoundError: The run has no step `at`.
        ConfigurationError: No step is called so, or a change does not fit the step.
        RunIncompleteError: The run has gaps.
        DivergenceError: The code did not ask for the shared steps; at the end.
        WriteBlockedError: A write was refused; at the end.
    """
    changes = Changes(
        state=state or {},
        result=result,  # type: ignore[arg-type]
        answer=answer,
        system=system,
        model=model,
        parameters=parameters or {},
        tools=None if tools is None else tuple(tools),
    )
    spec = replace(
        _spec(run, "fork"),
        at=named_step(run, at),
        changes=changes,
        matching=matching_of(match, normalise),
        allow_writes=_names(allow_writes),
        allow_gaps=allow_gaps,
        reads=reads,
    )
    with _opened(run, spec, strict=strict) as session:
        yield session


def _spec(run: Run, mode: Mode) -> SessionSpec:
    """Return what sessions of a mode have in common; what they ask for comes on top."""
    store = store_of(run)
    return SessionSpec(
        mode=mode,
        store=store,
        run_id=run.run_id,
        record=None if mode == "replay" else store,
    )


@contextmanager
def _opened(
    run: Run, spec: SessionSpec, *, strict: bool, in_doubt: InDoubt | None = None
) -> Generator[ReplaySession]:
    """Open a session in a directory of its own."""
    with (
        own_directory() as folder,
        open_session(
            run, replace(spec, directory=folder), strict=strict, in_doubt=in_doubt
        ) as session,
    ):
        yield session


def store_of(run: Run) -> str:
    """Return the URL of the store that a run is in."""
    return run.source.store_url if run.source else load_settings().store


def _names(given: Collection[str]) -> frozenset[str]:
    return frozenset([given] if isinstance(given, str) else given)
