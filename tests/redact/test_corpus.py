"""Recorded traffic: redacts without error, stays what it was, twice is once."""

import pytest

from otel_agent_replay.model.payload import dump_json, parse_json
from otel_agent_replay.redact import Policy, Redactor
from otel_agent_replay.testing.corpus import (
    CORPUS_ABSENT,
    corpus_path,
    trajectories,
    wire_interactions,
)

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(corpus_path() is None, reason=CORPUS_ABSENT),
]

HERE = Redactor(Policy.default(), b"here")
THERE = Redactor(Policy.default(), b"there")
OFF = Redactor(Policy.off(), b"")


def is_json(body: bytes) -> bool:
    try:
        parse_json(body)
    except ValueError:
        return False
    return True


def test_every_recorded_exchange_redacts_and_stays_what_it_was():
    """JSON stays JSON; a second pass elsewhere changes nothing; off changes nothing."""
    count = changed = 0
    for each in wire_interactions():
        request = HERE.request(each.request)
        response = HERE.response(each.response)
        assert THERE.request(request) == request, each.id
        assert THERE.response(response) == response, each.id
        assert OFF.request(each.request) == each.request
        assert OFF.response(each.response) == each.response
        for old, new in (
            (each.request.body, request.body),
            (each.response.body, response.body),
        ):
            assert is_json(old) == is_json(new), each.id
            changed += old != new
        count += 1
    print(f"{count} exchanges, {changed} bodies changed")  # noqa: T201
    assert count
    # E-mail addresses in a handful of prompts; anything more is a false positive.
    assert changed <= 10


def test_every_recorded_run_redacts_e_mail_addresses_alone():
    """Ids, prices, dates, flights and payment methods of the runs survive."""
    count = 0
    for each in trajectories():
        messages = list(each.messages)
        made = HERE.value(messages)
        assert THERE.value(made) == made
        old, new = dump_json(messages), dump_json(made)
        assert HERE.json_text(old) == new
        assert old.count("@") == new.count("@")
        count += 1
    assert count
