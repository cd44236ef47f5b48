"""ScriptedProvider over plain HTTP: order, errors, breaks, holds, closing."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from otel_agent_replay.testing import Answer, ScriptedProvider, ToolCall

CHAT = "/v1/chat/completions"
PATHS = [
    CHAT,
    "/v1/responses",
    "/v1/messages",
    "/v1beta/models/m:generateContent",
]
STREAM_PATHS = [*PATHS[:3], "/v1beta/models/m:streamGenerateContent?alt=sse"]


def ask(provider: ScriptedProvider, path: str = CHAT, **body: object) -> httpx.Response:
    return httpx.post(provider.url + path, json={"model": "m", **body}, timeout=5)


def said(response: httpx.Response) -> str:
    return response.json()["choices"][0]["message"]["content"]


def test_answers_come_in_the_order_given():
    """The first request gets the first answer, the second the second."""
    with ScriptedProvider(answers=[Answer(text="a"), Answer(text="b")]) as provider:
        assert [said(ask(provider)), said(ask(provider))] == ["a", "b"]


def test_requests_are_kept_with_all_they_carried():
    """`requests` holds ordinal, path, query, headers and body of what came in."""
    with ScriptedProvider(answers=[Answer(text="a")]) as provider:
        assert provider.requests == ()

        httpx.post(
            provider.url + CHAT + "?x=1", json={"model": "m"}, headers={"X-Who": "me"}
        )
        (request,) = provider.requests

    assert (
        request.ordinal,
        request.method,
        request.path,
        request.query,
    ) == (0, "POST", CHAT, "x=1")
    assert request.json == {"model": "m"}
    assert request.header("x-who") == "me"


def test_a_script_answers_parallel_requests_by_what_they_say():
    """A script sees the request, so answers cannot be swapped between callers."""

    def echo(request):
        return Answer(text=str(request.json["q"]))

    with ScriptedProvider(script=echo) as provider, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda q: said(ask(provider, q=q)), range(24)))

    assert [str(q) for q in range(24)] == answers


def test_equal_requests_get_equal_answers_to_the_byte():
    """Nothing in an answer depends on chance, time, port or order of arrival."""

    def bodies() -> set[bytes]:
        with ScriptedProvider(script=lambda _: Answer(text="hi")) as provider:
            first, other, again = ask(provider), ask(provider, q=1), ask(provider)
            assert first.json()["id"] != other.json()["id"]
            assert {"content-type", "content-length"} == set(first.headers)
            return {first.content, again.content}

    assert len(bodies() | bodies()) == 1


@pytest.mark.parametrize("path", PATHS)
def test_running_out_of_answers_is_an_error_and_counted(path):
    """With no answer left the provider says so with status 500 and counts it."""
    with ScriptedProvider() as provider:
        response = ask(provider, path)

        assert response.status_code == 500
        assert "no answer is left" in response.json()["error"]["message"]
        assert response.headers["x-should-retry"] == "false"
        assert provider.unanswered == 1


def test_a_script_that_raises_is_told_to_the_client():
    """An assertion in a script reaches the client as status 500 with its text."""

    def script(request):
        raise AssertionError("never ask this")

    with ScriptedProvider(script=script) as provider:
        response = ask(provider)

        assert response.status_code == 500
        assert "never ask this" in response.json()["error"]["message"]
        assert provider.unanswered == 1


def test_arguments_that_cannot_be_said_are_an_error_not_a_broken_answer():
    """Anthropic's format has arguments as JSON, so other text is refused."""
    broken = Answer(tool_calls=[ToolCall("t", '{"a":')])

    with ScriptedProvider(answers=[broken]) as provider:
        assert ask(provider, "/v1/messages", stream=True).status_code == 500


@pytest.mark.parametrize("path", PATHS)
def test_error_answers_have_status_headers_and_the_apis_json(path):
    """A scripted 429 carries its message and its retry-after header."""
    slow = Answer(status=429, text="Slow down", headers={"retry-after": "0"})

    with ScriptedProvider(answers=[slow]) as provider:
        response = ask(provider, path, stream=True)

    assert (response.status_code, response.headers["retry-after"]) == (429, "0")
    assert response.json()["error"]["message"] == "Slow down"


@pytest.mark.parametrize("path", STREAM_PATHS)
def test_a_broken_stream_ends_after_the_chunks_asked_for(path):
    """The chunks before the break arrive, then the connection is gone."""
    answer = Answer(text="one two three four five", break_after_chunks=2)
    got = []

    with ScriptedProvider(answers=[answer]) as provider:
        url, body = provider.url + path, {"model": "m", "stream": True}
        with (
            pytest.raises(httpx.RemoteProtocolError),
            httpx.stream("POST", url, json=body) as response,
        ):
            got.extend(response.iter_raw())

    assert b"".join(got).count(b"data: ") == 2


