"""What goes to the store is what exporters get, and comes once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider

from otel_agent_replay import semconv
from otel_agent_replay._setup.codecs import Codecs, decoded
from otel_agent_replay.capture.encode import Finisher
from otel_agent_replay.capture.finished import FinishedSpan, Payload
from otel_agent_replay.capture.record import to_record
from otel_agent_replay.model.call import Call, Outcome
from otel_agent_replay.model.content import PackedSpan, unpack
from otel_agent_replay.model.payload import Chunk, HttpRequest, HttpResponse
from otel_agent_replay.model.span import SpanRecord
from otel_agent_replay.redact import Policy, Redactor, Rule
from otel_agent_replay.testing.corpus import (
    CORPUS_ABSENT,
    corpus_path,
    trajectories,
    wire_interactions,
)

URL = "https://api.openai.com/v1/chat/completions"
JSON = "application/json"
NOT_CUT = "text/plain"
"""A body of this type is searched as JSON too, but always as a whole."""
TRACER = TracerProvider(shutdown_on_exit=False).get_tracer("t")
POLICIES = {
    "off": Policy.off(),
    "default": Policy.default(),
    "places": Policy.default().extended(
        [Rule.path("$.messages[2].content"), Rule.path("$..city", kind="city")]
    ),
}


def finisher(policy: str = "default") -> Finisher:
    """Return what the worker has."""
    return Finisher(
        redactor=Redactor(POLICIES[policy], b"key"),
        describe=Codecs().describe,
        decode=decoded,
    )


def step(
    body: bytes,
    *,
    run: str = "r",
    url: str = URL,
    content_type: str = JSON,
    response: HttpResponse | None = None,
) -> FinishedSpan:
    """Return a finished model call."""
    request = HttpRequest(
        method="POST",
        url=url,
        headers=(
            ("authorization", "Bearer sk-abcdefghijklmnopqrstuvwx123456"),
            ("content-length", str(len(body))),
            ("content-type", content_type),
        ),
        body=body,
    )
    call = Call(
        kind="model",
        name="POST api.openai.com/v1/chat/completions",
        request=request,
        attributes={semconv.OPERATION_NAME: "chat"},
    )
    span = TRACER.start_span("chat")
    span.end()
    outcome = Outcome(response=response or ANSWER)
    return FinishedSpan(
        span=span,
        payload=Payload(call=call, outcome=outcome),
        marks={semconv.RUN_ID: run} if run else {},
    )


ANSWER = HttpResponse(
    status=200,
    headers=(("content-type", JSON),),
    chunks=(Chunk(data=b'{"choices": [{"message": {"content": "hi"}}]}'),),
)


class Stored:
    """Reads back what a finisher packs, as a store that it is written to would."""

    def __init__(self) -> None:
        self.contents: dict[tuple[str, bytes], str] = {}

    def read(self, packed: PackedSpan) -> SpanRecord:
        """Take a packed span; return it as it reads from the store."""
        for key, text in packed.contents.items():
            self.contents[packed.scope, key] = text
        assert packed.recipes <= packed.contents.keys()
        return unpack([packed.span], self.contents)[0]


def as_a_whole(
    finished: FinishedSpan, policy: str, own_type: str = NOT_CUT
) -> SpanRecord:
    """Return the record of a step whose body is not cut, by a new finisher."""
    payload = finished.payload
    assert payload is not None
    request = payload.call.request
    assert request is not None
    headers = tuple(
        (name, own_type if name == "content-type" else text)
        for name, text in request.headers
    )
    call = replace(payload.call, request=replace(request, headers=headers))
    other = replace(finished, payload=replace(payload, call=call))
    return to_record(finisher(policy).finish(other, {}))


def without_headers(record: SpanRecord) -> SpanRecord:
    """Return a record without the request headers, in which the types differ."""
    return replace(
        record,
        events=tuple(
            replace(
                event,
                attributes={
                    key: text
                    for key, text in event.attributes.items()
                    if key != semconv.HTTP_REQUEST_HEADERS
                },
            )
            for event in record.events
        ),
    )


def check(steps: Sequence[FinishedSpan], policy: str) -> None:
    """Fail where a step does not read back as it is finished, cut or not."""
    packs, stored = finisher(policy), Stored()
    for each in steps:
        read = stored.read(packs.pack(each, {"agent_replay.told": 1}))
        shared = to_record(packs.finish(each, {"agent_replay.told": 1}))
        alone = to_record(finisher(policy).finish(each, {"agent_replay.told": 1}))

        assert read == shared == alone
        whole = replace(
            as_a_whole(each, policy),
            attributes=read.attributes,
        )
        assert without_headers(read) == without_headers(whole)


def body(messages: Sequence[object], **members: object) -> bytes:
    """Return a request as SDKs write it."""
    wire = {"model": "gpt-4o", "messages": messages, "tools": TOOLS, **members}
    return json.dumps(wire, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )


TOOLS = [
    {"type": "function", "function": {"name": f"tool_{n}", "description": "does " * 40}}
    for n in range(6)
]
HISTORY = [
    {"role": "user", "content": f"Message {n} of jane.doe{n}@example.com. " * 9}
    for n in range(40)
]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_growing_conversation_reads_back(policy):
    """Each step reads as the exporter gets it, and as a body that is not cut."""
    check([step(body(HISTORY[:n])) for n in range(1, 40)], policy)


@pytest.mark.parametrize("policy", POLICIES)
def test_conversations_of_one_run_take_turns(policy):
    """Sub-agents, retries, shortened and rewritten histories read back."""
    other = [{"role": "system", "content": "Another agent. " * 30}, *HISTORY[20:]]
    changed = [*HISTORY[:5], {"role": "user", "content": "other " * 99}, *HISTORY[5:9]]
    bodies = [
        body(HISTORY[:6]),
        body(other[:3]),
        body(HISTORY[:8]),
        body(HISTORY[:8]),
        body(other[:7]),
        body(HISTORY[:4]),
        body(changed),
        body(HISTORY[:9], temperature=0.5),
        body(HISTORY[:10], temperature=0.7, metadata={"password": "hunter2-hunter2"}),
        body([]),
        body(HISTORY[:9], name="x"),
        json.dumps({"messages": HISTORY[:5], "model": "é"}).encode(),
        json.dumps({"messages": HISTORY[:6], "model": "é"}).encode(),
        json.dumps({"messages": HISTORY[:6]}, indent=1).encode(),
        body(HISTORY[:5])[:-1],
        b'{"messages":[' + body(HISTORY[:5]) + b'],"messages":[]}',
    ]
    check([step(each) for each in bodies], policy)


_SECRET = st.sampled_from(
    [
        "jane@example.com",
        "sk-proj-Ba4nGq7tXk2LmVw9ZsCe5Rf8Yh1Jd6Np3Tu0Qx",
        "password: hunter2hunter2",
        '{"password": "hunter2-hunter2"}',
        "4111 1111 1111 1111",
    ]
)
_TEXT = st.one_of(st.text(max_size=20), _SECRET, st.just("é😀" * 90))
_LEAF = st.one_of(
    _TEXT,
    st.integers(),
    st.just(10**30),
    st.floats(allow_nan=False, allow_infinity=False),
    st.none(),
    st.booleans(),
)
_KEY = st.sampled_from(
    ["role", "content", "name", "token", "logprob", "key", "value", "city", "password"]
)
_MESSAGE = st.dictionaries(
    _KEY, _LEAF | st.lists(_LEAF, max_size=3) | st.dictionaries(_KEY, _LEAF), max_size=4
)
_MEMBERS = st.dictionaries(
    st.sampled_from(["user", "metadata", "name", "key", "input", "seed"]),
    _LEAF | st.lists(_MESSAGE, max_size=2),
    max_size=3,
)
_CONVERSATION = st.lists(
    st.tuples(
        st.lists(_MESSAGE | _LEAF, max_size=3),
        st.integers(0, 3),
        _MEMBERS,
        st.sampled_from([(",", ":"), (", ", ": ")]),
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


@pytest.mark.parametrize("policy", POLICIES)
@settings(deadline=None, max_examples=60)
@given(_CONVERSATION)
def test_any_conversation_reads_back(policy, turns):
    """Whatever is in a request, and however the next one differs from it."""
    said: list[object] = []
    steps: list[FinishedSpan] = []
    padding = {"padding": "x " * 300}
    for new, dropped, members, separators, escaped in turns:
        said = [*said[: max(0, len(said) - dropped)], *new]
        wire = {"messages": said, **members, **padding}
        text = json.dumps(wire, separators=separators, ensure_ascii=escaped)
        steps.append(step(text.encode("utf-8", "replace")))
    check(steps, policy)


@pytest.mark.skipif(corpus_path() is None, reason=CORPUS_ABSENT)
@pytest.mark.parametrize("policy", ["off", "default"])
def test_recorded_traffic_reads_back(policy):
    """Requests and responses of all providers, in one run."""
    packs, stored = finisher(policy), Stored()
    for each in wire_interactions():
        finished = step(each.request.body, url=each.request.url, response=each.response)
        read = stored.read(packs.pack(finished, {}))

        assert read == to_record(finisher(policy).finish(finished, {})), each.id
        if each.request.body:
            whole = as_a_whole(finished, policy)
            whole = replace(whole, attributes=read.attributes)
            assert without_headers(read) == without_headers(whole), each.id


def _conversations(number: int) -> Iterator[list[FinishedSpan]]:
    for each in [*trajectories()][:number]:
        yield [
            step(body(each.messages[:place]), run=f"r{each.task_id}/{each.trial}")
            for place, message in enumerate(each.messages)
            if message.get("role") == "assistant"
        ]


@pytest.mark.skipif(corpus_path() is None, reason=CORPUS_ABSENT)
@pytest.mark.parametrize("policy", ["off", "default"])
def test_recorded_runs_read_back(policy):
    """The steps of recorded agents, whose conversations grow."""
    for steps in _conversations(4):
        check(steps, policy)


def test_a_step_brings_only_what_is_new():
    """However long the history, a step's row and its contents stay small."""
    packs = finisher()
    packed = [packs.pack(step(body(HISTORY[:n])), {}) for n in range(1, 40)]
    later = packed[5:]

    assert len(body(HISTORY)) > 15_000
    for each in later:
        events = each.span.events
        assert sum(len(v) for e in events for v in e.attributes.values()) < 3_500
        assert sum(map(len, each.contents.values())) < 4_000


