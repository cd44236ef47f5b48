"""Gates let through what their rules find."""

import json
import re
from dataclasses import replace

import pytest
from hypothesis import example, given, settings

from otel_agent_replay.redact import Policy, Redactor, Rule
from otel_agent_replay.redact.keys import KEY_SHAPES
from otel_agent_replay.redact.policy import DEFAULT_RULES
from tests.redact.conftest import PLANTED
from tests.redact.ways import documents, fast, many, outcome, slow, texts


@many
@given(texts)
@example(f"{PLANTED['pem']}{PLANTED['openai']}")
def test_a_text_is_redacted_as_by_its_rules_one_by_one(text):
    """No gate keeps a rule from what it would find."""
    assert outcome(fast().text, text) == outcome(slow().text, text)


@many
@given(documents)
def test_a_document_is_redacted_as_text_by_text(value):
    """Its texts are looked at together; places, names and twice-written keys count."""
    assert outcome(fast().value, value) == outcome(slow().value, value)
    for separators in ((",", ":"), (", ", ": ")):
        text = json.dumps(value, separators=separators)
        assert outcome(fast().json_text, text) == outcome(slow().json_text, text)


@pytest.mark.parametrize("number", range(len(DEFAULT_RULES)))
def test_each_gate_lets_through_what_its_rule_finds(number):
    """Of each rule alone, so that no other rule hides a miss."""
    rule = DEFAULT_RULES[number]
    gated = Policy(name="one", rules=(rule,))
    bare = Policy(name="one", rules=(replace(rule, gate=None),))

    @settings(parent=many, max_examples=60)
    @given(texts)
    def agrees(text: str) -> None:
        assert Redactor(gated, b"k").text(text) == Redactor(bare, b"k").text(text)

    agrees()


FOUND = [
    *PLANTED.values(),
    "(415)555-2671",
    "415-555.2671",
    "415.555-2671",
    "1 415 555 2671",
    "01 23 45 67 89",
    "01.23.45.67.89",
    "07911 123456",
    "020 7946 0958",
    "AB 12 34 56 C",
    "123 45 6789",
    "GB82WEST12345698765432",
    "2001:db8:85a3:1:2:8a2e:370:7334",
    "bearer%20abcdefgh1",
    "Basic dXNlcjpwYXNz",
    "Basic \u2003\u2003dXNlcjpwYXNz",
    "my pin is 4711",
    "pin code = 4711",
    "the API key is abcd1234",
    "--password hunter2",
    "password-confirmation" + "\\" * 8 + '"\u2003\u2003\u2003\u2003= hunter2',
    "api_key=hunter2",
    "password\u017fhash=hunter2",
    "cvv_2 => 4711",
    "+44 (0) 20 79 46 09",
    "basic\n\tdXNlcjpwYXNz",
    "bearer\tabcdefgh1",
    "my secret\nis\nabc123",
    "password\n= hunter2",
    "://user@host/",
    "123456789:AA" + "b" * 33,
    "abc8Q~" + "d" * 33,
    "hooks.slack.com/services/T000/B000/" + "x" * 20,
    "whsec_" + "ab+/" * 6,
    "SG." + "a1" * 8 + "." + "b2" * 8,
    "SK" + "0a" * 16,
]


@pytest.mark.parametrize("text", FOUND)
def test_what_is_found_alone_is_found_in_a_document(text):
    """Also deep inside, in JSON in a text, beside much else."""
    redactor = fast()
    wanted = redactor.text(text)
    assert wanted != text
    value = {"a": ["b" * 500, {"c": json.dumps({"d": [1, text]}), "e": text}], "f": 2}
    made = redactor.json_text(json.dumps(value, indent=1))
    inner = json.loads(json.loads(made)["a"][1]["c"])
    assert (inner["d"][1], json.loads(made)["a"][1]["e"]) == (wanted, wanted)
    assert redactor.value(value) == json.loads(json.dumps(json.loads(made)))


@pytest.mark.parametrize(
    "text",
    [
        '{"token": "zz/mia@x.co"}',
        '{"name": "password mia@x.co", "value": "hunter2"}',
        '{"mia@x.co": {"password": "a", "x": 4111111111111111}}',
        '{"a": "mia@x.co", "a": "b", "c": {"d": 1, "d": "mia@x.co"}}',
        '{"a": ["--password", "hunter2", "mia@x.co"]}',
        '{"$type": "bytes", "base64": "bWlhQHguY28="}',
        '[{"token": "mia@", "logprob": -1}, {"token": "x.co", "logprob": -1}]',
        '{"a": "[{\\"token\\": \\"mia@\\", \\"logprob\\": -1}]", "b": 1e400}',
        '{"a": 4111111111111111, "n": 12345678901234567890123, "phone": 4155552671}',
        '["mia@x.co", "\\ud83d\\ude00\\n mia@x.co", "{\\"x\\": \\"\\\\u00e9 mia@x.co\\"}"]',
        '"mia@x.co"',
    ],
)
def test_texts_that_depend_on_their_place(text):
    """Names, flags, bytes, tokens, numbers and keys that are written twice."""
    made = fast().json_text(text)
    assert made == slow().json_text(text)
    assert fast().json_text(made) == made


def test_rules_without_a_gate_see_every_text():
    """One of your own has none, in a document too."""
    policy = Policy.default().extended([Rule.regex("mine", "zq+", kind="mine")])
    made = Redactor(policy, b"k").value({"a": ["x", "zqq"], "zq": 1})
    assert re.fullmatch(r"redacted-mine-\w{16}", made["a"][1])
    assert "zq" not in made


def test_equal_texts_change_wherever_they_stand():
    """However each is written: the bytes around them stay."""
    text = '{"a":"\\u0061@example.com", "b" : ["a@example.com","x\\n\\"a@example.com"],"a@example.com":0}'
    mail = fast().text("a@example.com")
    assert fast().json_text(text) == (
        text.replace("\\u0061@example.com", mail).replace("a@example.com", mail)
    )


@pytest.mark.parametrize("shape", KEY_SHAPES, ids=lambda shape: shape.name)
def test_each_gate_lets_through_each_beginning_of_a_key(shape):
    """Also right behind another word, as a piece of a text may begin there."""
    rule = next(rule for rule in DEFAULT_RULES if rule.name == shape.name)
    gated = Redactor(Policy(name="one", rules=(rule,)), b"k")
    bare = Redactor(Policy(name="one", rules=(replace(rule, gate=None),)), b"k")
    for start in shape.starts:
        bodies = [
            "a1" * 16,
            "a1" * 20,
            "a1" * 30,
            "A1" * 8,
            "a1" * 18,
            f"{'a1' * 9}.{'b2' * 20}",
        ]
        texts = [f"é {start}{body} {start}" for body in bodies]
        made = [bare.text(text) for text in texts]
        assert made != texts
        assert [gated.text(text) for text in texts] == made
        assert gated.value(texts) == made