def test_a_broken_whole_answer_is_cut():
    """An answer that is not streamed breaks before its promised length."""
    answer = Answer(text="one two three", break_after_chunks=0)

    with (
        ScriptedProvider(answers=[answer]) as provider,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        ask(provider)


def test_a_held_stream_waits_where_it_was_told():
    """Chunks before the hold arrive; the rest comes when the event is set."""
    go = threading.Event()
    answer = Answer(text="abcdef", hold=go, hold_after_chunks=2)

    with ScriptedProvider(answers=[answer], piece_size=1) as provider:
        url, body = provider.url + CHAT, {"stream": True}
        with httpx.stream("POST", url, json=body) as response:
            chunks = response.iter_raw()
            early = next(chunks)
            while early.count(b"data: ") < 2:
                early += next(chunks)
            assert not go.is_set()
            go.set()
            late = b"".join(chunks)

    assert early.count(b"data: ") == 2
    assert late.endswith(b"data: [DONE]\n\n")


def test_raw_answers_are_sent_as_they_are_to_any_path():
    """A raw answer keeps its bytes, status and content type on unknown paths too."""
    raw = Answer(raw=b"\x00odd", content_type="application/x-odd", status=418)

    with ScriptedProvider(answers=[raw]) as provider:
        response = ask(provider, "/somewhere/else")

    assert (response.status_code, response.content) == (418, b"\x00odd")
    assert response.headers["content-type"] == "application/x-odd"


def test_an_unknown_path_says_that_it_is_none_of_a_model_api():
    """Only raw answers can be given where the wire format is not known."""
    with ScriptedProvider(answers=[Answer(text="hi")]) as provider:
        response = ask(provider, "/somewhere/else")

    assert response.status_code == 500
    assert "no model API at /somewhere/else" in response.json()["error"]["message"]


def test_listing_models_takes_no_answer():
    """`/v1/models` is answered from the provider's own list."""
    with ScriptedProvider(answers=[Answer(text="a")], models=["x", "y"]) as provider:
        listed = httpx.get(provider.base_url + "/models").json()

        assert [model["id"] for model in listed["data"]] == ["x", "y"]
        assert said(ask(provider)) == "a"


def test_gemini_streams_a_json_array_without_alt_sse():
    """Without `alt=sse` the chunks of a Gemini stream make up one JSON array."""
    with ScriptedProvider(answers=[Answer(text="a" * 30)]) as provider:
        answers = ask(provider, "/v1beta/models/m:streamGenerateContent").json()

    texts = [a["candidates"][0]["content"]["parts"][0]["text"] for a in answers]
    assert "".join(texts) == "a" * 30
    assert len(texts) == 3


def exchange(stream) -> bytes:
    """Send a request over an open connection and return the answer's body."""
    stream.write(b"POST /v1/messages HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
    stream.flush()
    assert stream.readline().startswith(b"HTTP/1.1 200 ")
    length = 0
    while (line := stream.readline()) != b"\r\n":
        name, value = line.split(b": ")
        length = int(value) if name == b"content-length" else length
    return stream.read(length)


def test_connections_are_kept_alive_until_the_provider_closes():
    """Requests share a connection; `close` ends it although it is idle."""
    with (
        ScriptedProvider(script=lambda _: Answer(text="a")) as provider,
        socket.create_connection(("127.0.0.1", provider.port)) as connection,
        connection.makefile("rwb") as stream,
    ):
        assert exchange(stream) == exchange(stream) != b""

        provider.close()
        assert stream.read() == b""


def test_closing_frees_the_port():
    """After `close` the server is gone: refused, and its port can be had again."""
    with ScriptedProvider(script=lambda _: Answer(text="a")) as provider:
        assert said(ask(provider)) == "a"
    with pytest.raises(httpx.ConnectError):
        ask(provider)
    with socket.create_server(("127.0.0.1", provider.port)):
        provider.close()


def test_closing_lets_go_of_a_held_answer():
    """A caller waiting for a held answer is not kept waiting by `close`."""
    provider = ScriptedProvider(answers=[Answer(text="a", hold=threading.Event())])
    with ThreadPoolExecutor(1) as pool, provider:
        waiting = pool.submit(ask, provider)
        while not provider.requests:
            assert not waiting.done()
        provider.close()

        assert isinstance(waiting.exception(timeout=5), httpx.TransportError)


def test_a_body_of_unknown_length_is_refused():
    """A chunked upload gets status 411 instead of being misread."""

    def body():
        yield b"{}"

    with ScriptedProvider(answers=[Answer(text="a")]) as provider:
        response = httpx.post(provider.url + CHAT, content=body())

    assert response.status_code == 411


def test_an_answer_is_made_of_a_recorded_assistant_message():
    """`Answer.from_message` keeps text, and calls with ids and arguments verbatim."""
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "t", "arguments": '{"b": 1,  "a": 2}'},
    }
    message = {"role": "assistant", "content": "x", "tool_calls": [call]}

    with ScriptedProvider(answers=[Answer.from_message(message)]) as provider:
        choice = ask(provider).json()["choices"][0]

    assert choice["finish_reason"] == "tool_calls"
    assert message == {key: choice["message"][key] for key in message}
