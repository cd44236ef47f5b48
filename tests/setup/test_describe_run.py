"""`describe_run()`."""

from __future__ import annotations

import otel_agent_replay
from otel_agent_replay import agent, describe_run, replay
from tests.setup.agents import look_up, run, runs_of


def test_describing_the_run_one_is_inside():
    """The last word counts."""
    otel_agent_replay.configure(store="sqlite:///a.db", user="all", prompt_name="p")

    @agent
    def described() -> None:
        describe_run(user="mia", conversation="c-1")
        describe_run(conversation="c-2", prompt_version="3", tags=("a", "b"))

    described()

    (found,) = runs_of("sqlite:///a.db")
    assert (found.user, found.conversation) == ("mia", "c-2")
    assert (found.prompt_name, found.prompt_version) == ("p", "3")
    assert found.tags == ("a", "b")


def test_describing_outside_any_run_opens_none():
    """It is about the process's own run, if calls outside any agent open that."""
    describe_run(user="nobody listens")
    otel_agent_replay.configure(store="sqlite:///a.db")
    describe_run(user="mia")
    run("one")
    assert [each.user for each in runs_of("sqlite:///a.db")] == [None]

    look_up("two")
    otel_agent_replay.shutdown()

    assert [each.user for each in runs_of("sqlite:///a.db")] == ["mia", None]


def test_describing_in_a_session_is_about_its_run():
    """Not about the recorded one."""
    otel_agent_replay.configure(store="sqlite:///a.db")

    @agent
    def described(user: str) -> None:
        look_up("one")
        describe_run(user=users[0])

    users = ["mia"]
    described("x")
    (recorded,) = runs_of("sqlite:///a.db")
    users = ["tom"]
    with replay(recorded) as session:
        described("x")

    assert (recorded.user, session.run.user) == ("mia", "tom")
