"""The fast way through a text and the slow one, and texts that tell them apart."""

import json
from dataclasses import replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from otel_agent_replay.redact import Policy, RedactionError, Redactor, Rule
from otel_agent_replay.redact.policy import DEFAULT_RULES
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


def outcome(redact, *given):
    """Return what comes out; a text that never comes to rest is dropped by both."""
    try:
        return redact(*given)
    except RedactionError as error:
        return str(error)
