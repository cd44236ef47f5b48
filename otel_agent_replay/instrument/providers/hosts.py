"""Which provider stands behind a host, in the convention's words.

An API shape says how to read a body, the host says who answered. A host that is
not listed (a proxy, vLLM, Ollama, localhost) is named after the API it speaks.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

__all__ = ["provider_of"]

_HOSTS: Final = (
    ("api.openai.com", "openai"),
    ("openai.azure.com", "azure.ai.openai"),
    ("cognitiveservices.azure.com", "azure.ai.openai"),
    ("services.ai.azure.com", "azure.ai.inference"),
    ("inference.ai.azure.com", "azure.ai.inference"),
    ("inference.ml.azure.com", "azure.ai.inference"),
    ("api.anthropic.com", "anthropic"),
    ("generativelanguage.googleapis.com", "gcp.gemini"),
    ("aiplatform.googleapis.com", "gcp.vertex_ai"),
    ("amazonaws.com", "aws.bedrock"),
    ("api.groq.com", "groq"),
    ("api.mistral.ai", "mistral_ai"),
    ("api.deepseek.com", "deepseek"),
    ("api.x.ai", "x_ai"),
    ("api.perplexity.ai", "perplexity"),
    ("api.moonshot.ai", "moonshot_ai"),
    ("api.moonshot.cn", "moonshot_ai"),
    ("api.cohere.com", "cohere"),
    ("api.cohere.ai", "cohere"),
    ("ml.cloud.ibm.com", "ibm.watsonx.ai"),
    # No well-known value exists for these; the convention allows others.
    ("openrouter.ai", "openrouter"),
    ("api.together.xyz", "together"),
    ("api.together.ai", "together"),
    ("api.fireworks.ai", "fireworks"),
    ("api.cerebras.ai", "cerebras"),
)


@lru_cache(maxsize=256)
def provider_of(host: str | None, default: str) -> str:
    """Return the provider name of a host, `default` for one that is not known.

    A listed host covers its subdomains, and Vertex AI's regional
    `europe-west1-aiplatform.googleapis.com`.
    """
    name = (host or "").lower().rstrip(".")
    for known, provider in _HOSTS:
        if name == known or name.endswith((f".{known}", f"-{known}")):
            return provider
    return default