def test_each_scope_is_brought_everything():
    """A run has none of its contents from another one."""
    packs = finisher()
    finished = step(body(HISTORY[:9]))
    first = packs.pack(finished, {})
    other = packs.pack(replace(finished, marks={semconv.RUN_ID: "other"}), {})

    assert other.scope != first.scope
    assert other.contents == first.contents


@pytest.mark.parametrize("scope", ["r", None])
def test_what_is_forgotten_comes_again(scope):
    """After a loss, the next step brings along all that it names."""
    packs = finisher()
    packs.pack(step(body(HISTORY[:8])), {})
    packs.forget(scope)
    lost = step(body(HISTORY[:9]))
    read = Stored().read(packs.pack(lost, {}))

    assert read == to_record(finisher().finish(lost, {}))


def test_forgetting_one_scope_keeps_the_others():
    """What other runs have brought along does not come again."""
    packs = finisher()
    packs.pack(step(body(HISTORY[:8])), {})
    packs.forget("another")

    assert not packs.pack(step(body(HISTORY[:8])), {}).contents


def test_spans_without_a_run_bring_all_they_name():
    """Each trace outside any run is a scope of its own."""
    packs = finisher()
    for _ in range(2):
        alone = step(body(HISTORY[:8]), run="")
        read = Stored().read(packs.pack(alone, {}))

        assert read == to_record(finisher().finish(alone, {}))


