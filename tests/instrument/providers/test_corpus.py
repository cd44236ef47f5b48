"""Every recorded interaction whose API has a codec is read without loss."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest

from otel_agent_replay.errors import UnrenderableError
from otel_agent_replay.instrument.providers.registry import CODECS, codec_for
from otel_agent_replay.model.payload import header
from otel_agent_replay.testing.corpus import (
    CORPUS_ABSENT,
    corpus_path,
    wire_interactions,
)
from tests.instrument.providers.leaves import (
    ECHO,
    NOISE,
    USAGE,
    events,
    lost,
    lost_pieces,
)

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(corpus_path() is None, reason=CORPUS_ABSENT),
]


RESPONSE_NOISE = NOISE | ECHO | USAGE


# Vectors stay on the wire.
VECTORS = {"data", "embeddings"}


def interactions(api):
    for each in wire_interactions():
        codec = codec_for(each.request.method, each.request.url)
        if codec is not None and codec.api == api:
            yield codec, each


def read(codec, each):
    content_type = header(each.response.headers, "content-type")
    return codec.response(each.response.body, content_type)


def parsed(body: bytes):
    """The body as one JSON value, or None for a stream."""
    try:
        return json.loads(body)
    except ValueError:
        return None


@pytest.fixture(params=[codec.api for codec in CODECS])
def api(request):
    return request.param


class Tally:
    """How many interactions of an API are right, by provider."""

    def __init__(self, table, api, column) -> None:
        self.table, self.api, self.column = table, api, column
        self.problems, self.total, self.right = {}, Counter(), Counter()

    def add(self, codec, each, problem) -> None:
        provider = codec.request(each.request.body, each.request.url).provider
        self.total[provider] += 1
        self.right[provider] += not problem
        if problem:
            self.problems[each.id] = problem

    def check(self) -> None:
        """Report, and fail on any problem, or on nothing to look at."""
        for provider, total in self.total.items():
            counts = self.table.setdefault(f"{self.api} {provider}", Counter())
            counts[self.column] = f"{self.right[provider]}/{total}"
        assert self.total
        assert self.problems == {}


def test_every_request_leaf_is_in_the_genai_form(api, counted):
    """Each text and number of a request stands in messages, tools or parameters."""
    tally = Tally(counted, api, "requests")
    for codec, each in interactions(api):
        wire = json.loads(each.request.body)
        form = codec.request(each.request.body, each.request.url)
        # Gemini's batches name the model once more in each request.
        skip = NOISE | ({"model"} if "embed" in api else set())
        tally.add(codec, each, lost(wire, form, skip))
    tally.check()


def test_every_response_leaf_is_in_the_genai_form(api, counted):
    """Each text and number of an answer stands in the response, streamed or not."""
    tally = Tally(counted, api, "responses")
    skip = RESPONSE_NOISE | (VECTORS if "embeddings" in api else set())
    if "responses" not in api:
        skip = skip - ECHO
    for codec, each in interactions(api):
        form, body = read(codec, each), parsed(each.response.body)
        if body is not None:
            missing = lost(body, form, skip)
        else:
            values = events(each.response.body.decode())
            missing = stream_losses(api, values, form, skip)
        tally.add(codec, each, missing)
    tally.check()


def stream_losses(api, values, form, skip):
    if api == "openai.responses":
        # The last event's response repeats everything that came before.
        final = values[-1]["response"]
        said = [value for value in values if "response" not in value]
        return [*lost(final, form, skip), *lost_pieces(said, form, NO_ITEMS)]
    return lost_pieces(values, form, skip)


# An item begins `in_progress` and ends `completed`; only the end is kept. Its
# texts are said as a delta, done, and in the item: the item has been asked for.
NO_ITEMS = NOISE | {"item", "part", "item_id", "name", "arguments", "text"}


EXPECTED_USAGE = {
    "openai": ("prompt_tokens", "completion_tokens"),
    "openai.responses": ("input_tokens", "output_tokens"),
}


def wire_usages(values):
    """All token counts said anywhere in the values, later ones over earlier ones."""
    found = {}
    for value in values:
        for holder in (value, value.get("message"), value.get("response")):
            outer = holder if isinstance(holder, dict) else {}
            for place in (outer, outer.get("x_groq") or {}):
                for key in USAGE:
                    found |= place.get(key) or {}
    return found


def expected_usage(api, wire):
    if api.startswith("anthropic"):
        parts = (
            "input_tokens",
            "cache_read_input_tokens",
            "cache_creation_input_tokens",
        )
        return sum(wire.get(key) or 0 for key in parts), wire["output_tokens"]
    if api.startswith("gemini"):
        inputs = ("promptTokenCount", "toolUsePromptTokenCount")
        outputs = ("candidatesTokenCount", "thoughtsTokenCount")
        return tuple(
            sum(wire.get(key) or 0 for key in keys) for keys in (inputs, outputs)
        )
    keys = EXPECTED_USAGE.get(api, EXPECTED_USAGE["openai"])
    return tuple(wire.get(key) for key in keys)


def test_usage_is_what_the_wire_says(api, counted):
    """Input and output tokens, and cached and reasoning ones, are all kept."""
    tally = Tally(counted, api, "usage")
    for codec, each in interactions(api):
        form, body = read(codec, each), parsed(each.response.body)
        streamed = events(each.response.body.decode()) if body is None else None
        wire = wire_usages(streamed if body is None else [body])
        if not wire:
            continue
        usage = form.usage
        expected = expected_usage(api, wire)
        asked = [
            *expected,
            usage.cache_read_input_tokens or 0,
            usage.reasoning_output_tokens or 0,
        ]
        got = [usage.input_tokens or 0, usage.output_tokens or 0]
        text = json.dumps(wire)
        details = [number for number in asked[2:] if number and str(number) not in text]
        wrong = got != [number or 0 for number in expected] or details
        tally.add(codec, each, (wire, usage) if wrong else None)
    if "gemini.embeddings" not in api:
        tally.check()


def finish_words(values):
    for value in values:
        for choice in [*(value.get("choices") or []), *(value.get("candidates") or [])]:
            yield choice.get("finish_reason") or choice.get("finishReason")
        for holder in (value, value.get("delta"), value.get("message")):
            if isinstance(holder, dict):
                yield holder.get("stop_reason")
        holder = value.get("response", value)
        if isinstance(holder, dict) and holder.get("object") == "response":
            status = holder.get("status")
            yield None if status == "in_progress" else status


def test_finish_reasons_are_the_providers_own(api, counted):
    """Every finish reason on the wire is kept in the provider's words."""
    if "embeddings" in api:
        return
    tally = Tally(counted, api, "finish reasons")
    for codec, each in interactions(api):
        form, body = read(codec, each), parsed(each.response.body)
        values = events(each.response.body.decode()) if body is None else [body]
        expected = [word for word in finish_words(values) if word]
        said = [word for word in form.finish_reasons if word]
        wrong = sorted(expected) != sorted(said) or len(form.messages) < len(said)
        tally.add(codec, each, (expected, said) if wrong else None)
    tally.check()


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_an_answer_written_again_reads_the_same(api, counted, stream):
    """Writing a recorded answer and reading it gives an equal response."""
    tally = Tally(counted, api, "written streamed" if stream else "written plain")
    for codec, each in interactions(api):
        form = read(codec, each)
        try:
            body = codec.render_response(form, stream=stream)
        except UnrenderableError:
            assert "embeddings" in api
            continue
        again = codec.response(b"".join(body.chunks), body.content_type)
        tally.add(codec, each, None if again == form else (form, again))
    if "embeddings" not in api:
        tally.check()


