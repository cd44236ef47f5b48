"""JSON is looked at as it is written, and found in as it is read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agent_replay.redact import Policy, Redactor
from otel_agent_replay.testing.corpus import (
    CORPUS_ABSENT,
    corpus_path,
    trajectories,
    wire_interactions,
)
from tests.redact.conftest import PLANTED
from tests.redact.ways import ONE_BY_ONE, documents, fast, keys, many, outcome, slow


@pytest.mark.parametrize("rest", ["4111111111111111", "GB82WEST12345698765432"])
def test_a_gate_counts_behind_what_is_taken_out(rest):
    """A known value may stand before it in one run of digits and capitals."""
    made = [
        Redactor(policy, b"k", literals=frozenset({"HORSE77"})).text(f"HORSE77{rest}")
        for policy in (Policy.default(), ONE_BY_ONE)
    ]
    assert made[0] == made[1]
    assert rest not in made[0]


SECRETS = ["mia@x.co", "https://bob:hunter2@x.co/", "+14155552671", PLANTED["openai"]]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("depth", [0, 1, 2, 3])
@pytest.mark.parametrize(
    "write",
    [
        json.dumps,
        lambda value: json.dumps(value, indent=1, ensure_ascii=False),
        lambda value: json.dumps(value).replace("@", "\\u0040").replace("-", "\\u002d"),
        lambda value: json.dumps(value, separators=(",", ":")).replace("/", "\\/"),
    ],
)
def test_what_json_writes_otherwise_is_found(secret, depth, write):
    """Escapes stand for letters and signs, also in JSON in strings."""
    value = {"a": [f"é\n{secret}\t", 1], "b": "😀", "c\n": {"d": "\x1b[0m"}}
    for _ in range(depth):
        value = {"inner": write(value), "e": [None]}
    text = write(value)
    made = fast().json_text(text)
    assert made == slow().json_text(text)
    assert made != text
    assert outcome(fast().value, value) == outcome(slow().value, value)


def one_escape(text: str, at: int) -> str:
    """Write one character of a JSON text's strings as an escape, where one stands."""
    if text and (sign := text[at % len(text)]).isalnum() and '"' in text[:at]:
        at %= len(text)
        return f"{text[:at]}\\u{ord(sign):04x}{text[at + 1 :]}"
    return text


@many
@given(documents, st.integers(0, 500), st.sampled_from(["/", "", "@", ":", "="]))
def test_a_document_is_redacted_however_it_is_written(value, at, sign):
    """Some characters as escapes, in any string or none."""
    text = json.dumps(value, ensure_ascii=False)
    if sign and sign not in ':"':
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    if sign == "/":
        text = text.replace("\\u002f", "\\/")
    text = one_escape(text, at)
    body = text.encode("utf-8", "replace")
    media = "application/json"
    assert outcome(fast().body, body, media) == outcome(slow().body, body, media)
    assert outcome(fast().text, text) == outcome(slow().text, text)


def test_a_key_quoted_many_times_is_dropped():
    """Its line breaks are escaped again with every quoting; it is never let through."""
    value = (
        f'"-----BEGIN RSA PRIVATE KEY-----\\nMIIE\\n{"-" * 5}END RSA PRIVATE KEY-----"'
    )
    for _ in range(6):
        value = json.dumps(value)
        for redactor in (fast(), slow()):
            assert "MIIE" not in str(outcome(redactor.text, value))


@pytest.mark.parametrize(
    "text",
    [
        '{"a": "{\\"password\\": \\"hunter2\\"}"}',
        '{"a": "{\\"pass_word\\" : \\"hunter2\\"}", "b": "[\\"--password\\", \\"x1\\"]"}',
        '{"a": "{\\"n\\": 4111111111111111, \\"n\\": {\\"api-key\\": \\"zz\\"}, \\"n\\": 0}"}',
        '{"a": "{\\"name\\": \\"password\\", \\"value\\": \\"hunter2\\"}"}',
        '{"a": "{\\"b\\": \\"{\\\\\\"Pass\\\\\\\\nword\\\\\\": \\\\\\"hunter2\\\\\\"}\\"}"}',
        '{"a": "{\\"password\\"\\n: \\"hunter2\\"}", "b": 4111111111111111}',
        '{"a": "[{\\"token\\": \\"mia@\\", \\"logprob\\": -1}, {\\"token\\": \\"x.co\\"}]"}',
        '{"a": "{\\"$type\\": \\"bytes\\", \\"base64\\": \\"bWlhQHguY28=\\"}"}',
        '{"a": "password", "b": "=hunter2", "c": "mia@", "d": "x.co"}',
        '{"a": "[\\"--pin\\", \\"4711\\"]", "b": "mia@x.co"}',
        '{"é": "x\\\\", "b": "é😀 mia@x.co", "c\\\\": "mia@x.co\\\\\\""}',
        '{"a":"{\\"phone2\\":4155552671,\\"Pin\\":\\"4711\\",\\"id_Token\\":\\"abc\\"}"}',
    ],
)
def test_names_count_in_json_inside_json(text):
    """Whatever tells it: a key, a flag, a name beside its value, a hidden twin."""
    made = fast().json_text(text)
    assert made == slow().json_text(text)
    assert fast().json_text(made) == made


@many
@given(keys)
def test_no_key_is_taken_to_say_nothing(key):
    """Written without escapes in a document inside a document."""
    text = json.dumps({"a": json.dumps({key: "Zq9" * 7})})
    assert outcome(fast().json_text, text) == outcome(slow().json_text, text)
    text = json.dumps({key: "4155552671"})
    assert outcome(fast().json_text, text) == outcome(slow().json_text, text)


@pytest.mark.corpus
@pytest.mark.skipif(corpus_path() is None, reason=CORPUS_ABSENT)
def test_recorded_traffic_is_redacted_as_by_its_rules_one_by_one():
    """Bodies, and each run's messages as they grow."""
    quick, careful = fast(), slow()
    for each in wire_interactions():
        for message in (each.request, each.response):
            kind = message.headers[0][1] if message.headers else None
            made = quick.body(message.body, kind)
            assert made == careful.body(message.body, kind), each.id
    for run in trajectories():
        messages = list(run.messages)
        assert quick.value(messages) == careful.value(messages)
