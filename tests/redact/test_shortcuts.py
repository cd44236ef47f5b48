"""Each shortcut of the search finds what the rules find one by one."""

import json
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from otel_agent_replay.redact import Policy, Redactor, Rule
from otel_agent_replay.redact.policy import DEFAULT_RULES
from otel_agent_replay.redact.rules import Found, Gate
from tests.redact.conftest import PLANTED
from tests.redact.ways import fast, many, outcome, slow

FAST, SLOW = fast(), slow()
some = settings(parent=many, max_examples=120)
ROWS = [
    *("4111111111111111", "GB82WEST12345698765432", "1:2:3:4:5:6:7:8"),
    *("2001:db8:85a3:1:2:8a2e:370:7334", "1:2:3:4:5:6:1.2.3.4", "2001:db8::8a2e:1"),
    *("64:ff9b:1::1", "::1:2:3", "a:b:c::", "std::vector", "0.12345678901234567"),
    *("1234567890123456789", "d41d8cd98f00b204e9800998ecf8427e", "15:00:00"),
]
rows = st.lists(
    st.one_of(
        st.sampled_from([*ROWS, *".+: -eAf,", "+1", "\n", "\x08", "\x0c"]),
        st.text(alphabet="0123456789abcdefABCDEFGZ:.+", max_size=20),
    ),
    max_size=6,
).map("".join)
around_strings = st.lists(
    st.one_of(
        st.sampled_from([PLANTED["email"], PLANTED["openai"], "x" * 600, "\\" * 7]),
        st.text(alphabet='",:{}[]\\ \n\té😀a', max_size=6),
    ),
    max_size=6,
).map("".join)
signs = st.one_of(
    st.sampled_from(
        ["", "s", "S", "\u017f", "s=", " ", "\t", "\x1c", "\x85", "\u2003"]
    ),
    st.sampled_from(["_", "-", "_hash", "-Number", "confirmation", "2", "\u0662"]),
    st.sampled_from([":", "=", ":=", "=>", '"', "'", '\\"', "\\n", "\u212a", "x"]),
)
fractions = st.lists(
    st.one_of(
        st.integers(0, 10**30).map(lambda number: f"0.{number}"),
        st.integers(10**12, 10**17).map(lambda number: f".{number}"),
        st.sampled_from([*ROWS, "e-05", "+", "A", ":", ".", " ", "4111111111111111"]),
    ),
    max_size=6,
).map(",".join)
NAMES = [
    *("password", "pass_word", "passphrase", "apiKey", "api-key", "idToken", "pin"),
    *("tokens", "credentials", "credit_card", "phone 2", "mobile.no", "connection"),
]


@some
@given(rows)
@example("token.4111111111111111 +4111111111111111 4111111111111111")
@example(".GB82WEST12345698765432")
def test_long_rows_of_digits_capitals_and_colons(text):
    """Cards, accounts and addresses, but no fractions, times or digests."""
    assert outcome(FAST.text, text) == outcome(SLOW.text, text)
    written = json.dumps({"a": text, "b": [text]})
    assert outcome(FAST.json_text, written) == outcome(SLOW.json_text, written)


@some
@given(st.integers(8, 40), fractions, st.sampled_from([",", "", ":", "e"]))
@example(20, "0.12345678901234:1:2:3:4:5:6:7", ",")
@example(20, "4111111111111111", "")
@example(9, "0.1234567890123456e-05,2001:db8:85a3:1:2:8a2e:370:7334", ",")
def test_rows_among_many_fractions(count, among, sign):
    """Digits alone behind a point are nothing, however many; all else stays found."""
    text = "0.12345678901234567,-0.0123456789012345e-12," * count + sign + among
    assert outcome(FAST.text, text) == outcome(SLOW.text, text)
    written = f'{{"embedding": [{text}0.5], "about": {json.dumps(among)}}}'
    assert outcome(FAST.text, written) == outcome(SLOW.text, written)


def test_a_row_that_only_begins_like_a_fraction():
    """It is looked at from its beginning, beside many fractions too."""
    digits, tail = "1234567890123", ":1:2:3"
    rule = Rule(
        name="tails",
        kind="tail",
        definition=tail,
        find=lambda text: (
            Found(each.start(), each.end(), "tail", tail)
            for each in re.finditer(tail, text)
        ),
        gate=Gate(row=re.compile(tail.encode())),
    )
    redactor = Redactor(Policy.default().extended([rule]), b"k")
    for count in (1, 20):
        text = f"0.{digits}," * count + f".{digits}{tail}"
        assert tail not in redactor.text(text)


@some
@given(
    st.sampled_from(["", "--", "--my_", '"', "MY_"]),
    st.sampled_from(
        [
            word
            for rule in DEFAULT_RULES
            if rule.name == "named-secret" and rule.gate
            for word in rule.gate.literals
        ],
    ),
    st.lists(signs, max_size=4).map("".join),
    st.sampled_from(["hunter2hunter2A1", "4155552671", "536221234"]),
)
@example("--", "token", "\x1f", "hunter2hunter2A1")
@example("", "credential", "s: ", "hunter2hunter2A1")
@example("", "secret", "\u0663=", "hunter2hunter2A1")
@example("", "phone", "number=", "4155552671")
@example("", "password", "hash=", "hunter2hunter2A1")
@example("", "password", "confirmation=", "hunter2hunter2A1")
def test_what_follows_a_name(before, word, signs, value):
    """Whatever sign it is, and however JSON writes it."""
    for name in (word, word.upper(), word.title()):
        text = f"{before}{name}{signs}{value} and more"
        assert outcome(FAST.text, text) == outcome(SLOW.text, text)
        for written in (json.dumps([text]), json.dumps([text], ensure_ascii=False)):
            assert outcome(FAST.text, written) == outcome(SLOW.text, written)
        flags = [f"{before}{name}{signs}", value]
        assert outcome(FAST.value, flags) == outcome(SLOW.value, flags)


