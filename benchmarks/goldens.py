"""How long a suite of goldens takes: pytest, the openai SDK, no server, no network.

    python benchmarks/goldens.py [--goldens 500] [--workers 0,2] [--json]

Makes goldens of ten steps each: five model calls through the openai SDK, with a
conversation that grows, and five tools. Every golden is another run, with words of its
own. Then pytest runs a test for each, in one process and in several. The time is that
of the whole command: starting Python, importing the SDK, collecting, running.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import textwrap
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import otel_agent_replay
from otel_agent_replay import open_store
from otel_agent_replay._setup.golden_files import write_golden
from otel_agent_replay._setup.golden_making import made_golden
from otel_agent_replay.model.payload import dump_json
from otel_agent_replay.testing import (
    Answer,
    ScriptedProvider,
    ScriptedRequest,
    ToolCall,
)

_STEPS: Final = 10
_AGENT: Final = '''\
import json

from openai import OpenAI

from otel_agent_replay import agent, tool

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "search",
            "parameters": {"type": "object", "properties": {"page": {"type": "string"}}},
        },
    },
]
CLIENT = OpenAI(max_retries=0)


@tool
def search(page: str) -> dict:
    """Return a page."""
    return {"page": page, "text": f"What stands on page {page}. " * 8}


@agent(name="searcher")
def searcher(question: str) -> str:
    """Search as often as the model wants."""
    messages = [{"role": "user", "content": question}]
    for _ in range(5):
        reply = CLIENT.chat.completions.create(
            model="gpt-4o-mini", messages=messages, tools=TOOLS
        )
        message = reply.choices[0].message
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls or ():
            found = search(**json.loads(call.function.arguments))
            content = json.dumps(found)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": content})
    return f"{len(messages)} messages"
'''
_TEST: Final = """\
import pytest
from golden_agent import searcher


@pytest.mark.golden_folder("goldens")
def test_golden(agent_replay):
    searcher(**agent_replay.input)
    assert agent_replay.run.calls("search") == 5
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """How long a suite took; CPU is that of all its processes."""

    goldens: int
    steps: int
    workers: int
    seconds: float
    cpu_seconds: float
    ms_per_golden: float


def main() -> None:
    """Make the goldens, run them, and print how long it took."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--goldens", type=int, default=500)
    parser.add_argument("--workers", default="0,2")
    parser.add_argument("--json", action="store_true", dest="as_json")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        _make(project, asked.goldens)
        size = sum(path.stat().st_size for path in project.rglob("*.json"))
        found = [
            _run(project, asked.goldens, int(each)) for each in asked.workers.split(",")
        ]
    if asked.as_json:
        print(dump_json([asdict(each) for each in found]))
        return
    print(
        f"{asked.goldens} goldens of {_STEPS} steps, {size // asked.goldens} bytes each"
    )
    for each in found:
        where = f"-n {each.workers}" if each.workers else "one process"
        wall = f"{each.seconds:.1f} s, {each.ms_per_golden:.0f} ms a golden"
        print(f"{where}: {wall}; CPU {each.cpu_seconds:.1f} s")


def _model(request: ScriptedRequest) -> Answer:
    messages = request.json["messages"]
    words = messages[0]["content"]
    return Answer(tool_calls=[ToolCall("search", {"page": f"{words} {len(messages)}"})])


def _make(project: Path, number: int) -> None:
    (project / "tests").mkdir()
    (project / "golden_agent.py").write_text(_AGENT)
    (project / "tests" / "test_goldens.py").write_text(textwrap.dedent(_TEST))
    url = f"sqlite:///{project}/runs.db"
    sys.path.insert(0, str(project))
    with ScriptedProvider(script=_model) as provider:
        os.environ |= {"OPENAI_BASE_URL": provider.base_url, "OPENAI_API_KEY": "any"}
        from golden_agent import searcher  # type: ignore[import-not-found] # noqa: PLC0415

        otel_agent_replay.configure(store=url)
        for index in range(number):
            searcher(f"question {index}")
        otel_agent_replay.shutdown()
    with open_store(url) as store:
        for index, run in enumerate(store.runs(limit=number)):
            golden = made_golden(store.recording(run.run_id), f"run_{index:04}")
            assert (
                len([s for s in golden.recording.spans if s.parent_span_id]) == _STEPS
            )
            write_golden(project / "tests" / "goldens", golden)


def _run(project: Path, number: int, workers: int) -> Took:
    """Run the suite; nobody listens where its SDK would send to."""
    plugins = ["-p", "otel_agent_replay_pytest"]
    plugins += ["-p", "xdist", "-n", str(workers)] if workers else []
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugins]
    paths = [str(project), str(Path(__file__).parents[1])]
    settings = {
        "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONPATH": os.pathsep.join(paths),
    }
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(  # noqa: S603 - our own tests
        [*words, "tests"],
        cwd=project,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stdout[-3000:]
    assert f"{number} passed" in done.stdout, done.stdout[-3000:]
    return Took(
        goldens=number,
        steps=_STEPS,
        workers=workers,
        seconds=seconds,
        cpu_seconds=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        ms_per_golden=seconds * 1000 / number,
    )


if __name__ == "__main__":
    main()
