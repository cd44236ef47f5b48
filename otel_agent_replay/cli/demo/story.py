"""What happens in the demo, checked step by step."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Final

from otel_agent_replay._setup.stores import RunStore, open_store
from otel_agent_replay.cli.demo.files import AGENT, write_files
from otel_agent_replay.cli.demo.model import MADE_UP, incident
from otel_agent_replay.cli.demo.stage import Stage
from otel_agent_replay.cli.session_program import SessionRequest, Verdict, run_session
from otel_agent_replay.cli.wording import short_id
from otel_agent_replay.model.run import Run
from otel_agent_replay.replay.plan import Changes
from otel_agent_replay.testing import ScriptedProvider

__all__ = ["play"]

_NOT_FOUND: Final = "Not found: the documentation says nothing about this."
_KEY: Final = "sk-proj-demo4T9wQz7LmX2vB8nRk5YcJ1hGf6DsPa3UeWo0"
_FORKED_AT: Final = 2
_SEARCHES: Final = 6
_PROGRAM: Final = (sys.executable, AGENT)
_FIXED: Final = (*_PROGRAM, "--fixed")
_TESTS: Final = "tests"
_EXPECTED: Final = ("calls(search_docs) <= 3", "answer ~ ^Not found")
_PYTEST: Final = ("-m", "pytest", "-q", _TESTS)
_OUTSIDE: Final = ("AGENT_REPLAY_", "OPENAI_", "INCIDENT_", "OTEL_", "PYTEST_")


def play(stage: Stage, folder: Path) -> None:
    """Play the demo in an empty directory.

    Raises:
        click.exceptions.Exit: A check failed; it was shown.
    """
    write_files(folder)
    with chdir(folder), _environment({"OPENAI_API_KEY": _KEY}):
        port, recorded = _record(stage)
        _show(stage, recorded)
        _replay(stage, recorded, port)
        forked = _fork(stage, recorded, port)
        _compare(stage, recorded, forked)
        _regression_test(stage, recorded)


@contextmanager
def _environment(added: Mapping[str, str]) -> Iterator[None]:
    """Take away settings from outside, for a while, and add some."""
    before = dict(os.environ)
    for name in list(os.environ):
        # Where CI is set, goldens are never written.
        if name.startswith(_OUTSIDE) or name == "CI":
            del os.environ[name]
    os.environ.update(added)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _model(port: int = 0) -> Iterator[ScriptedProvider]:
    with ScriptedProvider(script=incident, port=port) as provider:
        os.environ["OPENAI_BASE_URL"] = provider.base_url
        yield provider


def _store() -> RunStore:
    return open_store(create=False)


def _load(run_id: str) -> Run:
    with _store() as store:
        return store.load(run_id)


def _record(stage: Stage) -> tuple[int, Run]:
    stage.act(
        "Record the incident",
        "A support agent, written with the openai SDK, asks a model (a scripted one, "
        "on this machine).\nThe index behind its search is empty. Nothing in it starts "
        "a recording.",
    )
    with _model() as model:
        code = stage.run("record", "--", *_PROGRAM)
        asked = len(model.requests)
    stage.check("the agent ran as ever", holds=code == 0, found=f"exit code {code}")
    with _store() as store:
        runs = store.runs()
    stage.check("one run is stored", holds=len(runs) == 1, found=len(runs))
    run = _load(runs[0].run_id)
    models = [step for step in run.steps if step.call.kind == "model"]
    whole = not run.gaps and len(models) == asked == _SEARCHES + 1
    stage.check(
        f"all {asked} model calls are in it, nothing is missing",
        holds=whole,
        found=[gap.text for gap in run.gaps] or len(models),
    )
    stored = b"".join(
        path.read_bytes() for path in Path(".agent-replay").iterdir() if path.is_file()
    )
    secret = _KEY.encode() in stored
    stage.check("the API key is nowhere in the store's files", holds=not secret)
    return model.port, run


def _show(stage: Stage, run: Run) -> None:
    stage.act("See what happened", "Step by step, as the model and the tools saw it.")
    stage.run("show", short_id(run.run_id))
    searches = [step for step in run.steps if step.call.name == "search_docs"]
    in_vain = len(searches) == _SEARCHES and not any(s.outcome.value for s in searches)
    stage.check(
        f"it searched {len(searches)} times and found nothing each time",
        holds=in_vain,
        found=[step.outcome.value for step in searches],
    )
    stage.check(
        "then it made an answer up, streamed",
        holds=run.output == MADE_UP and bool(_pieces(run)),
        found=run.output,
    )


def _pieces(run: Run) -> bool:
    """Return whether the last model call came in several pieces."""
    response = run.steps[-1].outcome.response
    return response is not None and len(response.chunks) > 1


def _replay(stage: Stage, run: Run, port: int) -> None:
    stage.act(
        "Replay it offline",
        "The model's server is switched off. The same program runs again.",
    )
    stage.check(f"nobody listens on port {port}", holds=_refused(port))
    words = ("replay", short_id(run.run_id))
    stage.show((*words, "--", *_PROGRAM))
    verdict = run_session(
        SessionRequest(mode="replay", run=run.run_id, command=_PROGRAM)
    )
    report = verdict.report
    differences = None if report is None else len(report.divergences)
    stage.check("0 divergences", holds=differences == 0, found=differences)
    served = 0 if report is None else len(report.served)
    stage.check(
        f"all {served} steps came from the store",
        holds=served == len(run.steps),
        found=f"{served} of {len(run.steps)}",
    )
    live = None if report is None else report.live
    stage.check("nothing was sent", holds=live == (), found=live)


def _refused(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) != 0


def _fork(stage: Stage, run: Run, port: int) -> Run:
    stage.act(
        "Fork it",
        f"Steps 0 to {_FORKED_AT} come from the store, then it goes on live. "
        "First: does it help to search less?",
    )
    with _model(port) as model:
        change = ("--set", "state.max_retries=2")
        fewer = _forked(stage, run, change, _PROGRAM, {"max_retries": 2})
        stage.check(
            f"after 2 searches it still makes the answer up ({len(model.requests)} "
            "live model calls)",
            holds=fewer.output == MADE_UP and len(fewer.steps) < len(run.steps),
            found=fewer.output,
        )
        before = len(model.requests)
        stage.say("\nThen: the same fork with the fixed code.", "dim")
        fixed = _forked(stage, run, (), _FIXED, {})
        asked = len(model.requests) - before
    stage.check(
        f"the fixed agent says that there is nothing ({asked} live model call)",
        holds=fixed.output == _NOT_FOUND and asked == 1,
        found=fixed.output,
    )
    return fixed


def _forked(
    stage: Stage,
    run: Run,
    words: tuple[str, ...],
    program: tuple[str, ...],
    state: dict[str, int],
) -> Run:
    at = ("--at", str(_FORKED_AT))
    stage.show(("fork", short_id(run.run_id), *at, *words, "--", *program))
    verdict: Verdict = run_session(
        SessionRequest(
            mode="fork",
            run=run.run_id,
            command=program,
            at=_FORKED_AT,
            changes=Changes(state=dict(state)),
        )
    )
    ok = verdict.exit_code == 0 and len(verdict.runs) == 1
    stage.check("the fork is stored as a run of its own", holds=ok, found=verdict)
    return _load(verdict.runs[0].run_id)


def _compare(stage: Stage, a: Run, b: Run) -> None:
    stage.act("Compare", "The incident and the fixed run, side by side.")
    stage.run("compare", short_id(a.run_id), short_id(b.run_id))
    shared = [_same(a, b, index) for index in range(_FORKED_AT + 1)]
    stage.check(f"steps 0 to {_FORKED_AT} are the same", holds=all(shared))
    fewer = (b.usage.input_tokens or 0) < (a.usage.input_tokens or 0)
    stage.check(
        f"{len(a.steps)} steps became {len(b.steps)}, with fewer tokens",
        holds=fewer and len(b.steps) < len(a.steps),
        found=(a.usage, b.usage),
    )


def _same(a: Run, b: Run, index: int) -> bool:
    one, other = a.steps[index], b.steps[index]
    return one.call.arguments == other.call.arguments and (
        one.outcome.value == other.outcome.value
    )


def _regression_test(stage: Stage, incident: Run) -> None:
    stage.act(
        "Keep it as a test",
        "The incident becomes a golden, a file that answers the agent's calls, and a "
        "pytest file that\nsays what should have happened instead. It needs no model.",
    )
    expected = [word for each in _EXPECTED for word in ("--expect", each)]
    run_id = short_id(incident.run_id)
    code = stage.run("golden", "add", run_id, "--test", _TESTS, *expected)
    written = code == 0 and [*Path(_TESTS).glob("test_*.py")]
    stage.check("golden and test are written", holds=bool(written), found=code)
    # Side by side: each takes as long as the SDK takes to be imported.
    tests = [_start_test(fixed=fixed) for fixed in (False, True)]
    old, new = [(each, each.communicate()[0]) for each in tests]
    stage.show(_PYTEST, program="python")
    stage.check(
        "the test fails on the old agent, and names what does not hold",
        holds=old[0].returncode == 1 and _EXPECTED[0] in old[1],
        found=old[1],
    )
    stage.show(_PYTEST, program="INCIDENT_FIXED=1 python")
    stage.check(
        "the test passes on the fixed agent",
        holds=new[0].returncode == 0,
        found=new[1],
    )


def _start_test(*, fixed: bool) -> subprocess.Popen[str]:
    version = {"INCIDENT_FIXED": "1"} if fixed else {}
    # Of what is installed only our own plugin, so that others cannot disturb.
    plugins = {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_PLUGINS": "otel_agent_replay_pytest",
    }
    return subprocess.Popen(  # noqa: S603 - our own test
        [sys.executable, *_PYTEST, "-p", "no:cacheprovider"],
        env={**os.environ, **plugins, **version},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
