"""Records a program that uses a real SDK, and plays it again with its provider gone."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass

import pytest

import otel_agent_replay
from otel_agent_replay import agent, compare, open_store, replay
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step
from otel_agent_replay.testing import Answer, LocalServer, ScriptedProvider


@dataclass(frozen=True)
class Played:
    """What came of a program, live and then offline, and the run between the two.

    `result` is what it returned, or type and text of what it raised.
    """

    result: object
    run: Run
    again: Run
    server: LocalServer

    @property
    def models(self) -> list[Step]:
        """The model calls."""
        return [step for step in self.run.steps if step.call.kind == "model"]

    @property
    def tools(self) -> list[Step]:
        """The tool calls."""
        return [step for step in self.run.steps if step.call.kind == "tool"]

    @property
    def texts(self) -> list[str]:
        """What each model call said."""
        return [
            "".join(
                part["content"]
                for message in step.response.messages
                for part in message.parts
                if part["type"] == "text"
            )
            for step in self.models
        ]


Program = Callable[[LocalServer], object]


Errors = tuple[type[BaseException], ...]


async def result_of(program: Callable[[], object], raises: Errors) -> object:
    """Return what a program returns, or type and text of what it should raise."""
    try:
        found = program()
        found = await found if inspect.isawaitable(found) else found
    except raises as error:
        return type(error), str(error)
    assert raises == ()
    return found


@pytest.fixture
def around(tmp_path):
    """Take a program round the loop: live, stored, loaded, offline."""
    url = f"sqlite:///{tmp_path}/runs.db"

    async def go(
        program: Program, server: LocalServer, *, raises: Errors = ()
    ) -> Played:
        otel_agent_replay.configure(store=url)
        whole = agent(name="sdk")(lambda: program(server))
        if inspect.iscoroutinefunction(program):

            @agent(name="sdk")
            async def whole() -> object:
                return await program(server)

        with server:
            live = await result_of(whole, raises)
        sent = len(server.requests)
        assert otel_agent_replay.flush()
        with open_store(url) as store:
            (summary,) = store.runs()
            run = store.load(summary.run_id)
        assert run.gaps == ()

        with replay(run) as session:
            again = await result_of(whole, raises)

        assert again == live
        assert session.report.served, live
        assert session.report.divergences == ()
        assert session.report.unused == ()
        assert session.report.live == ()
        assert session.run is not None
        assert session.run.gaps == ()
        difference = compare(run, session.run)
        assert difference.same, [row.fields for row in difference.rows]
        assert len(server.requests) == sent
        return Played(live, run, session.run, server)

    return go


@pytest.fixture
def scripted(around):
    """The same with a provider that gives these answers, all of which are used."""

    async def go(program: Program, *answers: Answer, raises: Errors = ()) -> Played:
        provider = ScriptedProvider(answers=answers)
        played = await around(program, provider, raises=raises)
        assert provider.unanswered == 0
        assert len(provider.requests) == len(answers)
        assert len(played.models) == len(answers)
        return played

    return go
