"""What calls cost; unknown is unknown."""

from __future__ import annotations

import socket
from datetime import UTC, datetime

import pytest
from genai_prices import Usage as PricedUsage
from genai_prices import calc_price, data_snapshot

from otel_agent_replay.instrument.providers.prices import cost_usd
from otel_agent_replay.model.messages import Usage

AT = datetime(2026, 6, 1, tzinfo=UTC)
SONNET = ("anthropic", "claude-sonnet-4-6")  # 3, 15, cached 0.3, written 3.75 or 6
MILLION = 1_000_000


def test_input_and_output_have_their_prices():
    """Dollars a million tokens, as the price list has them."""
    usage = Usage(input_tokens=MILLION, output_tokens=MILLION)

    assert cost_usd(*SONNET, usage, AT) == 18.0


def test_cached_and_written_tokens_are_part_of_the_input():
    """Of the input, what the cache gave or took has its own price."""
    usage = Usage(
        input_tokens=MILLION,
        output_tokens=0,
        cache_read_input_tokens=500_000,
        cache_write_input_tokens=300_000,
    )

    assert cost_usd(*SONNET, usage, AT) == pytest.approx(0.6 + 0.15 + 1.125)


def test_long_lived_cache_entries_cost_more():
    """What stays in the cache for an hour is told in the answer's details."""
    usage = Usage(
        input_tokens=MILLION, output_tokens=0, cache_write_input_tokens=MILLION
    )
    extra = {"usage": {"cache_creation": {"ephemeral_1h_input_tokens": MILLION}}}

    assert cost_usd(*SONNET, usage, AT) == pytest.approx(3.75)
    assert cost_usd(*SONNET, usage, AT, extra=extra) == pytest.approx(6)


def test_audio_tokens_have_their_own_price():
    """Gemini tells of audio by modality."""
    usage = Usage(input_tokens=MILLION, output_tokens=0)
    spoken = [{"modality": "AUDIO", "tokenCount": MILLION}, {"modality": "TEXT"}]
    extra = {"usage": {"promptTokensDetails": spoken}}
    model = ("gcp.gemini", "gemini-2.5-flash")

    assert cost_usd(*model, usage, AT) == pytest.approx(0.3)
    assert cost_usd(*model, usage, AT, extra=extra) == pytest.approx(1)


def test_searches_are_paid_beside_tokens():
    """Ten dollars a thousand searches."""
    extra = {"usage": {"server_tool_use": {"web_search_requests": 100}}}
    usage = Usage(input_tokens=0, output_tokens=0)

    assert cost_usd(*SONNET, usage, AT, extra=extra) == pytest.approx(1)


@pytest.mark.parametrize(
    ("provider", "model", "usage", "extra"),
    [
        ("openai", "gpt-99-unheard-of", Usage(input_tokens=1, output_tokens=1), None),
        ("llm.corp", "gpt-4o", Usage(input_tokens=1, output_tokens=1), None),
        ("openai", None, Usage(input_tokens=1, output_tokens=1), None),
        ("openai", "gpt-4o", Usage(), None),
        ("openai", "gpt-4o", Usage(output_tokens=1), None),
        ("openai", "gpt-4o", Usage(input_tokens=1), None),
        ("openai", "gpt-4o", Usage(input_tokens=1, output_tokens=-1), None),
        (
            "openai",
            "gpt-4o",
            Usage(input_tokens=1, output_tokens=1, cache_read_input_tokens=5),
            None,
        ),
        (
            "openai",
            "gpt-4o",
            Usage(input_tokens=1, output_tokens=1),
            {"service_tier": "of the future"},
        ),
    ],
)
def test_what_is_not_known_has_no_cost(provider, model, usage, extra):
    """Unknown models and tiers, and missing or impossible counts, give None."""
    assert cost_usd(provider, model, usage, AT, extra=extra) is None


@pytest.mark.parametrize(
    ("extra", "at", "cost"),
    [
        ({"service_tier": "default"}, AT, 1.25),
        ({"usage": {"serviceTier": "STANDARD"}}, AT, 1.25),
        ({"service_tier": "flex"}, datetime(2026, 11, 1, tzinfo=UTC), 0.625),
        ({"service_tier": "batch"}, datetime(2026, 11, 1, tzinfo=UTC), 0.625),
        # The list knows this tier only since October.
        ({"service_tier": "flex"}, AT, None),
        ({"usage": {"inference_geo": "us"}}, AT, None),
    ],
)
def test_a_service_tier_has_its_price_where_the_list_knows_it(extra, at, cost):
    """The tier, place and speed that answered are part of the price."""
    usage = Usage(input_tokens=MILLION, output_tokens=0)

    assert cost_usd("openai", "gpt-5", usage, at, extra=extra) == cost


def test_embeddings_cost_only_input():
    """No output tokens are no reason for no cost where output has no price."""
    usage = Usage(input_tokens=MILLION)

    assert cost_usd("openai", "text-embedding-3-small", usage, AT) == pytest.approx(
        0.02
    )


def test_nothing_is_fetched(monkeypatch):
    """Pricing opens no socket."""

    def refuse(*args, **kwargs):
        raise AssertionError

    monkeypatch.setattr(socket, "socket", refuse)
    usage = Usage(input_tokens=1, output_tokens=1)

    assert cost_usd(*SONNET, usage, AT)


@pytest.mark.parametrize("cached", [None, 0, 700, 1000, 1001])
def test_every_known_model_costs_what_the_list_says(cached):
    """The price is that of the list, to the last digit, whatever its shape."""
    usage = Usage(input_tokens=1000, output_tokens=77, cache_read_input_tokens=cached)
    counts = {"input_tokens": 1000, "output_tokens": 77}
    if cached:
        counts["cache_read_tokens"] = cached
    listed = {each.id: each.models for each in data_snapshot.get_snapshot().providers}
    checked = 0
    for provider in ("openai", "anthropic", "deepseek", "groq"):
        for model in listed[provider]:
            try:
                priced = calc_price(
                    PricedUsage(**counts),
                    model.id,
                    provider_id=provider,
                    genai_request_timestamp=AT,
                )
            except (LookupError, ValueError):
                expected = None
            else:
                expected = float(priced.total_price)
            checked += 1

            assert cost_usd(provider, model.id, usage, AT) == expected, model.id
    assert checked > 50
