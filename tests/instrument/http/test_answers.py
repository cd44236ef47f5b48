"""Answers where a client does more than send and read."""

from __future__ import annotations

import httpx2
import pytest
import requests
import urllib3

from otel_agent_replay import intercept
from otel_agent_replay.model.call import Outcome
from otel_agent_replay.model.payload import Chunk, HttpResponse


def test_cookies_of_an_answer(server, recording, replaying):
    """Cookies that an answer sets reach the client's jar."""

    def jar():
        with requests.Session() as session, httpx2.Client() as client:
            session.get(server.url("/plain"))
            client.get(server.url("/plain"))
            return dict(session.cookies), dict(client.cookies)

    live = jar()
    replaying()

    assert live == ({"crumb": "1"}, {"crumb": "1"})
    assert jar() == live


def test_answer_whose_length_changed(client, hooks, answering_with, recorder_type):
    """An answer may be longer or shorter than its recorded length says."""
    recorder = recorder_type()
    intercept.install(recorder)
    url = "http://127.0.0.1:9/x"
    with pytest.raises(client.refused):
        client.fetch("GET", url)
    call, _ = recorder.only
    response = HttpResponse(
        status=200,
        headers=(("Content-Length", "3"), ("X-Kept", "yes")),
        chunks=(Chunk(data=b"redacted to "), Chunk(data=b""), Chunk(data=b"more")),
    )
    intercept.install(answering_with([(call, Outcome(response=response))]))

    seen = client.fetch("GET", url)

    assert seen.body == b"redacted to more"
    assert seen.headers["x-kept"] == "yes"


def test_urllib3_retries_are_one_call(server, recording, replaying):
    """What urllib3 repeats by itself is one call with its last answer."""
    retries = urllib3.Retry(2, status_forcelist=[503], backoff_factor=0)

    def fetch():
        with urllib3.PoolManager(retries=retries) as pool:
            return pool.request("GET", server.url("/status/503"))

    with pytest.raises(urllib3.exceptions.MaxRetryError) as live:
        fetch()
    asked = len(server.seen)
    replaying()
    with pytest.raises(urllib3.exceptions.MaxRetryError) as again:
        fetch()

    assert asked == 3
    assert recording.only[1].response is None
    assert str(again.value) == str(live.value)
    assert type(again.value.reason) is type(live.value.reason)


def test_redirect_that_urllib3_follows_inside(server, recording, replaying):
    """A redirect followed by the pool itself is one call with its last answer."""

    def fetch():
        with urllib3.connection_from_url(server.url("/")) as pool:
            return pool.urlopen("GET", "/redirect", preload_content=False).read()

    live = fetch()
    replaying()

    assert live == fetch() == b"plain text"
    assert recording.only[1].response.body == b"plain text"