def test_every_recorded_answer_is_whole(api):
    """No recorded stream looks broken off."""
    found = list(interactions(api))

    assert [each.id for codec, each in found if not read(codec, each).complete] == []


def test_the_leaf_check_sees_a_lost_message():
    """A reading from which messages are missing is reported as loss."""
    wire = {
        "messages": [
            {"role": "user", "content": "one"},
            {"role": "user", "content": "two"},
        ]
    }
    codec = codec_for("POST", "https://api.openai.com/v1/chat/completions")
    form = codec.request(json.dumps(wire).encode(), "https://api.openai.com/")
    cut = replace(form, messages=form.messages[:1])

    assert lost(wire, form) == []
    assert [leaf for _, leaf in lost(wire, cut)] == ["two"]


def test_the_leaf_check_sees_a_lost_piece_of_a_stream():
    """A streamed text that is read without one of its pieces is reported as loss."""
    chunks = [
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": said}}]}
        for said in ("Hel", "lo ", "you")
    ]
    codec = codec_for("POST", "https://api.openai.com/v1/chat/completions")
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
    whole = codec.response(body.encode(), None)
    less = codec.response(body.replace("lo ", "").encode(), None)

    assert lost_pieces(chunks, whole) == []
    assert [said for _, said in lost_pieces(chunks, less)] == [["Hel", "lo ", "you"]]