def test_a_step_that_fails_leaves_the_next_one_whole():
    """What a dropped payload would have brought along is not taken as brought."""

    def refuse(text: str) -> str:
        if "poison" in text:
            raise ValueError
        return text

    policy = Policy.default()
    rules = (*policy.rules, Rule.function("refuse", refuse))
    packs = Finisher(
        redactor=Redactor(replace(policy, rules=rules), b"key"),
        describe=Codecs().describe,
        decode=decoded,
    )
    stored = Stored()
    poison = {"role": "user", "content": "poison " * 40}
    first = stored.read(packs.pack(step(body(HISTORY[:4])), {}))
    failed = stored.read(packs.pack(step(body([*HISTORY[:6], poison])), {}))
    after = stored.read(packs.pack(step(body(HISTORY[:7])), {}))

    assert failed.attributes[semconv.STEP_DROPPED] == "redaction"
    assert semconv.STEP_DROPPED not in first.attributes
    assert semconv.STEP_DROPPED not in after.attributes


def test_headers_that_repeat_come_once():
    """Where only the length of the body is another, no other header comes again."""

    def with_headers(*said: str) -> FinishedSpan:
        messages = [{"role": "user", "content": text * 200} for text in said]
        finished = step(json.dumps({"messages": messages}).encode())
        payload = finished.payload
        assert payload is not None
        request = payload.call.request
        assert request is not None
        more = (("x-before", "b" * 200), *request.headers, ("x-behind", "e" * 200))
        call = replace(payload.call, request=replace(request, headers=more))
        return replace(finished, payload=replace(payload, call=call))

    packs, stored = finisher("off"), Stored()
    first = packs.pack(with_headers("one "), {})
    second = packs.pack(with_headers("one ", "two "), {})

    long = ("b" * 200, "e" * 200)
    assert all(any(x in text for text in first.contents.values()) for x in long)
    assert not any(x in text for text in second.contents.values() for x in long)
    stored.read(first)
    assert all(x in str(stored.read(second).events) for x in long)
