"""Which codec reads a call."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final
from urllib.parse import SplitResult, urlsplit

from otel_agent_replay.instrument.providers.anthropic_messages import AnthropicMessages
from otel_agent_replay.instrument.providers.base import ProviderCodec
from otel_agent_replay.instrument.providers.gemini import GeminiGenerateContent
from otel_agent_replay.instrument.providers.gemini_embeddings import GeminiEmbeddings
from otel_agent_replay.instrument.providers.openai_chat import OpenAIChat
from otel_agent_replay.instrument.providers.openai_completions import OpenAICompletions
from otel_agent_replay.instrument.providers.openai_embeddings import OpenAIEmbeddings
from otel_agent_replay.instrument.providers.openai_responses import OpenAIResponses
from otel_agent_replay.instrument.providers.unknown import UnknownApi

__all__ = ["CODECS", "codec_for", "codec_of_api"]

CODECS: Final[tuple[ProviderCodec, ...]] = (
    OpenAIChat(),
    OpenAIResponses(),
    AnthropicMessages(),
    GeminiGenerateContent(),
    OpenAICompletions(),
    OpenAIEmbeddings(),
    GeminiEmbeddings(),
)
"""Every known API; no two match the same call."""

_UNKNOWN: Final = UnknownApi()


def codec_for(
    method: str,
    url: str,
    declared: Sequence[str] = (),
) -> ProviderCodec | None:
    """Return the codec of a call, or None if it is no model call.

    `declared` are patterns with `*` from the configuration: of a host (`llm.corp`,
    `*.llm.corp:8080`), or, with a slash in it, of a URL without its query
    (`https://corp/llm/*`). They make an API of no known shape a model API.
    """
    try:
        split = urlsplit(url)
    except ValueError:
        return None
    known = next((codec for codec in CODECS if codec.matches(method, split)), None)
    if known is not None:
        return known
    is_declared = any(_fits(pattern, split) for pattern in declared)
    return _UNKNOWN if is_declared and method.upper() == "POST" else None


def codec_of_api(api: str) -> ProviderCodec | None:
    """Return the codec whose `api` this is, or None."""
    return next((codec for codec in (*CODECS, _UNKNOWN) if codec.api == api), None)


def _fits(pattern: str, url: SplitResult) -> bool:
    """Return whether a pattern fits, with or without scheme and port."""
    host = (url.hostname or "").lower()
    address = url.netloc.rpartition("@")[2].lower()
    names = [host, address]
    if "/" in pattern:
        places = [f"{name}{url.path.lower()}" for name in names]
        names = [*places, *(f"{url.scheme}://{place}" for place in places)]
    return any(fnmatchcase(name, pattern.lower()) for name in names)
