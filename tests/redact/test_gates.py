"""Gates and whole documents save time and nothing else.

What they leave out is compared with the rules applied one by one to each text.
"""

import json
import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from otel_agent_replay.redact import Policy, RedactionError, Redactor, Rule
from otel_agent_replay.redact.keys import KEY_SHAPES
from otel_agent_replay.redact.policy import DEFAULT_RULES
from otel_agent_replay.testing.corpus import (
    CORPUS_ABSENT,
    corpus_path,
    trajectories,
    wire_interactions,
)
from tests.redact.conftest import PLANTED

# A rule without a gate is tried on every text; with a rule for a place, however
# rare, documents are walked leaf by leaf.
ONE_BY_ONE = Policy(
    name="default",
    rules=(
        Rule.path("$.nowhere.at.all"),
        *(replace(rule, gate=None) for rule in DEFAULT_RULES),
    ),
)

NEAR = [
    *("sk-", "sk_live_", "AKIA", "SK", "ghp_", "xoxb-", "eyJ", "AIza", "whsec_", "SG."),
    *("hvs.", "ya29.", ":AA", "Q~", "7Q~", "hooks.slack.com/services/", "glc_", "dapi"),
    *("bearer", "Bearer ", "BASIC ", "basic\u2003", "basic\t", "-----BEGIN ", "--"),
    *("password", "Pass", "pwd", "API-Key", "api key", "pin", "pin code is ", " is 1"),
    *("token", "secret", "ssn", "card_number", "phone", "connectionstring", "KEY"),
    *(
        "=",
        ":",
        "=>",
        '"',
        "\\",
        '\\"',
        "'",
        "(",
        ")",
        " ",
        "\n",
        "\x1f",
        "\xa0",
        "\u2003",
    ),
    *(
        "::",
        "1:",
        "a:b:",
        "fe80:",
        "2001:db8:",
        "@",
        "a@b.",
        "://",
        "u:p@",
        "?key=",
        "&sig=",
    ),
    *(
        "+1",
        "+",
        "07",
        "020",
        "415",
        "555-",
        "2671",
        "(415)",
        "4111",
        "1111 ",
        "-1111",
        ".",
    ),
    *(
        "123-45-",
        "123 45 ",
        "AB",
        "C",
        "GB29",
        " NWBK",
        "529.982.",
        "247-25",
        "203.0.",
        "113.",
    ),
    *(
        "a" * 15,
        "A1" * 12,
        "0123456789abcdef" * 2,
        "\u212a",
        "\u017f",
        "\u0130",
        "\u0661" * 4,
    ),
    *("é", "😀", "\ud800"),
]
pieces = st.one_of(
    st.sampled_from([*PLANTED.values(), *NEAR, *NEAR]),
    st.text(alphabet="0123456789 .-+:()", max_size=18),
    st.text(alphabet="abcdefABCDEF0123456789_-+/=.", max_size=24),
)
texts = st.lists(pieces, max_size=9).map("".join)
keys = st.one_of(
    st.sampled_from(
        ["password", "token", "name", "key", "value", "phone", "role", "id"]
    ),
    texts,
)
documents = st.recursive(
    st.one_of(texts, st.integers(0, 10**17), st.none(), st.booleans(), st.just(0.5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(keys, inner, max_size=4),
        inner.map(json.dumps),
        inner.map(lambda value: json.dumps(value, separators=(",", ":"))),
    ),
    max_leaves=10,
)
many = settings(
    max_examples=400,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def fast() -> Redactor:
    return Redactor(Policy.default(), b"k", literals=frozenset({"correcthorse"}))


def slow() -> Redactor:
    return Redactor(ONE_BY_ONE, b"k", literals=frozenset({"correcthorse"}))


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


def outcome(redact, *given):
    """Return what comes out; a text that never comes to rest is dropped by both."""
    try:
        return redact(*given)
    except RedactionError as error:
        return str(error)


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
