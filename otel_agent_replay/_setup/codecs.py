"""Provider codecs as the other layers need them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from otel_agent_replay.capture.genai import Description
from otel_agent_replay.errors import UnrenderableError
from otel_agent_replay.instrument.http.coding import decoded
from otel_agent_replay.instrument.providers.base import ProviderCodec
from otel_agent_replay.instrument.providers.prices import cost_usd
from otel_agent_replay.instrument.providers.registry import codec_for
from otel_agent_replay.instrument.providers.tool_list import with_tools
from otel_agent_replay.model.call import Call, Outcome
from otel_agent_replay.model.messages import Message, ModelRequest, ModelResponse
from otel_agent_replay.model.payload import (
    Chunk,
    Headers,
    HttpResponse,
    JsonObject,
    header,
)
from otel_agent_replay.model.step import Step
from otel_agent_replay.replay.plan import Changes

__all__ = ["Codecs", "decoded"]

_SYNTHESISED: Final = "agent-replay-synthesised"
"""Header of an answer that was written anew from what was said."""


class Codecs:
    """The codecs, with the model APIs that the settings declare."""

    def __init__(self, declared: tuple[str, ...] = ()) -> None:
        self._declared = declared

    def operation(self, method: str, url: str) -> str | None:
        """Return the GenAI operation of a request to a model API, else None."""
        codec = codec_for(method, url, self._declared)
        return None if codec is None else codec.operation

    def describe(
        self, call: Call, outcome: Outcome, body: JsonObject | None = None
    ) -> Description:
        """Return what a model call says, with its price where that is known.

        `body` is the request's body where that has been parsed already.
        """
        codec, request = self._codec(call), call.request
        if codec is None or request is None:
            return Description()
        asked = codec.request(request.body if body is None else body, request.url)
        response = outcome.response
        if response is None:
            return Description(request=asked)
        answered = codec.response(
            response.body, header(response.headers, "content-type")
        )
        cost = cost_usd(
            asked.provider,
            answered.model or asked.model,
            answered.usage,
            at=datetime.now(UTC),
            extra=answered.extra,
        )
        return Description(request=asked, response=answered, cost_usd=cost)

    def rewrite(self, call: Call, changes: Changes) -> Call:
        """Return a model call with a fork's changes in its request."""
        codec, request = self._codec(call), call.request
        if codec is None or request is None:
            return call
        body = codec.render_request(
            request.body,
            model=changes.model,
            system=changes.system,
            parameters=changes.parameters or None,
        )
        if changes.tools is not None:
            body = with_tools(codec.api, body, changes.tools)
        url = request.url
        if changes.model:
            url = codec.render_url(url, model=changes.model)
        return replace(call, request=replace(request, body=body, url=url))

    def answer(self, step: Step, text: str) -> Outcome:
        """Return the outcome of a model step with another text as its answer."""
        codec, then = self._codec(step.call), step.outcome.response
        if codec is None or step.call.request is None:
            return step.outcome
        asked = codec.request(step.call.request.body, step.call.request.url)
        was = step.response or ModelResponse(model=asked.model)
        rendered = codec.render_response(
            replace(
                was,
                messages=(
                    Message(
                        role="assistant",
                        parts=({"type": "text", "content": text},),
                        finish_reason="stop",
                    ),
                ),
                finish_reasons=(),
                error=None,
                complete=True,
            ),
            stream=asked.stream,
        )
        headers = _with_type(then.headers if then else (), rendered.content_type)
        chunks = tuple(Chunk(data=data) for data in rendered.chunks)
        return Outcome(
            response=HttpResponse(status=200, headers=headers, chunks=chunks)
        )

    def read(self, call: Call) -> ModelRequest | None:
        """Return what a model call says; None if it is of no known API."""
        codec, request = self._codec(call), call.request
        if codec is None or request is None:
            return None
        return codec.request(request.body, request.url)

    def synthesise(self, step: Step, call: Call) -> Outcome | None:
        """Return a step's answer as the API that a call asks would give it.

        None if nothing was recorded of it, or the API has no words for it.
        """
        codec, request, said = self._codec(call), call.request, step.response
        if step.outcome.error is not None and said is None:
            return step.outcome
        if codec is None or request is None or said is None:
            return None
        asked = codec.request(request.body, request.url)
        answer = replace(said, model=said.model or asked.model, complete=True)
        try:
            made = codec.render_response(answer, stream=asked.stream)
        except UnrenderableError:
            return None
        headers = (("content-type", made.content_type), (_SYNTHESISED, "true"))
        chunks = tuple(Chunk(data=data) for data in made.chunks)
        return Outcome(
            response=HttpResponse(status=200, headers=headers, chunks=chunks)
        )

    def _codec(self, call: Call) -> ProviderCodec | None:
        request = call.request
        if call.kind != "model" or request is None:
            return None
        return _codec_at(request.method, request.url, self._declared)


@lru_cache(maxsize=256)
def _codec_at(method: str, url: str, declared: tuple[str, ...]) -> ProviderCodec | None:
    """Return the codec of a URL with a host; a run asks a few again and again."""
    return codec_for(method, url, declared) if urlsplit(url).netloc else None


def _with_type(headers: Headers, content_type: str) -> Headers:
    kept = tuple(
        (k, v)
        for k, v in headers
        if k.lower() not in {"content-type", "content-length"}
    )
    return (*kept, ("content-type", content_type))
