"""Chat Completions: answers, streams, usage and how they end."""

from __future__ import annotations

import json

import pytest

from otel_agent_replay.model.messages import Message, ModelResponse, Usage
from tests.instrument.providers.openai_chat import CODEC, answer, message


def streamed(*deltas, end="data: [DONE]\n\n", **last):
    chunks = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    chunks.append(
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], **last}
    )
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
    return CODEC.response((body + end).encode(), "text/event-stream")


def test_answers_with_refusal_audio_reasoning_and_more():
    """What an answer says beside text is parts; what the choice says is kept."""
    wire = {
        "role": "assistant",
        "content": "Hi",
        "refusal": "no",
        "audio": {"id": "a", "data": "AAAA", "transcript": "Hi", "expires_at": 9},
        "reasoning": "thinking",
        "annotations": [{"type": "url_citation"}],
    }
    read = answer(wire, finish_reason="stop", logprobs={"content": [{"token": "Hi"}]})

    assert read.messages[0] == Message(
        role="assistant",
        parts=(
            {"type": "reasoning", "content": "thinking", "wire_key": "reasoning"},
            {"type": "text", "content": "Hi"},
            {"type": "refusal", "content": "no"},
            {
                "type": "blob",
                "modality": "audio",
                "content": "AAAA",
                "id": "a",
                "transcript": "Hi",
                "expires_at": 9,
            },
        ),
        finish_reason="stop",
        extra={
            "annotations": [{"type": "url_citation"}],
            "choice": {"logprobs": {"content": [{"token": "Hi"}]}},
        },
    )
    for stream in (False, True):
        body = CODEC.render_response(read, stream=stream)
        assert CODEC.response(b"".join(body.chunks), None) == read


def test_audio_of_an_earlier_answer_is_a_file():
    """A request names earlier audio by id."""
    read = message(role="assistant", audio={"id": "a1"})

    assert read.parts == ({"type": "file", "modality": "audio", "file_id": "a1"},)


