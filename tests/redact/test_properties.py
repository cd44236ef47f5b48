"""For any text and any JSON: twice is once, also under another key; texts agree."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otel_agent_replay.model.payload import dump_json
from otel_agent_replay.redact import Policy, Redactor

HERE = Redactor(Policy.default(), b"here")
THERE = Redactor(Policy.default(), b"there")

SECRETS = [
    "sk-proj-abc123def456ghi789jkl012",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "Bearer abc.def-ghi123",
    "Basic dXNlcjpwYXNz",
    "password=hunter2",
    "https://bob:s3cret@db.example.com/x?api_key=a%40b12&q=1%20a%40example.com",
    "alice@example.com",
    "+1 (415) 555-2671",
    "415-555-2671",
    "4111 1111 1111 1111",
    "123-45-6789",
    "203.0.113.9",
    "2001:db8:85a3::8a2e:370:7334",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcDEF123",
    "-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----",
    "AB123456C",
    "GB29 NWBK 6016 1331 9268 19",
    '{"password": "x y"}',
]
GLUE = [
    *("", " ", ".", ",", ":", "=", "&", "?", "@", "/", "://", '"', "'", "\\", '\\"'),
    *("%40", "%2B", "+", "-", "_", "(", ")", "[", "]", "{", "}", "\n", "0", "9", "99"),
    *("999", "a", "é", "😀", "password", "password:", "password=", "api_key", "token"),
    *("--password ", "Bearer ", "Basic ", "http", "redacted", "redacted-", "user-"),
    *("#", ";", "*", "$", "<", ">", "|", "~", "\u0661", "\x00", "sk-", "AKIA", "is "),
]
MADE = [HERE.text(secret) for secret in SECRETS]

pieces = st.one_of(
    st.sampled_from([*SECRETS, *MADE, *GLUE, *GLUE]),
    st.text(max_size=4),
    st.text(alphabet="0123456789abcdef:.-@%+=/ ", max_size=20),
)
texts = st.lists(pieces, max_size=10).map("".join)
plain_texts = texts.filter(lambda text: text.isascii())
scalars = st.one_of(
    texts,
    st.integers(-(2**60), 2**60),
    st.sampled_from([4111111111111111, None, True, 0.5]),
)
keys = st.one_of(
    texts,
    st.sampled_from(["password", "api_key", "token", "phone", "name", "value", "args"]),
)
documents = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(keys, inner, max_size=4),
    ),
    max_leaves=12,
)
many = settings(
    max_examples=300,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@many
@given(texts)
def test_text_redacted_twice_is_redacted_once(text):
    """Whatever stands around a pseudonym, and under whatever key."""
    made = HERE.text(text)
    assert HERE.text(made) == made
    assert THERE.text(made) == made


@many
@given(texts)
def test_a_url_redacted_twice_is_redacted_once(text):
    """Percent-encoded or not."""
    made = HERE.url(text)
    assert THERE.url(made) == made


@many
@given(st.dictionaries(texts, texts, max_size=3))
def test_headers_redacted_twice_are_redacted_once(headers):
    """Of any name."""
    made = HERE.headers(tuple(headers.items()))
    assert THERE.headers(made) == made


@many
@given(documents)
def test_json_texts_and_values_agree(value):
    """The redacted dump is the dump of the redacted value; twice is once."""
    made = HERE.value(value)
    assert HERE.json_text(dump_json(value)) == dump_json(made)
    assert THERE.value(made) == made
    assert THERE.json_text(dump_json(made)) == dump_json(made)


@many
@given(texts, documents)
def test_json_in_the_middle_of_a_text(text, value):
    """No JSON, but full of it."""
    made = HERE.text(text + dump_json(value) + text)
    assert THERE.text(made) == made


@many
@given(texts, st.sampled_from(["application/json", "text/event-stream", None]))
def test_a_body_redacted_twice_is_redacted_once(text, kind):
    """Whatever it claims to be."""
    body = text.encode("utf-8", "replace")
    made = HERE.body(body, kind)
    assert THERE.body(made, kind) == made


@many
@given(texts, texts)
def test_equal_texts_stay_equal_and_different_secrets_differ(one, other):
    """Nothing but the text decides."""
    assert HERE.text(one) == Redactor(Policy.default(), b"here").text(one)
    made = HERE.value([{"password": one}, {"password": other}])
    if one != other and made[0]["password"] != one and made[1]["password"] != other:
        assert made[0] != made[1]
