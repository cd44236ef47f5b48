"""Which codec reads which call, and what a request's model is at a glance."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import pytest

from otel_agent_replay.errors import UnrenderableError
from otel_agent_replay.instrument.providers.peek import peek_model
from otel_agent_replay.instrument.providers.registry import (
    CODECS,
    codec_for,
    codec_of_api,
)
from otel_agent_replay.model.messages import ModelResponse

KNOWN = [
    ("https://api.openai.com/v1/chat/completions", "openai.chat", "openai"),
    ("https://eu.api.openai.com/v1/chat/completions", "openai.chat", "openai"),
    ("https://api.openai.com/v1/completions", "openai.completions", "openai"),
    ("https://api.openai.com/v1/embeddings", "openai.embeddings", "openai"),
    ("https://api.openai.com/v1/responses", "openai.responses", "openai"),
    (
        "https://r.openai.azure.com/openai/deployments/d/chat/completions?api-version=1",
        "openai.chat",
        "azure.ai.openai",
    ),
    (
        "https://r.openai.azure.com/openai/responses?api-version=1",
        "openai.responses",
        "azure.ai.openai",
    ),
    (
        "https://r.openai.azure.com/openai/v1/responses",
        "openai.responses",
        "azure.ai.openai",
    ),
    (
        "https://r.cognitiveservices.azure.com/openai/deployments/d/embeddings",
        "openai.embeddings",
        "azure.ai.openai",
    ),
    (
        "https://r.services.ai.azure.com/models/chat/completions",
        "openai.chat",
        "azure.ai.inference",
    ),
    ("https://api.groq.com/openai/v1/chat/completions", "openai.chat", "groq"),
    ("https://api.mistral.ai/v1/chat/completions", "openai.chat", "mistral_ai"),
    ("https://api.deepseek.com/chat/completions", "openai.chat", "deepseek"),
    ("https://api.deepseek.com/beta/completions", "openai.completions", "deepseek"),
    (
        "https://api.deepseek.com/anthropic/v1/messages",
        "anthropic.messages",
        "deepseek",
    ),
    ("https://api.x.ai/v1/chat/completions", "openai.chat", "x_ai"),
    ("https://api.perplexity.ai/chat/completions", "openai.chat", "perplexity"),
    ("https://openrouter.ai/api/v1/chat/completions", "openai.chat", "openrouter"),
    ("https://openrouter.ai/api/v1/responses", "openai.responses", "openrouter"),
    ("https://api.together.xyz/v1/chat/completions", "openai.chat", "together"),
    ("http://localhost:11434/v1/chat/completions", "openai.chat", "openai"),
    ("http://127.0.0.1:8000/v1/embeddings", "openai.embeddings", "openai"),
    ("https://gateway.corp/v1/acc/gw/openai/responses", "openai.responses", "openai"),
    (
        "https://api.anthropic.com/v1/messages?beta=true",
        "anthropic.messages",
        "anthropic",
    ),
    ("https://llm.corp/anthropic/v1/messages", "anthropic.messages", "anthropic"),
    (
        "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/anthropic/models/claude-sonnet-4@1:streamRawPredict",
        "anthropic.messages",
        "gcp.vertex_ai",
    ),
    (
        "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent",
        "gemini.generate_content",
        "gcp.gemini",
    ),
    (
        "https://generativelanguage.googleapis.com/v1beta/models/g:streamGenerateContent?alt=sse",
        "gemini.generate_content",
        "gcp.gemini",
    ),
    (
        "https://generativelanguage.googleapis.com/v1beta/models/g:batchEmbedContents",
        "gemini.embeddings",
        "gcp.gemini",
    ),
    (
        "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions",
        "openai.chat",
        "gcp.gemini",
    ),
    (
        "https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/google/models/g:generateContent",
        "gemini.generate_content",
        "gcp.vertex_ai",
    ),
    (
        "http://localhost:1/v1beta/models/g:generateContent",
        "gemini.generate_content",
        "gcp.gen_ai",
    ),
]
OTHER = [
    ("GET", "https://api.openai.com/v1/chat/completions"),
    ("POST", "https://api.openai.com/v1/threads/t/messages"),
    ("POST", "https://api.openai.com/v1/responses/resp_1/cancel"),
    ("POST", "https://api.anthropic.com/v1/messages/count_tokens"),
    ("POST", "https://api.anthropic.com/v1/messages/batches"),
    ("POST", "https://forms.corp/v1/surveys/7/responses"),
    ("POST", "https://mail.corp/api/messages"),
    ("POST", "https://generativelanguage.googleapis.com/v1beta/models/g:countTokens"),
    ("GET", "https://example.com/"),
    ("POST", "not a url"),
    ("POST", "http://[broken/v1/messages"),
]


@pytest.mark.parametrize(("url", "api", "provider"), KNOWN)
def test_known_apis_are_recognised_by_path_and_named_by_host(url, api, provider):
    """The path says the API, the host the provider; no two codecs fit a call."""
    codec = codec_for("POST", url)

    assert codec.api == api
    read = codec.request(b"{}", url)
    at_a_glance = codec.provider(urlsplit(url).hostname), codec.operation
    assert (read.provider, read.operation) == at_a_glance
    assert read.provider == provider
    assert codec_of_api(api) is codec


@pytest.mark.parametrize(("method", "url"), OTHER)
def test_other_calls_have_no_codec(method, url):
    """Calls that only look similar are no model calls."""
    assert codec_for(method, url) is None


def test_a_stored_response_is_fetched_by_get():
    """`GET /v1/responses/{id}` is a fetch of a response, maybe as a stream."""
    url = "https://api.openai.com/v1/responses/resp_1?stream=true"
    request = codec_for("GET", url).request(b"", url)

    assert (request.operation, request.stream) == ("fetch_response", True)


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("llm.corp", True),
        ("LLM.corp", True),
        ("*.corp", True),
        ("llm.corp:8443", True),
        ("llm.corp/generate*", True),
        ("https://llm.corp:8443/*", True),
        ("corp", False),
        ("llm.corp:1", False),
        ("https://llm.corp/other*", False),
    ],
)
def test_a_declared_api_gets_the_codec_of_unknown_ones(pattern, fits):
    """A host or URL pattern of the configuration makes a call a model call."""
    url = "https://llm.corp:8443/generate?x=1"
    codec = codec_for("POST", url, (pattern,))

    assert (codec is not None and codec.api == "unknown") == fits


def test_an_unknown_api_says_only_what_is_sure():
    """Its reading names host and model; it has no messages and cannot be written."""
    url = "https://llm.corp/generate"
    codec = codec_for("POST", url, ("llm.corp",))
    request = codec.request(b'{"model": "m1", "stream": true, "ask": "x"}', url)
    response = codec.response(b'{"id": "r", "model": "m2", "text": "y"}', None)

    assert (request.operation, request.provider) == ("chat", "llm.corp")
    assert (request.model, request.stream, request.messages) == ("m1", True, ())
    assert response == ModelResponse(id="r", model="m2")
    assert codec.render_url(url, model="m3") == url
    assert json.loads(
        codec.render_request(b'{"model": "m1"}', model="m3", parameters={"top": 1})
    ) == {"model": "m3", "top": 1}
    with pytest.raises(UnrenderableError, match="unknown"):
        codec.render_response(response, stream=False)


def test_a_known_shape_wins_over_a_declaration():
    """Declaring a host that speaks a known API changes nothing."""
    url = "https://llm.corp/v1/chat/completions"

    assert codec_for("POST", url, ("llm.corp",)).api == "openai.chat"


def test_api_names_are_unique_and_unknown_ones_are_none():
    """A codec can be found again by the name of its API."""
    assert len({codec.api for codec in CODECS}) == len(CODECS)
    assert codec_of_api("unknown").api == "unknown"
    assert codec_of_api("none such") is None


@pytest.mark.parametrize(
    ("url", "body", "model"),
    [
        ("https://h/v1/x", b'{"messages":[],"model":"gpt-4o"}', "gpt-4o"),
        ("https://h/v1/x", b'{ "model" : "a/b:c" }', "a/b:c"),
        ("https://h/v1/x", b'{"m":"say \\"model\\": \\"x\\"","model":"y"}', "y"),
        ("https://h/v1/x", b'{"schema":{"model":{"type":"string"}},"model":"y"}', "y"),
        ("https://h/v1beta/models/gem%20ini:generateContent", b"{}", "gem ini"),
        ("https://h/openai/deployments/dep/chat/completions", b"{}", "dep"),
        ("https://h/x", b'{"model":1}', None),
        ("https://h/x", b"", None),
        ("https://h/x", b'{"model":"', None),
    ],
)
def test_the_model_is_found_at_a_glance(url, body, model):
    """The model is read without parsing; quoted text in a message is not taken."""
    assert peek_model(url, body) == model