def test_streams_are_put_together():
    """Pieces of text, reasoning, refusal and arguments are joined; ids are not."""
    call = {
        "index": 0,
        "id": "c",
        "type": "function",
        "function": {"name": "f", "arguments": ""},
    }
    more = [{"index": 0, "function": {"arguments": piece}} for piece in ('{"a"', ":1}")]
    repeated = {"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}
    read = streamed(
        {"role": "assistant", "content": ""},
        {"role": "assistant", "reasoning_content": "th"},
        {"reasoning_content": "ink"},
        {"content": "He"},
        {"content": "y"},
        {"refusal": "n"},
        {"refusal": "o"},
        {"tool_calls": [call]},
        {"tool_calls": [more[0]]},
        {"tool_calls": [repeated]},
        {"tool_calls": [more[1]]},
        usage={"prompt_tokens": 1, "completion_tokens": 2},
    )

    assert read.messages[0].parts == (
        {"type": "reasoning", "content": "think"},
        {"type": "text", "content": "Hey"},
        {"type": "refusal", "content": "no"},
        {"type": "tool_call", "id": "c", "name": "f", "arguments": {"a": 1}},
    )
    assert read.usage == Usage(input_tokens=1, output_tokens=2)
    assert read.complete


@pytest.mark.parametrize("index", [{"index": 0}, {}], ids=["same index", "no index"])
def test_parallel_calls_without_their_own_index_stay_apart(index):
    """Gemini's and Ollama's compatible APIs tell parallel calls apart by id alone."""
    calls = [
        {
            **index,
            "id": name,
            "type": "function",
            "function": {"name": name, "arguments": "{}"},
        }
        for name in ("a", "b")
    ]
    apart = streamed(*({"tool_calls": [call]} for call in calls))
    together = streamed({"tool_calls": calls})

    for read in (apart, together):
        assert [part["name"] for part in read.messages[0].parts] == ["a", "b"]


def test_mistral_thinking_in_content_lists():
    """Chunks of thinking and text, streamed as lists and as strings, are joined."""

    def thought(text):
        return {"type": "thinking", "thinking": [{"type": "text", "text": text}]}

    whole = [thought("think hard"), {"type": "text", "text": "Hey"}]
    read = streamed(
        {"role": "assistant", "content": [thought("think ")]},
        {"content": [thought("hard")]},
        {"content": "He"},
        {"content": "y"},
    )

    kinds = [(part["type"], part["content"]) for part in read.messages[0].parts]
    assert kinds == [("reasoning", "think hard"), ("text", "Hey")]
    assert (
        read.messages
        == answer(
            {"role": "assistant", "content": whole}, finish_reason="stop"
        ).messages
    )
    written = json.loads(CODEC.render_response(read, stream=False).chunks[0])
    assert written["choices"][0]["message"]["content"] == whole


def test_choices_are_told_apart():
    """Interleaved pieces of several choices go to their choice, in order of index."""
    chunks = [
        {"choices": [{"index": index, "delta": {"content": text}}]}
        for index, text in [(1, "b"), (0, "a"), (1, "B"), (0, "A")]
    ]
    chunks += [
        {"choices": [{"index": index, "delta": {}, "finish_reason": reason}]}
        for index, reason in [(1, "length"), (0, "stop")]
    ]
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
    read = CODEC.response(body.encode(), None)

    assert [each.parts[0]["content"] for each in read.messages] == ["aA", "bB"]
    assert read.finish_reasons == ("stop", "length")
    assert read.complete


@pytest.mark.parametrize(
    ("wire", "usage"),
    [
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 7,
                "total_tokens": 16,
                "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
                "completion_tokens_details": {"reasoning_tokens": 5},
            },
            Usage(
                input_tokens=9,
                output_tokens=7,
                cache_read_input_tokens=4,
                cache_write_input_tokens=2,
                reasoning_output_tokens=5,
            ),
        ),
        # xAI counts reasoning beside the output.
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 7,
                "total_tokens": 21,
                "completion_tokens_details": {"reasoning_tokens": 5},
            },
            Usage(input_tokens=9, output_tokens=12, reasoning_output_tokens=5),
        ),
        # DeepSeek names the cache otherwise.
        (
            {"prompt_tokens": 9, "completion_tokens": 7, "prompt_cache_hit_tokens": 3},
            Usage(input_tokens=9, output_tokens=7, cache_read_input_tokens=3),
        ),
        ({"prompt_tokens": "9"}, Usage()),
        ([], Usage()),
    ],
)
def test_usage_as_servers_say_it(wire, usage):
    """Cached, written and reasoning tokens are read wherever a server puts them."""
    body = json.dumps({"choices": [], "usage": wire}).encode()

    assert CODEC.response(body, None).usage == usage


def test_foreign_finish_reasons_are_translated():
    """An answer of another provider ends in this one's words."""
    said = [("end_turn", "stop"), ("MAX_TOKENS", "length"), ("tool_use", "tool_calls")]
    text = {"type": "text", "content": "x"}
    for word, expected in said:
        response = ModelResponse(
            messages=(Message(role="assistant", parts=(text,)),), finish_reasons=(word,)
        )
        wire = json.loads(CODEC.render_response(response, stream=False).chunks[0])
        assert wire["choices"][0]["finish_reason"] == expected


def test_what_an_answer_says_about_itself_is_kept():
    """Citations of a search, the tier, the fingerprint: in `extra`, and written."""
    wire = {
        "id": "i",
        "model": "m",
        "choices": [],
        "citations": ["https://h"],
        "service_tier": "flex",
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "num_search_queries": 3},
    }
    read = CODEC.response(json.dumps(wire).encode(), None)

    assert read.extra == {
        "citations": ["https://h"],
        "service_tier": "flex",
        "usage": {"num_search_queries": 3},
    }
    written = json.loads(CODEC.render_response(read, stream=False).chunks[0])
    assert {**wire, **written} == written | {
        "usage": {**wire["usage"], "total_tokens": 2}
    }
