"""A model provider with scripted answers, for tests without a network."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

from otel_agent_replay.model.payload import Headers, JsonObject, dump_json
from otel_agent_replay.testing.local_server import (
    LocalServer,
    Reply,
    ScriptedRequest,
)
from otel_agent_replay.testing.scripted_answer import Answer
from otel_agent_replay.testing.scripted_anthropic import MESSAGES
from otel_agent_replay.testing.scripted_gemini import GENERATE_CONTENT
from otel_agent_replay.testing.scripted_openai_chat import (
    CHAT_COMPLETIONS,
    openai_error,
)
from otel_agent_replay.testing.scripted_openai_responses import RESPONSES
from otel_agent_replay.testing.scripted_wire import CREATED, Turn, WireApi

__all__ = ["Script", "ScriptedProvider"]

Script: TypeAlias = Callable[[ScriptedRequest], Answer]

_APIS: Final = (CHAT_COMPLETIONS, RESPONSES, MESSAGES, GENERATE_CONTENT)
_ERRORS_FROM: Final = 400
_JSON: Final = ("content-type", "application/json")
_DO_NOT_RETRY: Final = ("x-should-retry", "false")


class ScriptedProvider(LocalServer):
    """A model provider on 127.0.0.1 that gives scripted answers.

    It speaks OpenAI Chat Completions and Responses, Anthropic Messages and Gemini
    `generateContent`, whole and streamed, and lists its models. Answers are given
    in the order of the requests, or by a function of the request: take that for
    agents that ask in parallel. Ids and times in the answers are the same every
    time.

    Example::

        answers = [
            Answer(tool_calls=[ToolCall("search_docs", {"query": "refunds"})]),
            Answer(text="Refunds take five days."),
        ]
        with ScriptedProvider(answers=answers) as provider:
            client = OpenAI(base_url=provider.base_url, api_key="any")
            run_my_agent(client)
            assert len(provider.requests) == 2

    The SDKs of Anthropic and Google take `provider.url` instead.

    Args:
        answers: What to answer, in order. When none is left, the provider answers
            with status 500, says so, and counts it in `unanswered`.
        script: Answers instead; called in parallel, in the connections' threads.
            What it raises becomes an answer with status 500.
        models: The models that `/v1/models` lists.
        piece_size: How many characters of text or arguments a streamed chunk has.
        port: The port to take; 0 takes a free one.
    """

    def __init__(
        self,
        *,
        answers: Iterable[Answer] = (),
        script: Script | None = None,
        models: Iterable[str] = ("scripted",),
        piece_size: int = 12,
        port: int = 0,
    ) -> None:
        self._answers = deque(answers)
        self._script = script
        self._models = tuple(models)
        self._piece_size = piece_size
        self._unanswered = 0
        super().__init__(port=port)

    @property
    def base_url(self) -> str:
        """The address as `OPENAI_BASE_URL` wants it, with `/v1`."""
        return f"{self.url}/v1"

    @property
    def unanswered(self) -> int:
        """How many requests found no answer left, or a script that raised."""
        with self._lock:
            return self._unanswered

    def respond(self, request: ScriptedRequest) -> Reply:
        """Return the next answer in the words of the API that was asked."""
        if request.method == "GET" and request.path.endswith("/models"):
            return _json_reply(200, _model_list(self._models))
        api = next((api for api in _APIS if api.serves(request)), None)
        error = api.error if api else openai_error
        try:
            answer = self._next_answer(request)
            return self._reply(api, request, answer)
        except Exception as problem:  # noqa: BLE001 - the client must hear of any
            with self._lock:
                self._unanswered += 1
            text = f"ScriptedProvider: {type(problem).__name__}: {problem}"
            return _json_reply(500, error(500, text), (_DO_NOT_RETRY,))

    def _next_answer(self, request: ScriptedRequest) -> Answer:
        if self._script is not None:
            return self._script(request)
        with self._lock:
            if not self._answers:
                raise LookupError(
                    f"no answer is left for request {request.ordinal}, "
                    f"{request.method} {request.path}",
                )
            return self._answers.popleft()

    def _reply(
        self, api: WireApi | None, request: ScriptedRequest, answer: Answer
    ) -> Reply:
        headers = tuple(answer.headers.items())
        if answer.raw is not None:
            body = answer.raw.encode() if isinstance(answer.raw, str) else answer.raw
            content_type = (("content-type", answer.content_type),)
            return self._whole(answer, body, (*content_type, *headers))
        if api is None:
            raise LookupError(
                f"no model API at {request.path}; give an Answer(raw=...) for it",
            )
        if answer.status >= _ERRORS_FROM:
            error = api.error(answer.status, answer.text or "A scripted error.")
            return self._whole(answer, dump_json(error).encode(), (_JSON, *headers))
        turn = Turn(request=request, answer=answer, piece_size=self._piece_size)
        if not api.streams(request):
            whole = dump_json(api.whole(turn)).encode()
            return self._whole(answer, whole, (_JSON, *headers))
        return Reply(
            status=answer.status,
            headers=(("content-type", api.stream_type), *headers),
            # All chunks are made before the first is sent: what goes wrong in
            # making them can still be answered with an error.
            body=self._paced(answer, list(api.stream(turn))),
            broken=answer.break_after_chunks is not None,
        )

    def _whole(self, answer: Answer, body: bytes, headers: Headers) -> Reply:
        self._hold(answer)
        return Reply(
            status=answer.status,
            headers=headers,
            body=body,
            broken=answer.break_after_chunks is not None,
        )

    def _paced(self, answer: Answer, chunks: list[bytes]) -> Iterator[bytes]:
        sent = chunks[: answer.break_after_chunks]
        at = answer.hold_after_chunks
        yield from sent[:at]
        self._hold(answer)
        yield from sent[at:]

    def _hold(self, answer: Answer) -> None:
        while answer.hold is not None and not self._closed.is_set():
            if answer.hold.wait(timeout=0.05):
                return


def _json_reply(status: int, value: JsonObject, headers: Headers = ()) -> Reply:
    body = dump_json(value).encode()
    return Reply(status=status, headers=(_JSON, *headers), body=body)


def _model_list(names: Iterable[str]) -> JsonObject:
    """Return a list that the SDKs of OpenAI, Anthropic and Google all read."""
    return {
        "object": "list",
        "data": [
            {
                "id": name,
                "object": "model",
                "created": CREATED,
                "owned_by": "scripted",
                "type": "model",
                "display_name": name,
                "created_at": "2023-11-14T22:13:20Z",
            }
            for name in names
        ],
        "models": [{"name": f"models/{name}", "displayName": name} for name in names],
        "has_more": False,
    }
