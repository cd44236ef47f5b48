"""Runs to compare, made by hand or by chance, and what a comparison shows of them."""

from __future__ import annotations

from hypothesis import strategies as st

from otel_agent_replay.model.call import Call, Outcome
from otel_agent_replay.model.messages import Message, ModelResponse, Usage
from otel_agent_replay.model.payload import Chunk, HttpRequest, HttpResponse, dump_json
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step


def tool(name, inputs=None, value=None, **outcome):
    call = Call(kind="tool", name=name, inputs=inputs or {})
    return {"call": call, "outcome": Outcome(value=value, **outcome)}


def chat(sent, answer, *, host="api.test", cost=None):
    body = dump_json({"messages": sent}).encode()
    url = f"https://{host}/v1/chat"
    call = Call(
        kind="model",
        name=f"POST {host}/v1/chat",
        request=HttpRequest(method="POST", url=url, body=body),
    )
    message = Message(role="assistant", parts=({"type": "text", "content": answer},))
    wire = HttpResponse(status=200, chunks=(Chunk(data=answer.encode()),))
    return {
        "call": call,
        "outcome": Outcome(response=wire),
        "response": ModelResponse(
            id=f"id of {answer}",
            messages=(message,),
            usage=Usage(input_tokens=10, output_tokens=len(answer)),
        ),
        "cost_usd": cost,
    }


def run(*steps, run_id="r", **fields):
    built = tuple(
        Step(
            index=n,
            span_id=f"{n}",
            **{"start_ns": n * 10, "end_ns": n * 10 + 5, **each},
        )
        for n, each in enumerate(steps)
    )
    return Run(run_id=run_id, trace_id="t", steps=built, **fields)


def sides(comparison):
    return [
        (row.a and row.a.index, row.b and row.b.index, [f.path for f in row.fields])
        for row in comparison.rows
    ]


steps = st.lists(
    st.builds(
        tool,
        st.sampled_from("abc"),
        st.sampled_from([{}, {"n": 1}, {"n": 2}]),
        st.sampled_from([None, 1]),
    ),
    max_size=8,
)
