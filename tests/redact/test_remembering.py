"""What is looked at once, or with its neighbours, is redacted as it is alone."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from otel_agent_replay.model.payload import HttpRequest
from otel_agent_replay.redact import Policy, Redactor
from tests.redact.conftest import PLANTED
from tests.redact.test_shortcuts import FAST, SLOW, rows, some
from tests.redact.ways import outcome

names = st.sampled_from(["x-note", "X-Id", "set-cookie", "authorization", "date"])
values = st.one_of(
    rows, st.sampled_from(sorted(PLANTED.values())), st.text(max_size=20)
)


@some
@given(st.lists(st.tuples(names, values), max_size=8).map(tuple))
@example((("x-note", "41111111"), ("x-id", "11111111")))
@example((("x-note", "GB82WEST1234"), ("x-id", "5698765432")))
@example((("x-note", "+"), ("x-id", PLANTED["phone-e164"]), ("date", "\0")))
def test_headers_that_come_together(headers):
    """Each is redacted as if it had come alone, whatever stands beside it."""
    made = outcome(FAST.headers, headers)

    assert made == outcome(SLOW.headers, headers)


@pytest.mark.parametrize("order", [1, -1])
def test_numbers_texts_and_truths_that_are_equal_stay_what_they_are(redactor, order):
    """What was remembered of one value is not taken for another one."""
    for value in [1, True, 1.0, "1", 0, False, 0.0, -0.0, None, ""][::order]:
        (made,) = redactor.attributes({"port": value}).values()

        assert repr(made) == repr(value)


def test_a_secret_beside_a_number_is_redacted_each_time(redactor):
    """Attributes of a model call: the host, its port, and what else was put there."""
    given_ = {"server.address": "api.example.org", "server.port": 443}
    told = {**given_, "note": PLANTED["openai"]}

    for _ in range(2):
        assert redactor.attributes(given_) == given_
        assert PLANTED["openai"] not in repr(redactor.attributes(told))


def _body(said, **more):
    return json.dumps({"model": "m", "messages": said, **more}).encode()


_SAID = [{"role": "user", "content": "hello " * 90}]
_TOOLS = [{"name": "t", "description": "d " * 80}]


@pytest.mark.parametrize(
    "body",
    [
        _body(_SAID),
        _body(_SAID, tools=_TOOLS),
        _body(_SAID, tools=[{"name": PLANTED["openai"]}]),
        _body(_SAID, note=PLANTED["email"]),
        _body(_SAID, messages_too=_SAID),
        _body(_SAID)[:-1],
        _body(_SAID)[:-2] + b', {"role": "user"}, 1]}',
        _body(_SAID).replace(b'"model": "m"', b'"model": "m", "input": []'),
        b'{"input": [1], ' + _body(_SAID)[1:],
        _body([]) + b" " * 600,
    ],
)
def test_bodies_that_begin_alike(body):
    """One that begins as an earlier one is cut and redacted as if it were the first."""
    warm = Redactor(Policy.default(), b"key")
    for earlier in (_body(_SAID), _body(_SAID, tools=_TOOLS), body):
        warm.grown_body(_request(earlier), ())
    cold = Redactor(Policy.default(), b"key")
    made, fresh = (each.grown_body(_request(body), ()) for each in (warm, cold))

    assert (made is None) == (fresh is None)
    if made is not None and fresh is not None:
        whole = cold.body(body, "application/json").decode()
        assert str(made[0].text) == str(fresh[0].text) == whole
        assert made[0].value == fresh[0].value == json.loads(whole)
        assert (made[0].text.recipe, made[0].text.new) == (
            fresh[0].text.recipe,
            fresh[0].text.new,
        )


def _request(body):
    headers = (("content-type", "application/json"),)
    return HttpRequest(method="POST", url="https://h/x", headers=headers, body=body)
