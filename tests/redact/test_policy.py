"""Policies: identity, own rules, allow lists, off."""

import pytest

from otel_agent_replay.errors import ConfigurationError
from otel_agent_replay.model.call import Call, Outcome
from otel_agent_replay.model.payload import Chunk, HttpResponse
from otel_agent_replay.redact import Policy, RedactionError, Redactor, Rule


def shout(text: str) -> str:
    """Hide a company's name."""
    return text.replace("Initech", "[company]")


def test_the_version_changes_with_the_rules():
    """Any rule, allow list or own version makes another identity."""
    base = Policy.default()
    others = [
        base.extended([Rule.regex("order", "ORD-1")]),
        base.extended([Rule.regex("order", "ORD-2")]),
        base.extended([Rule.regex("order", "ORD-1", kind="order")]),
        base.extended([Rule.path("$.a")]),
        base.extended([Rule.tool_argument("a", "b")]),
        base.extended([Rule.function("shout", shout)]),
        base.extended([Rule.function("shout", shout, version="2")]),
        base.extended(allow=["x"]),
        base.extended(allow_patterns=["x"]),
        Policy(name="default", rules=base.rules, version="2"),
        Policy.off(),
    ]
    versions = {policy.identity.version for policy in [base, *others]}
    assert len(versions) == len(others) + 1
    assert Policy.default().identity == base.identity


def test_a_regular_expression_of_ones_own(elsewhere):
    """One group of it can be the secret; its kind names the pseudonym."""
    rule = Rule.regex("order", r"ORD-(?P<n>\d+)", kind="order", group="n")
    redactor = Redactor(Policy.default().extended([rule]), b"k")
    made = redactor.text("see ORD-123 now")
    assert made.startswith("see ORD-redacted-order-")
    assert redactor.text(made) == made


def test_a_broad_pattern_never_touches_a_pseudonym():
    """Digits of a pseudonym are not found again by a rule for digits."""
    rule = Rule.regex("digits", r"\d{4,}", kind="digits")
    redactor = Redactor(Policy.default().extended([rule]), b"k")
    for secret in ("4111 1111 1111 1111", "a@example.com", "+14155552671", "12345"):
        made = redactor.text(f"see {secret} now")
        assert redactor.text(made) == made


def test_a_function_of_ones_own():
    """It sees what the other rules have left."""
    rule = Rule.function("shout", shout)
    redactor = Redactor(Policy.default().extended([rule]), b"k")
    assert redactor.value(["Initech", {"x": "at Initech."}]) == [
        "[company]",
        {"x": "at [company]."},
    ]


def test_a_failing_rule_raises_without_the_payload():
    """What it saw is in no message and no chained exception."""

    def broken(text: str) -> str:
        raise ValueError(text)

    policy = Policy.default().extended([Rule.function("mine", broken)])
    with pytest.raises(RedactionError, match="mine") as caught:
        Redactor(policy, b"k").text("top secret text")
    assert "top secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_function_that_never_comes_to_rest_raises():
    """Redacting twice must change nothing, so such a rule cannot be used."""
    policy = Policy.default().extended([Rule.function("grow", lambda text: text + "x")])
    with pytest.raises(RedactionError, match="rest"):
        Redactor(policy, b"k").text("hello")


def test_allowed_values_stay():
    """Exact values, or those that a pattern fits whole."""
    policy = Policy.default().extended(
        allow=["bob@example.com", "letmein1"],
        allow_patterns=[r".*@example\.org"],
    )
    redactor = Redactor(policy, b"k")
    text = "bob@example.com x@example.org password=letmein1"
    assert redactor.text(text) == text
    assert redactor.value({"password": "letmein1"}) == {"password": "letmein1"}
    assert redactor.text("cbob@example.com") != "cbob@example.com"


def test_names_can_be_left_out():
    """Then only patterns decide."""
    policy = Policy(name="bare", secret_names=False)
    value = {"password": "hunter2"}
    assert Redactor(policy, b"k").value(value) == value


def test_off_changes_nothing():
    """Not one byte, whatever it is; what cannot be read does not raise."""
    redactor = Redactor(Policy.off(), b"k")
    text, body = "a@example.com password=hunter2", b"\xff\x00a@example.com"
    response = HttpResponse(status=200, chunks=(Chunk(data=body),))
    call = Call(kind="tool", name="x", inputs={"password": "hunter2"})
    assert redactor.text(text) == text
    assert redactor.json_text(text) == text
    assert redactor.url("http://a:b@c/?key=1") == "http://a:b@c/?key=1"
    assert redactor.headers((("Authorization", "x"),)) == (("Authorization", "x"),)
    assert redactor.body(body, "application/json") == body
    assert redactor.response(response) is response
    assert redactor.call(call) is call
    assert redactor.value({"password": "x"}) == {"password": "x"}
    assert redactor.attributes({"db.password": "x"}) == {"db.password": "x"}
    outcome = Outcome(value=text)
    assert redactor.outcome(outcome, "tool") is outcome
    assert Policy.off().identity.name == "off"


@pytest.mark.parametrize(
    "make",
    [
        lambda: Rule.regex("x", "("),
        lambda: Rule.regex("x", "a", group=1),
        lambda: Rule.regex("x", "a", group="n"),
        lambda: Rule.regex("x", "a", kind="Not A Kind"),
        lambda: Rule.path("customer.ssn"),
        lambda: Rule.path("$"),
        lambda: Rule.path("$.a["),
        lambda: Rule.tool_argument("a", "b", kind=""),
        lambda: Policy(name="x", allow_patterns=("(",)),
    ],
)
def test_settings_without_meaning_are_refused(make):
    """When they are made, not when they are used."""
    with pytest.raises(ConfigurationError):
        make()


@pytest.mark.parametrize(
    ("path", "inside", "outside"),
    [
        ("$.a.b", {"a": {"b": "x"}}, {"b": "x"}),
        ("$..b", {"a": [{"b": "x"}]}, {"a": {"c": "x"}}),
        ("$.a[*].b", {"a": [{"b": "x"}]}, {"a": {"b": "x", "c": 1}, "d": "x"}),
        ("$.a[1]", {"a": [0, "x"]}, {"a": ["x"]}),
        ("$['a b'].c", {"a b": {"c": "x"}}, {"a": {"c": "x"}}),
        ("$.*.b", {"z": {"b": "x"}}, {"b": "x"}),
    ],
)
def test_key_paths(path, inside, outside):
    """Keys, positions, any of them, any depth, quoted keys."""
    redactor = Redactor(Policy(name="p", rules=(Rule.path(path),)), b"k")
    assert redactor.value(inside) != inside
    if path != "$.a[*].b":
        assert redactor.value(outside) == outside
