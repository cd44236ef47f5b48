"""What OpenTelemetry's own limits take is a loss like any other."""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.sdk.trace import SpanLimits

import otel_agent_replay
from otel_agent_replay import agent, tool


@tool
def look(number: int) -> int:
    """Say it again."""
    return number


def test_what_the_sdk_cuts_is_counted(use_provider, store_url, run_of):
    """The run says how many attributes were lost on a step's span."""
    use_provider(span_limits=SpanLimits(max_span_attributes=4))
    otel_agent_replay.configure(store=store_url)

    @agent
    def run() -> int:
        for number in range(30):
            trace.get_current_span().set_attribute(f"note.{number}", number)
        return look(1)

    run()

    found = run_of()
    assert found.output == 1
    assert found.dropped["sdk_limit"] >= 10
    assert any("sdk_limit" in gap.text for gap in found.gaps)
