"""What rules find in a run, what they leave alone, and where they would fork it."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import replace

import pytest
from openai import OpenAI

import otel_agent_replay
from otel_agent_replay import agent, open_store
from otel_agent_replay.model.call import Call, Outcome, RecordedException
from otel_agent_replay.model.messages import (
    Message,
    ModelRequest,
    ModelResponse,
    Usage,
)
from otel_agent_replay.model.payload import HttpRequest, HttpResponse, dump_json
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step
from otel_agent_replay.replay.findings import find
from otel_agent_replay.replay.fork_points import fork_points
from otel_agent_replay.testing import (
    CORPUS_ABSENT,
    Answer,
    ScriptedProvider,
    corpus_path,
    trajectories,
)
from tests.loop.test_trajectories import Airline, played

S = 1_000_000_000
TOOLS = (
    {
        "type": "function",
        "name": "search",
        "parameters": {"type": "object", "required": ["query"]},
    },
)


def error(name="builtins:ValueError", message="no such page"):
    return RecordedException(type_name=name, message=message)


def tool(name="search", inputs=None, value=None, *, effect="read", **outcome):
    call = Call(kind="tool", name=name, inputs=inputs or {}, effect=effect)
    return {"call": call, "outcome": Outcome(value=value, **outcome)}


def model(said="hm", *, reason="stop", part=None, tokens=10, sent=None, **fields):
    body = dump_json({"max_tokens": 50, **(sent or {})}).encode()
    request = HttpRequest(method="POST", url="https://h/v1", body=body)
    parts = (part or {"type": "text", "content": said},)
    return {
        "call": Call(kind="model", name="POST h/v1", request=request),
        "outcome": Outcome(response=HttpResponse(status=200)),
        "request": ModelRequest(operation="chat", provider="x", tools=TOOLS),
        "response": ModelResponse(
            messages=(Message(role="assistant", parts=parts),),
            finish_reasons=(reason,),
            usage=Usage(input_tokens=tokens),
        ),
        **fields,
    }


def state(value):
    call = Call(kind="checkpoint", name="state", inputs={"state": value})
    return {"call": call, "outcome": Outcome()}


def run(*steps, answer="It is so.", **fields):
    built = tuple(
        Step(index=n, span_id=f"{n}", **{"start_ns": n, "end_ns": n + 1, **each})
        for n, each in enumerate(steps)
    )
    fields.setdefault("outcome", Outcome(value=answer))
    return Run(run_id="r", trace_id="t", steps=built, **fields)


def told(found):
    return [(each.kind, each.confidence, each.steps) for each in find(found)]


def call(name="search", arguments=None):
    return {"type": "tool_call", "name": name, "arguments": arguments}


def test_a_run_that_went_well_has_no_findings():
    """Results, one failure that was got over, one empty result beside a full one."""
    well = run(
        model(part=call(arguments={"query": "x"})),
        tool(inputs={"query": 1}, value=[]),
        tool(inputs={"query": 2}, value=["page"]),
        tool(inputs={"query": 3}, error=error()),
        tool(inputs={"query": 4}, value=["page"]),
        tool("send", {"text": 1}, None, effect="write"),
        tool("send", {"text": 2}, None, effect="write"),
        model(),
    )

    assert told(well) == []


def test_a_loop_of_equal_calls():
    """The same arguments and the same result, three times; not where results change."""
    loop = [tool(inputs={"query": "x"}, value="page")] * 3
    polling = [tool("status", {"id": 1}, f"{n} %") for n in range(5)]

    assert told(run(*loop)) == [("repeated_calls", "likely", (0, 1, 2))]
    assert told(run(*loop[:2], *polling)) == []


@pytest.mark.parametrize(
    "value", [[], {}, "[]", '{"hits": []}', {"hits": [], "total": 0}, "No results."]
)
def test_results_that_are_empty_again_and_again(value):
    """Whatever form they have; the answer does not admit it, and that is told too."""
    searches = [tool(inputs={"query": n}, value=value) for n in range(2)]

    assert told(run(*searches)) == [
        ("empty_results", "likely", (0, 1)),
        ("answer_without_evidence", "likely", (0, 1)),
    ]
    assert told(run(*searches, answer="I could not find anything.")) == [
        ("empty_results", "likely", (0, 1)),
    ]


@pytest.mark.parametrize("value", ["", None, 0, False, ["x"], {"total": 3, "hits": []}])
def test_what_is_not_taken_for_an_empty_result(value):
    """A tool that gives no text at all, a number, anything that holds something."""
    assert told(run(*[tool(inputs={"n": n}, value=value) for n in range(3)])) == []


def test_errors_that_come_again():
    """Three of a kind; statuses of retries count, a frame does not count twice."""
    failing = [tool(inputs={"n": n}, error=error()) for n in range(3)]
    busy = {
        **model(),
        "outcome": Outcome(response=HttpResponse(status=429)),
        "response": None,
    }
    frame = {
        "call": Call(kind="step", name="search"),
        "outcome": Outcome(error=error()),
    }
    inside = [frame, *({**each, "parent": 0} for each in failing)]

    good = tool(inputs={"n": 9}, value=["page"])
    assert told(run(*failing, good)) == [("repeated_errors", "certain", (0, 1, 2))]
    assert told(run(busy, busy, busy, model())) == [
        ("repeated_errors", "certain", (0, 1, 2))
    ]
    assert told(run(*inside, good))[0][2] == (1, 2, 3)
    assert told(run(*failing[:2], good)) == []


def test_a_failure_that_the_answer_passes_over():
    """Likely where nothing worked after it, possible where another tool did."""
    failed = tool("book", {"id": 1}, error=error(), effect="write")
    other = tool(inputs={"query": 1}, value=["page"])

    assert told(run(other, failed)) == [("error_passed_over", "likely", (1,))]
    assert told(run(failed, other)) == [("error_passed_over", "possible", (0,))]
    assert told(run(other, failed, answer="Sorry, that failed.")) == []
    assert told(run(other, failed, tool("book", {"id": 2}, "done"))) == []
    assert told(run(other, failed, answer={"booked": True})) == []


@pytest.mark.parametrize("reason", ["length", "max_tokens", "MAX_TOKENS"])
def test_an_answer_that_was_cut_off(reason):
    """In the words of each provider; more tokens are what to try."""
    cut = run(tool(value=["x"]), model(reason=reason))

    (finding,) = find(cut)
    points = fork_points(cut, [finding])

    assert (finding.kind, finding.steps) == ("answer_cut_off", (1,))
    assert (points[0].change, points[0].path) == ("parameter", "max_tokens")
    assert (points[0].at, points[0].value) == (0, 200)


def test_an_answer_that_was_refused():
    """Said by the provider, as a reason or as a part."""
    refused = {"type": "refusal", "refusal": "no"}

    assert told(run(model(reason="content_filter")))[0][0] == "answer_refused"
    assert told(run(model(part=refused)))[0][0] == "answer_refused"


@pytest.mark.parametrize(
    ("part", "problem"),
    [
        (call(arguments='{"query": '), "arguments that are no JSON object"),
        (call(arguments=["x"]), "arguments that are no JSON object"),
        (call(arguments={"q": 1}), "without query"),
        (call("delete", {}), "none of the tools it was given"),
    ],
)
def test_arguments_that_the_tools_do_not_allow(part, problem):
    """Judged by the definitions that the request carried."""
    (finding,) = find(run(model(part=part)))

    assert (finding.kind, finding.confidence) == ("invalid_arguments", "certain")
    assert problem in finding.text


def test_a_context_that_grows():
    """Large and many times larger than at first; and where most of it came from."""
    sizes = (1_000, 2_000, 40_000, 41_000)
    grown = run(*[model(tokens=n) for n in sizes])

    (finding,) = find(grown)

    assert (finding.kind, finding.steps) == ("growing_context", (3,))
    assert finding.evidence == ("38000 tokens of it from step 1 to 2",)
    assert told(run(*[model(tokens=n // 10) for n in sizes])) == []
    assert told(run(model(tokens=90_000), model(tokens=95_000))) == []


def test_what_takes_most_of_the_time_and_the_money():
    """One step against all; short runs and even ones have none."""
    slow = {"start_ns": 0, "end_ns": 20 * S}
    usual = [tool(inputs={"n": n}, value=["x"]) for n in range(4)]
    dear = [model(cost_usd=0.1) for _ in range(4)]

    assert told(run(*usual, {**tool(value=["x"]), **slow})) == [
        ("slow_step", "certain", (4,))
    ]
    assert told(run(*dear, model(cost_usd=0.9))) == [
        ("expensive_step", "certain", (4,))
    ]
    assert told(run(*usual)) == []
    assert told(run(*dear)) == []


def test_how_a_run_ended():
    """With an exception, from the step that raised it; or in the middle of a write."""
    failed = tool("book", {"id": 1}, error=error())
    half = tool("pay", {"sum": 1}, effect="write", ended="open")

    ended = run(failed, outcome=Outcome(error=error()))
    open_read = run(tool(ended="open"), outcome=Outcome(error=error(message="x")))

    assert told(ended) == [("failed", "certain", (0,))]
    assert told(run(tool(value=["x"]), half, status="interrupted")) == [
        ("unfinished_write", "certain", (1,))
    ]
    assert told(open_read) == [("failed", "certain", ())]


def test_steps_that_a_resume_made_again_are_left_aside():
    """What failed then and worked later is no finding."""
    failing = [tool(inputs={"n": n}, error=error()) for n in range(3)]
    again = [{**each, "superseded": True} for each in failing]

    assert told(run(*again, tool(value=["x"]))) == []


def test_what_only_costs_comes_last():
    """The first finding is what to look at first."""
    slow = {"start_ns": 0, "end_ns": 20 * S}
    searches = [tool(inputs={"q": n}, value=[]) for n in range(3)]

    kinds = [each.kind for each in find(run(*searches, {**model(), **slow}))]

    assert kinds == ["empty_results", "answer_without_evidence", "slow_step"]


def test_where_a_loop_of_empty_results_is_forked():
    """A limit in its state, another result, other code; then the answer."""
    loop = [
        step
        for n in range(3)
        for step in (
            model(),
            tool(inputs={"q": n}, value=[]),
            state({"limits": {"max_retries": 6}, "done": n, "bad name": 7}),
        )
    ]
    found = run(*loop, model("made up"))

    points = fork_points(found, find(found))

    assert [(p.at, p.change, p.path, p.value) for p in points] == [
        (2, "state", "limits.max_retries", 2),
        (1, "result", "", ["PUT IN WHAT IT SHOULD GIVE"]),
        (0, "code", "", None),
        (9, "answer", "", "PUT IN WHAT IT SHOULD GIVE"),
    ]


def test_a_result_that_the_tool_gave_elsewhere_is_the_example():
    """A shape that the agent can read; none that is too long to type."""
    short = tool(inputs={"q": 9}, value={"hits": ["page"]})
    long = tool(inputs={"q": 9}, value={"hits": ["x" * 999]})
    empty = [tool(inputs={"q": n}, value={"hits": []}) for n in range(2)]

    values = [
        next(p.value for p in fork_points(r, find(r)) if p.change == "result")
        for r in (run(*empty, short), run(*empty, long))
    ]

    assert values == [{"hits": ["page"]}, {"hits": ["PUT IN WHAT IT SHOULD GIVE"]}]


def test_odd_runs_are_no_trouble():
    """No steps, no usage, odd values: nothing is raised."""
    odd = {
        **model(part=call(name=None, arguments=None)),
        "request": replace(model()["request"], tools=({"name": 3}, {})),
    }

    assert find(run()) == ()
    assert fork_points(run(), find(run())) == ()
    assert told(run(odd, tool(items=()))) == [
        ("answer_without_evidence", "possible", (1,))
    ]


@pytest.mark.corpus
@pytest.mark.skipif(corpus_path() is None, reason=CORPUS_ABSENT)
def test_findings_in_recorded_runs_mean_something(tmp_path):
    """Of forty recorded runs few have one, and none of those that reached their goal."""
    url = f"sqlite:///{tmp_path}/runs.db"
    otel_agent_replay.configure(store=url, redact="off")
    rewards = [_play(each) for each in trajectories()]
    otel_agent_replay.shutdown()

    with open_store(url) as store:
        ids = [each.run_id for each in reversed(store.runs(limit=100))]
        kinds = [{each.kind for each in find(store.load(run_id))} for run_id in ids]

    fired = Counter(kind for each in kinds for kind in each)
    good = [each for each, reward in zip(kinds, rewards, strict=True) if reward == 1]
    assert len(good) == 5
    assert not any(good)
    assert fired == {"repeated_errors": 4, "error_passed_over": 2, "repeated_calls": 1}


def _play(trajectory) -> float:
    """Record a trajectory, the agent's last words as its answer; return its reward."""
    messages = played(trajectory)
    script = [each for each in messages if each["role"] == "assistant"]
    answers = [Answer.from_message(each) for each in script]
    with ScriptedProvider(answers=answers) as provider:
        client = OpenAI(base_url=provider.base_url, api_key="any", max_retries=0)
        airline = Airline(client)
        for each in messages:
            if each["role"] == "tool":
                queue = airline.results.setdefault(each["name"], deque())
                queue.append(each["content"])

        def play(given):
            said = [each for each in airline.play(given) if each["role"] == "assistant"]
            return next((e["content"] for e in said[::-1] if e.get("content")), "")

        agent(name="airline")(play)(messages)
        client.close()
    return trajectory.reward
