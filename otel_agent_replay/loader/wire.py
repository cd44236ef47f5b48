"""Model calls read off the wire by the provider codecs."""

from __future__ import annotations

from typing import Final

from otel_agent_replay.instrument.providers.registry import codec_for
from otel_agent_replay.loader.draft import Described
from otel_agent_replay.model.call import Call, Outcome
from otel_agent_replay.model.payload import header

__all__ = ["described"]

_ANY_HOST: Final = ("*",)


def described(call: Call, outcome: Outcome) -> Described:
    """Return what a model call asked and was answered; never raises.

    What was recorded as a model call is one, also where its API is of no known shape.
    """
    request, response = call.request, outcome.response
    if request is None:
        return None, None
    codec = codec_for(request.method, request.url, _ANY_HOST)
    if codec is None:
        return None, None
    asked = codec.request(request.body, request.url)
    if response is None:
        return asked, None
    kind = header(response.headers, "content-type")
    return asked, codec.response(response.body, kind)
