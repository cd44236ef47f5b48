"""Streams: secrets across chunks and across events; the cut stays the same."""

import base64
import json
import struct
import zlib
from itertools import pairwise

import pytest

from otel_agent_replay.model.payload import Chunk, HttpResponse, header
from otel_agent_replay.redact import Policy, Redactor, Rule

TEXT = "Mail alice@example.com, é, or use sk-proj-abc123DEF456ghi789JKL012 now."
ARGUMENTS = '{"user": "bob", "password": "hunter 2\\"x", "n": 1}'


def response(body: bytes, cuts: list[int], kind: str) -> HttpResponse:
    """Return a response that came in pieces."""
    ends = [0, *cuts, len(body)]
    return HttpResponse(
        status=200,
        headers=(("Content-Type", kind),),
        chunks=tuple(
            Chunk(data=body[start:stop], at_ns=start) for start, stop in pairwise(ends)
        ),
    )


def openai(piece: str) -> object:
    return {"id": "chatcmpl-1", "choices": [{"index": 0, "delta": {"content": piece}}]}


def openai_arguments(piece: str) -> object:
    function = {"arguments": piece}
    call = {"index": 1, "function": function}
    return {"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}


def anthropic(piece: str) -> object:
    delta = {"type": "input_json_delta", "partial_json": piece}
    return {"type": "content_block_delta", "index": 1, "delta": delta}


def responses(piece: str) -> object:
    kind = "response.function_call_arguments.delta"
    return {"type": kind, "item_id": "fc_1", "output_index": 0, "delta": piece}


def gemini(piece: str) -> object:
    return {"candidates": [{"content": {"parts": [{"text": piece}]}, "index": 0}]}


def ollama(piece: str) -> object:
    return {"model": "m", "message": {"role": "assistant", "content": piece}}


READ = {
    openai: lambda e: e["choices"][0]["delta"]["content"],
    openai_arguments: lambda e: e["choices"][0]["delta"]["tool_calls"][0]["function"][
        "arguments"
    ],
    anthropic: lambda e: e["delta"]["partial_json"],
    responses: lambda e: e["delta"],
    gemini: lambda e: e["candidates"][0]["content"]["parts"][0]["text"],
    ollama: lambda e: e["message"]["content"],
}


def stream(make, pieces: list[str]) -> bytes:
    events = [f"data: {json.dumps(make(piece))}\n\n" for piece in pieces]
    return "".join([*events, "data: [DONE]\n\n"]).encode()


def events(body: bytes) -> list[object]:
    lines = [line for line in body.decode().splitlines() if line.startswith("data: {")]
    return [json.loads(line[6:]) for line in lines]


def assembled(make, body: bytes) -> str:
    return "".join(READ[make](event) for event in events(body))


@pytest.mark.parametrize("make", list(READ), ids=lambda make: make.__name__)
@pytest.mark.parametrize("text", [TEXT, ARGUMENTS], ids=["text", "arguments"])
def test_a_secret_split_anywhere_across_events_is_found(
    redactor,
    elsewhere,
    make,
    text,
):
    """The assembled text equals the redacted text, for every split in three."""
    wanted = redactor.text(text)
    for at in range(len(text)):
        for width in (1, 7):
            pieces = [text[:at], text[at : at + width], text[at + width :]]
            made = redactor.response(
                response(stream(make, pieces), [9, 30], "text/event-stream"),
            )
            assert assembled(make, made.body) == wanted
            assert len(made.chunks) == 3
            assert elsewhere.response(made) == made


def test_a_text_that_comes_letter_by_letter(redactor):
    """The pseudonym goes where the secret starts, the other pieces are empty."""
    made = redactor.response(
        response(
            stream(openai, list(TEXT)), list(range(1, 400, 7)), "text/event-stream"
        ),
    )
    assert assembled(openai, made.body) == redactor.text(TEXT)
    assert len(events(made.body)) == len(TEXT)


def test_events_without_changes_keep_their_bytes(redactor):
    """Also in a stream in which other events change."""
    odd = b'event: x\ndata: {"a" : 1.0,"b":"\\u00e9"}\r\n\r\n: ping\n\nid: 7\n\n'
    mail = b'data: {"c":"a@example.com"}\n\n'
    made = redactor.response(response(odd + mail + odd, [], "text/event-stream")).body
    new = redactor.text("a@example.com").encode()
    assert made == odd + mail.replace(b"a@example.com", new) + odd


def test_parallel_texts_do_not_mix(redactor):
    """Choices, tool calls and blocks each have a lane of their own."""
    calls = [
        {"choices": [{"index": number, "delta": {"content": piece}}]}
        for piece in ("alice@exa", "mple.com")
        for number in (0, 1)
    ]
    body = "".join(f"data: {json.dumps(call)}\n\n" for call in calls).encode()
    made = events(redactor.response(response(body, [], "text/event-stream")).body)
    mail = redactor.text("alice@example.com")
    got = [event["choices"][0]["delta"]["content"] for event in made]
    assert got == [mail, mail, "", ""]


def test_the_text_at_the_end_equals_the_pieces(redactor):
    """The Responses API repeats the whole text in its last events."""
    name = "response.output_text."
    body = "".join(
        f"data: {json.dumps(event)}\n\n"
        for event in [
            {"type": name + "delta", "item_id": "m", "delta": "mail alice@exa"},
            {"type": name + "delta", "item_id": "m", "delta": "mple.com"},
            {"type": name + "done", "item_id": "m", "text": "mail alice@example.com"},
        ]
    ).encode()
    made = events(redactor.response(response(body, [], "text/event-stream")).body)
    assert made[0]["delta"] + made[1]["delta"] == made[2]["text"]


@pytest.mark.parametrize("kind", ["application/json", "text/plain", None])
def test_a_secret_split_across_chunks_is_found(redactor, kind):
    """At every offset; the chunks stay as many, at their times."""
    body = json.dumps({"content": TEXT}, ensure_ascii=False).encode()
    whole = redactor.body(body, kind)
    for cut in range(len(body)):
        given = response(body, [cut], kind or "")
        made = redactor.response(given)
        assert made.body == whole
        assert [c.at_ns for c in made.chunks] == [c.at_ns for c in given.chunks]


def test_chunk_boundaries_keep_their_places(redactor):
    """Before and after a secret they stay where they are in the text around it."""
    body = b"0123456789 a@example.com 0123456789"
    mail = redactor.text("a@example.com").encode()
    made = redactor.response(response(body, [4, 15, 30], "text/plain"))
    assert [chunk.data for chunk in made.chunks] == [
        b"0123",
        b"456789 " + mail,
        b" 01234",
        b"56789",
    ]


def test_a_length_header_is_corrected(redactor):
    """A client that counts finds what it was told."""
    body = b"mail a@example.com"
    given = HttpResponse(
        status=200,
        headers=(("Content-Length", str(len(body))),),
        chunks=(Chunk(data=body),),
    )
    made = redactor.response(given)
    assert header(made.headers, "content-length") == str(len(made.body))


def test_json_lists_that_come_piece_by_piece(redactor):
    """Gemini streams one JSON list; a cut off one is read as far as it goes."""
    body = json.dumps([gemini("alice@exa"), gemini("mple.com")]).encode()
    made = json.loads(redactor.response(response(body, [], "application/json")).body)
    assert [READ[gemini](each) for each in made] == [
        redactor.text("alice@example.com"),
        "",
    ]
    broken = redactor.body(body + b',{"password":"hunter2', "application/json")
    assert b"hunter2" not in broken


@pytest.mark.parametrize(
    "kind", ["application/x-ndjson", "application/stream+json", ""]
)
def test_json_lines(redactor, kind):
    """One event a line."""
    body = "\n".join(json.dumps(ollama(p)) for p in ("alice@exa", "mple.com")).encode()
    made = redactor.response(response(body, [5], kind)).body.decode().splitlines()
    assert READ[ollama](json.loads(made[0])) == redactor.text("alice@example.com")


def frame(payload: bytes) -> bytes:
    head = b"\x0b:event-type\x07\x00\x05chunk"
    lengths = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    start = lengths + struct.pack(">I", zlib.crc32(lengths)) + head + payload
    return start + struct.pack(">I", zlib.crc32(start))


def test_binary_event_streams(redactor, elsewhere):
    """Frames of Amazon Bedrock: text in Base64 in JSON, checksums made anew."""
    pieces = ("alice@exa", "mple.com")
    inner = [base64.b64encode(json.dumps(anthropic(p)).encode()) for p in pieces]
    frames = [frame(b'{"bytes":"' + each + b'","p":"ab"}') for each in inner]
    kind = "application/vnd.amazon.eventstream"
    made = redactor.response(response(b"".join(frames), [len(frames[0])], kind))
    assert len(made.chunks) == 2
    got = ""
    for chunk in made.chunks:
        size, head = struct.unpack(">II", chunk.data[:8])
        assert size == len(chunk.data)
        assert zlib.crc32(chunk.data[:-4]) == struct.unpack(">I", chunk.data[-4:])[0]
        payload = json.loads(chunk.data[12 + head : -4])
        assert payload["p"] == "ab"
        got += READ[anthropic](json.loads(base64.b64decode(payload["bytes"])))
    assert got == redactor.text("alice@example.com")
    assert elsewhere.response(made) == made


def test_tool_argument_rules_hold_in_streams():
    """The tool's name comes first, its arguments in pieces."""
    rule = Rule.tool_argument("pay", "to", kind="name")
    redactor = Redactor(Policy.default().extended([rule]), b"k")
    start = {"type": "tool_use", "name": "pay", "id": "t", "input": {}}
    first = {"type": "content_block_start", "index": 1, "content_block": start}
    deltas = [anthropic(piece) for piece in ('{"to": "B', 'ob"}')]
    body = "".join(f"data: {json.dumps(e)}\n\n" for e in [first, *deltas]).encode()
    made = events(redactor.response(response(body, [], "text/event-stream")).body)
    got = json.loads("".join(READ[anthropic](event) for event in made[1:]))
    assert got == redactor.value({"to": "Bob"}, tool="pay")
    assert got != {"to": "Bob"}


def logprobs(tokens: list[str]) -> list[object]:
    """Return what OpenAI says of each token, the token itself first among rivals."""
    one = [{"token": t, "logprob": -0.1, "bytes": list(t.encode())} for t in tokens]
    return [{**each, "top_logprobs": [each]} for each in one]


SPLIT = ["Mail ", "alice", "@exa", "mple", ".com", ", ", "ok"]


def test_a_secret_is_gone_from_log_probabilities(redactor, elsewhere):
    """Tokens, their bytes and their rivals would spell it otherwise."""
    text = "".join(SPLIT)
    body = {"choices": [{"message": text, "logprobs": {"content": logprobs(SPLIT)}}]}
    made = redactor.value(body)
    got = made["choices"][0]["logprobs"]["content"]
    assert "".join(each["token"] for each in got) == redactor.text(text)
    assert "".join(each["top_logprobs"][0]["token"] for each in got) == "Mail , ok"
    assert got[0]["bytes"] == list(b"Mail ")
    assert set(got[1]["bytes"] + got[2]["bytes"]) == {0}
    assert [each["logprob"] for each in got] == [-0.1] * len(SPLIT)
    assert elsewhere.value(made) == made
    assert json.loads(redactor.json_text(json.dumps(body))) == made


def test_a_secret_is_gone_from_streamed_log_probabilities(redactor, elsewhere):
    """One token an event."""
    body = "".join(
        "data: "
        + json.dumps({"choices": [{"index": 0, "logprobs": {"content": [each]}}]})
        + "\n\n"
        for each in logprobs(SPLIT)
    ).encode()
    made = redactor.response(response(body, [], "text/event-stream"))
    parts = [e["choices"][0]["logprobs"]["content"][0] for e in events(made.body)]
    assert "".join(each["token"] for each in parts) == redactor.text("".join(SPLIT))
    assert b"alice" not in made.body
    assert str(list(b"alice"))[1:-1].encode() not in made.body
    assert elsewhere.response(made) == made
