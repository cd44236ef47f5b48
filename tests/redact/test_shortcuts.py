"""Each shortcut of the search finds what the rules find one by one."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from otel_agent_replay.redact import Policy, Redactor
from tests.redact.conftest import PLANTED
from tests.redact.test_gates import fast, many, outcome, slow

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