@some
@given(
    st.lists(
        st.sampled_from(
            [
                *("://", "https://", ":", "/", "//", "?", "#", "@", "%40", "&", "="),
                *("bob", "hunter2hunter", "sig", "api_key", "1", ".", "é", " ", '"'),
                *("\\", "]", "(", ")", "\n"),
            ],
        ),
        max_size=12,
    ).map("".join),
)
@example("https://a:1://bob:hunter2hunter@b/?sig=hunter2hunter")
def test_urls_with_anything_in_them(rest):
    """Colons and more URLs before what tells that one holds something."""
    for text in (rest, f"see https://example.org:80/{rest}"):
        assert outcome(FAST.text, text) == outcome(SLOW.text, text)
        written = json.dumps({"at": text})
        assert outcome(FAST.text, written) == outcome(SLOW.text, written)


@some
@given(
    st.lists(st.sampled_from(["correcthorse", "horse", " ", "{", "é", "[1]", "x" * 70]))
)
def test_texts_that_hold_nothing_but_known_values(pieces):
    """No gate stands open for them."""
    text = "".join(pieces)
    assert outcome(FAST.text, text) == outcome(SLOW.text, text)
    assert "correcthorse" not in FAST.text(text)


@some
@given(st.lists(around_strings, max_size=4), st.sampled_from([None, 1, 40]))
@example([",", ",", PLANTED["email"], ","], None)
@example(["x" * 5000 + PLANTED["email"] + "y" * 5000], None)
@example(["\\" * 600 + PLANTED["email"] + "\\" * 600], None)
@example(['{"a": "' * 90 + PLANTED["email"] + '"}' * 90], None)
def test_the_string_around_a_secret(strings, indent):
    """Whatever stands in it and its neighbours: quotes, commas, escapes, blanks."""
    for value in (strings, dict.fromkeys(strings, strings)):
        for ascii_alone in (True, False):
            text = json.dumps(value, indent=indent, ensure_ascii=ascii_alone)
            made = outcome(FAST.json_text, text)
            assert made == outcome(SLOW.json_text, text)


@some
@given(
    st.sampled_from(NAMES),
    st.integers(0, 14),
    st.sampled_from(["", "\n", "\t", '"', "\\", "\\n", "\\t", "_", "0", "é", "\x08"]),
    st.integers(0, 2),
    st.sampled_from(["hunter2hunter2A1", "4155552671", 4155552671]),
)
def test_a_name_is_heard_through_escapes(name, at, sign, depth, secret):
    """Whatever splits it, and however deep in JSON in strings its key stands."""
    value = {f"{name[:at]}{sign}{name[at:]}": secret, "text": 'one\ntwo "three"'}
    for _ in range(depth):
        value = {"inner": json.dumps(value), "more": "four\tfive"}
    text = json.dumps(value)
    for redact in ("json_text", "text"):
        made = outcome(getattr(FAST, redact), text)
        assert made == outcome(getattr(SLOW, redact), text)
    assert outcome(FAST.value, value) == outcome(SLOW.value, value)


@some
@given(st.lists(st.sampled_from([*NAMES, "--pin", "a\0b", "note: x", "{"]), max_size=5))
def test_inner_documents_are_heard_one_by_one(names):
    """Many of them are listened to at once; which of them says something counts."""
    inner = [json.dumps({name: "hunter2hunter2A1", "n": 1}) for name in names]
    inner += [json.dumps([name, "hunter2"]) for name in names]
    text = json.dumps([*inner, "[\0]", "{}"])
    assert outcome(FAST.json_text, text) == outcome(SLOW.json_text, text)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("mail mia.k+x@x.co now", 5, 17),
        ("<mia@x.co>", 1, 9),
        ("to=mia@x.co", 3, 11),
        ("a/b=mia@x.co", 4, 12),
        ("..mia@x.co", 2, 10),
        ("}mia@x.co", 1, 9),
        ("a}mia@x.co", 0, 10),
        ("x" * 80 + "@x.co", 16, 85),
        ("é_ß@x.co", 0, 8),
    ],
)
def test_where_an_address_begins(text, start, end):
    """Signs that stand around an address are no part of it."""
    made = Redactor(Policy.default(), b"k").text(text)
    assert made.startswith(text[:start])
    assert made.endswith(text[end:])
    assert "@redacted.invalid" in made
    assert len(made) == start + len("user-0123456789abcdef@redacted.invalid") + (
        len(text) - end
    )


def test_plurals_of_names_say_nothing():
    """Counts of tokens are in every answer; credentials and a long s still count."""
    redactor = Redactor(Policy.default(), b"k")
    usage = '{"usage": {"input_tokens": 11, "max_tokens": 4096}, "keys": "abc1234"}'
    assert redactor.text(usage) == usage
    assert redactor.text("tokens=abc1234 keys: abc1234") == (
        "tokens=abc1234 keys: abc1234"
    )
    for said in ("credentials=hunter2a", "password\u017f=hunter2a"):
        assert "hunter2a" not in redactor.text(said)
