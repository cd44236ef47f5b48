"""Which calls are the same call."""

from __future__ import annotations

import pytest

from otel_agent_replay.model.call import Call
from otel_agent_replay.model.key import host_of, key_of
from otel_agent_replay.model.natives import to_json
from otel_agent_replay.model.payload import HttpRequest, dump_json


def wire(url="https://api.test/v1/chat", body=b"{}", kind="model", **fields):
    headers = fields.pop("headers", ())
    request = HttpRequest(method="POST", url=url, headers=headers, body=body)
    return Call(kind=kind, name="ignored", request=request, **fields)


def multipart(boundary, content):
    kind = f"multipart/form-data; boundary={boundary}"
    body = f"--{boundary}\r\n\r\n{content}\r\n--{boundary}--\r\n".encode()
    return wire(body=body, headers=(("Content-Type", kind),), kind="http")


def mcp(trace, tool="add"):
    about = {"traceparent": trace, "tracestate": trace, "io.mcp/version": "1"}
    params = {"name": tool, "_meta": about}
    return wire(body=dump_json({"jsonrpc": "2.0", "id": 1, "params": params}).encode())


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (mcp("00-a-b-01"), mcp("00-c-d-01")),
        (wire(body=b'{"a": 1, "b": 2.0}'), wire(body=b'{"b":2,"a":1}')),
        (wire(), wire("https://other.test/v1/chat")),
        (wire(), wire(headers=(("authorization", "secret"),))),
        (wire("https://h/m?key=one&x=1"), wire("https://h/m?key=two&x=1")),
        (multipart("abc", "same"), multipart("xyz", "same")),
        (
            Call(kind="tool", name="t", inputs={"a": 1, "b": [1.0]}),
            Call(kind="tool", name="t", inputs={"b": [1], "a": 1}),
        ),
        (
            Call(kind="tool", name="t", inputs={}, effect="read"),
            Call(kind="tool", name="t", inputs={}, effect="write"),
        ),
    ],
)
def test_calls_that_ask_for_the_same_have_one_key(a, b):
    """Order of keys, host, headers, credentials and boundaries do not count."""
    assert key_of(a) == key_of(b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (wire(body=b'{"a": 1}'), wire(body=b'{"a": 2}')),
        (wire(body=b'{"a": 12345678901234567890123}'), wire(body=b'{"a": 1e22}')),
        (mcp("00-a-b-01"), mcp("00-a-b-01", tool="subtract")),
        (wire(), wire("https://api.test/v1/other")),
        (wire("https://h/m?a=1&b=2"), wire("https://h/m?b=2&a=1")),
        (wire("https://h/m?key=one", kind="http"), wire("https://h/m", kind="http")),
        (wire(), wire(kind="http")),
        (multipart("abc", "one"), multipart("abc", "two")),
        (
            Call(kind="tool", name="t", inputs={"a": 1}),
            Call(kind="tool", name="t", inputs={"a": "1"}),
        ),
        (
            Call(kind="tool", name="t", inputs={"a": True}),
            Call(kind="tool", name="t", inputs={"a": 1}),
        ),
        (
            Call(kind="tool", name="t", inputs={}),
            Call(kind="tool", name="u", inputs={}),
        ),
        (
            Call(kind="tool", name="t", inputs={}),
            Call(kind="step", name="t", inputs={}),
        ),
    ],
)
def test_calls_that_ask_for_something_else_have_different_keys(a, b):
    """Anything that may change the answer is in the key."""
    assert key_of(a) != key_of(b)


def test_unserialisable_arguments_compare_by_class():
    """Two objects without a JSON form are alike if they are of one class."""

    class Handle:
        pass

    class Other:
        pass

    def call(value):
        return Call(kind="tool", name="t", inputs={"handle": to_json(value)})

    assert key_of(call(Handle())) == key_of(call(Handle()))
    assert key_of(call(Handle())) != key_of(call(Other()))


def test_a_class_of_a_script_is_that_of_its_module():
    """A run recorded as `python agent.py` replays where `agent` is imported."""

    def call(module):
        value = {"$type": "object", "class": f"{module}:Cart", "value": {"n": 1}}
        return Call(kind="tool", name="t", inputs={"cart": value})

    assert key_of(call("__main__")) == key_of(call("my_agent"))


def test_bodies_that_look_like_json_and_are_none_have_keys_too():
    """A body nested too deep, or cut, is compared byte by byte."""
    deep = b"[" * 100_000

    assert key_of(wire(body=deep)) == key_of(wire(body=deep))
    assert key_of(wire(body=b'{"a"')) != key_of(wire(body=b'{"a" '))


def test_the_host_is_told_without_user_and_in_lower_case():
    """Replay decides by itself whether another host matters."""
    assert host_of(wire("https://User:pw@API.Test:8443/v1")) == "api.test:8443"
    assert host_of(wire("http://[broken/v1")) == ""
    assert host_of(Call(kind="tool", name="t", inputs={})) is None


def test_an_address_that_no_client_would_send_has_a_key_too():
    """A stored one may hold any text; letters count as their percent-encoded bytes."""
    odd = [wire(f"https://h/\u0100{end}?q=\ud800{end}") for end in "ab"]

    assert key_of(odd[0]) != key_of(odd[1])
    assert key_of(wire("https://h/\u0100")) == key_of(wire("https://h/%C4%80"))
