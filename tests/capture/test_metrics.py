"""Losses and what waits, as OpenTelemetry metrics."""

from __future__ import annotations

from opentelemetry import metrics
from opentelemetry.metrics import _internal as otel_metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

import otel_agent_replay
from otel_agent_replay import agent, semconv
from otel_agent_replay.redact import Policy, Rule


def refuse(text: str) -> str:
    """Fail on what no rule can read."""
    if "unreadable" in text:
        raise ValueError(text)
    return text


def test_what_is_dropped_is_counted_by_reason(monkeypatch, use_provider, store_url):
    """The application's own meter provider sees losses without an edit of it."""
    use_provider()
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    monkeypatch.setattr(otel_metrics, "_METER_PROVIDER", provider)
    assert metrics.get_meter_provider() is provider
    before = values(reader).get(semconv.METRIC_DROPPED, {})
    policy = Policy.default().extended([Rule.function("refuse", refuse)])
    otel_agent_replay.configure(store=store_url, policy=policy)

    @agent
    def run() -> str:
        return "unreadable"

    run()
    otel_agent_replay.flush()

    found = values(reader)
    dropped = found[semconv.METRIC_DROPPED]
    assert dropped["redaction"] == before.get("redaction", 0) + 1
    assert semconv.METRIC_QUEUE_BYTES in found
    assert semconv.METRIC_WAITING in found


def values(reader: InMemoryMetricReader) -> dict[str, dict[str | None, float]]:
    """Return what a reader collects: values by reason, by metric."""
    read = reader.get_metrics_data()
    if read is None:
        return {}
    return {
        metric.name: {
            point.attributes.get("reason"): point.value
            for point in metric.data.data_points
        }
        for resource in read.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
