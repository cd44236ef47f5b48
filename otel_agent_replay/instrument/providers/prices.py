"""What a model call cost, by the prices that `genai-prices` ships with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache, partial
from typing import Final, NamedTuple

from otel_agent_replay.instrument.providers.json_access import (
    at_path,
    count,
    objects_of,
    text,
)
from otel_agent_replay.model.messages import Usage
from otel_agent_replay.model.payload import JsonObject, JsonValue

__all__ = ["cost_usd"]

_PROVIDERS: Final[Mapping[str, str]] = {
    "anthropic": "anthropic",
    "aws.bedrock": "aws",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "cerebras": "cerebras",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "fireworks": "fireworks",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "groq": "groq",
    "mistral_ai": "mistral",
    "moonshot_ai": "moonshotai",
    "openai": "openai",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "together": "together",
    "x_ai": "x-ai",
}
"""The convention's provider names to those of the price list."""

_DETAILS: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "input_audio_tokens": (
        ("prompt_tokens_details", "audio_tokens"),
        ("input_tokens_details", "audio_tokens"),
    ),
    "output_audio_tokens": (
        ("completion_tokens_details", "audio_tokens"),
        ("output_tokens_details", "audio_tokens"),
    ),
    "cache_write_1h_tokens": (("cache_creation", "ephemeral_1h_input_tokens"),),
    "web_searches": (("server_tool_use", "web_search_requests"),),
}
_MODALITIES: Final = {
    "promptTokensDetails": "input_audio_tokens",
    "candidatesTokensDetails": "output_audio_tokens",
}


_MILLION: Final = 1_000_000
_PLAIN: Final = frozenset({"input_tokens", "output_tokens", "cache_read_tokens"})


def cost_usd(
    provider: str,
    model: str | None,
    usage: Usage,
    at: datetime,
    *,
    extra: JsonObject | None = None,
) -> float | None:
    """Return the US dollars of a call, or None where they are not known.

    It is never a guess: an unknown provider or model, and counts that are missing
    or contradict each other, give None. Nothing is fetched. `at` is when the call
    was made; `extra` is `ModelResponse.extra`, which tells of audio, of long-lived
    cache entries, of searches, and of the service tier.
    """
    known = _PROVIDERS.get(provider)
    if known is None or not model or usage.input_tokens is None:
        return None
    more = extra or {}
    context, counts = _price_context(more), _counts(usage, more.get("usage"))
    usual = usage.output_tokens is not None and counts.keys() <= _PLAIN
    if usual and not context and min(counts.values(), default=0) >= 0:
        plain = _plain_prices(known, model, int(at.timestamp()) // 60)
        if plain is not None:
            return plain.cost(counts)
    return _calculated(known, model, usage, at, context, counts)


class _PlainPrices(NamedTuple):
    """What a token costs, where nothing but its kind decides."""

    input: Decimal
    output: Decimal
    cached: Decimal | None

    def cost(self, counts: Mapping[str, int]) -> float | None:
        """Return the price of a call; None where its counts contradict each other."""
        asked, said = counts.get("input_tokens", 0), counts.get("output_tokens", 0)
        total = self.output * said
        if self.cached is not None:
            cached = counts.get("cache_read_tokens", 0)
            if cached > asked:
                return None
            total += self.cached * cached
            asked -= cached
        return float(total + self.input * asked)


@lru_cache(maxsize=256)
def _plain_prices(provider: str, model: str, minute: int) -> _PlainPrices | None:
    """Return the prices of a model in a minute; None if they are not plain.

    The price list takes a tenth of a millisecond for each call that it is asked of.
    """
    from genai_prices import Usage as PricedUsage  # noqa: PLC0415
    from genai_prices import calc_price  # noqa: PLC0415

    try:
        priced = calc_price(
            PricedUsage(input_tokens=1, output_tokens=1),
            model,
            provider_id=provider,
            genai_request_timestamp=datetime.fromtimestamp(minute * 60, UTC),
        )
    except (LookupError, TypeError, ValueError):
        return None
    prices = {k: v for k, v in vars(priced.model_price).items() if v is not None}
    found = [prices.get(each) for each in ("input_mtok", "output_mtok")]
    cached = prices.get("cache_read_mtok")
    match [*found, cached]:
        case [Decimal() as asked, Decimal() as said, Decimal() | None as kept] if (
            not any(key.startswith("requests") for key in prices)
        ):
            return _PlainPrices(
                asked / _MILLION, said / _MILLION, kept and kept / _MILLION
            )
    return None


def _calculated(
    known: str,
    model: str,
    usage: Usage,
    at: datetime,
    context: Mapping[str, str],
    counts: Mapping[str, int],
) -> float | None:
    # The price list takes half a second to import; a process without model calls
    # shall not pay for it.
    from genai_prices import Usage as PricedUsage  # noqa: PLC0415
    from genai_prices import calc_price  # noqa: PLC0415

    price = partial(calc_price, price_context=context) if context else calc_price
    try:
        priced = price(
            PricedUsage(**counts),
            model,
            provider_id=known,
            genai_request_timestamp=at,
        )
    except (LookupError, TypeError, ValueError):
        # TypeError: a price list of before these details were known.
        return None
    if context and not any(
        variant.when == context
        and (variant.constraint is None or variant.constraint.active(at))
        for variant in priced.model.price_variants or ()
    ):
        return None
    if usage.output_tokens is None and priced.model_price.output_mtok:
        return None
    return float(priced.total_price)


def _price_context(extra: JsonObject) -> dict[str, str]:
    """Return what sets a call apart from the normal price; empty for a normal one."""
    said = {
        name: value.lower()
        for name, paths in _CONDITIONS.items()
        for path in paths
        if path[0] in extra and (value := text(at_path(extra, path))) is not None
    }
    special = {name: value for name, value in said.items() if value not in _NORMAL}
    if special.get("service_tier") == "batch":
        return {"processing": special["service_tier"]}
    return special


_CONDITIONS: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "service_tier": (
        ("usage", "serviceTier"),
        ("usage", "service_tier"),
        ("service_tier",),
    ),
    "speed": (("usage", "speed"),),
    "inference_geo": (("usage", "inference_geo"),),
}
_NORMAL: Final = frozenset(
    {"auto", "default", "global", "not_available", "on_demand", "standard"},
)


def _counts(usage: Usage, details: JsonValue) -> dict[str, int]:
    counted = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_input_tokens,
        "cache_write_tokens": usage.cache_write_input_tokens,
    }
    if details:
        counted |= {name: _first(details, paths) for name, paths in _DETAILS.items()}
        audio = {name: _audio(details, key) for key, name in _MODALITIES.items()}
        counted |= {name: tokens for name, tokens in audio.items() if tokens}
    return {name: value for name, value in counted.items() if value}


def _first(details: JsonValue, paths: tuple[tuple[str, ...], ...]) -> int | None:
    found = (count(at_path(details, path)) for path in paths)
    return next((value for value in found if value is not None), None)


def _audio(details: JsonValue, key: str) -> int | None:
    """Return Gemini's count of audio tokens, given by modality."""
    groups = objects_of(at_path(details, (key,)))
    counts = [
        count(group.get("tokenCount")) or 0
        for group in groups
        if group.get("modality") == "AUDIO"
    ]
    return sum(counts) or None
