"""An exchange as a call."""

from __future__ import annotations

import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation

from otel_agent_replay import semconv
from otel_agent_replay.instrument.http import HttpSettings
from otel_agent_replay.instrument.http.exchange import call_for, endpoint


def test_call_of_an_exporter(recording):
    """What OpenTelemetry does under its own suppression is telemetry's traffic."""
    with suppress_instrumentation():
        inside = call_for("POST", "http://h/v1/traces", (), b"", HttpSettings())

    assert inside is None
    assert call_for("POST", "http://h/v1/traces", (), b"", HttpSettings()) is not None


def test_call_for_hides_secrets(hooks, recording):
    """Query and credentials stand in the request only."""
    call = call_for(
        "get",
        "https://user:pw@API.example.com/v1/x?key=s3cret",
        (),
        b"",
        HttpSettings(),
    )

    assert call.name == "GET api.example.com/v1/x"
    assert call.attributes == {
        semconv.SERVER_ADDRESS: "api.example.com",
        semconv.SERVER_PORT: 443,
        semconv.HTTP_REQUEST_METHOD: "GET",
    }


@pytest.mark.parametrize("url", ["http://[::1", "/relative", "http://h:port/", ""])
def test_call_for_no_url(recording, url):
    """What is no URL with a host passes; the client will say what is wrong."""
    assert call_for("GET", url, (), b"", HttpSettings()) is None
    assert endpoint(url) is None


def test_endpoint():
    """An endpoint is host and port, the scheme's where none is named."""
    assert endpoint("http://Localhost:4318/v1/traces") == "localhost:4318"
    assert endpoint("https://otlp.example.com/v1/traces") == "otlp.example.com:443"
