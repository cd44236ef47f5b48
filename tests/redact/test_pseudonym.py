"""Pseudonyms: equal stays equal, different stays different, shapes are kept."""

import base64
import ipaddress
import json
import re
import uuid
from email.utils import parseaddr

import pytest

from otel_agent_replay.redact.forms import is_pseudonym, luhn_holds, pseudonyms_in
from otel_agent_replay.redact.pseudonym import Pseudonymizer

KINDS = {
    "secret": ("hunter2", "hunter3"),
    "mine": ("ORD-1", "ORD-2"),
    "key": ("sk-proj-abc123DEF456ghi789", "sk-proj-abc123DEF456ghi780"),
    "email": ("a@example.com", "b@example.com"),
    "phone": ("+14155552671", "+14155552672"),
    "card": ("4111 1111 1111 1111", "4111 1111 1111 1129"),
    "ssn": ("123-45-6789", "123-45-6788"),
    "nino": ("AB123456C", "AB123456D"),
    "iban": ("GB82WEST12345698765432", "GB82WEST12345698765433"),
    "ipv4": ("203.0.113.7", "203.0.113.8"),
    "ipv6": ("2001:db8::1:2", "2001:db8::1:3"),
    "uuid": (
        "123e4567-e89b-12d3-a456-426614174000",
        "123e4567-e89b-12d3-a456-426614174001",
    ),
    "jwt": ("eyJhbGciOiJI.eyJzdWIiOiIx.x", "eyJhbGciOiJI.eyJzdWIiOiIx.y"),
    "basic": ("dXNlcjpwYXNz", "dXNlcjpwYXNzMg=="),
    "pem": (
        "-----BEGIN PRIVATE KEY-----\nA\n-----END PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nB\n-----END PRIVATE KEY-----",
    ),
}


@pytest.fixture
def give() -> Pseudonymizer:
    """Return the pseudonyms under one key."""
    return Pseudonymizer(b"key")


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_equal_values_stay_equal_and_different_ones_different(give, kind):
    """The same value always gets the same pseudonym, another value another one."""
    one, other = KINDS[kind]
    assert give(kind, one) == Pseudonymizer(b"key")(kind, one)
    assert give(kind, one) != give(kind, other)
    assert one not in give(kind, one)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_another_key_gives_other_pseudonyms(give, kind):
    """Who does not have the key cannot tell whose pseudonym it is."""
    assert give(kind, KINDS[kind][0]) != Pseudonymizer(b"yek")(kind, KINDS[kind][0])


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_pseudonym_is_known_by_its_form_alone(give, kind):
    """Its form says what it is, also in the middle of a text."""
    for value in KINDS[kind]:
        made = give(kind, value)
        assert is_pseudonym(made)
        assert list(pseudonyms_in(f"({made})")) == [(1, 1 + len(made))]
        assert not is_pseudonym(value)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_no_pseudonym_needs_escaping_in_json(give, kind):
    """Only a key block has line breaks; nothing else needs an escape."""
    made = give(kind, KINDS[kind][0]).replace("\n", "")
    assert json.dumps(made) == f'"{made}"'


def test_ten_thousand_values_do_not_collide(give):
    """Kinds with 48 bits and more keep large sets of values apart."""
    for kind in ("secret", "email", "ipv6", "iban"):
        made = {give(kind, f"value {number}") for number in range(10_000)}
        assert len(made) == 10_000


def test_an_email_still_parses(give):
    """The local part and a domain that cannot exist."""
    address = give("email", "Bob <b@example.com>")
    assert parseaddr(address)[1] == address
    assert address.endswith("@redacted.invalid")


@pytest.mark.parametrize(
    "card",
    ["4111111111111111", "4111 1111 1111 1111", "3782-822463-10005", "4222222222222"],
)
def test_a_card_keeps_length_and_grouping_and_passes_luhn(give, card):
    """In 9999, a range no bank has."""
    made = give("card", card)
    assert luhn_holds(made)
    assert made.startswith("9999")
    assert re.sub(r"\d", "0", made) == re.sub(r"\d", "0", card)


def test_one_card_grouped_differently_stays_one(give):
    """Only its digits decide."""
    plain = give("card", "4111111111111111")
    assert give("card", "4111 1111 1111 1111").replace(" ", "") == plain


def test_addresses_parse_and_stand_in_reserved_ranges(give):
    """240.0.0.0/4 and 100::/64 belong to nobody."""
    four = ipaddress.ip_address(give("ipv4", "203.0.113.7"))
    six = ipaddress.ip_address(give("ipv6", "2001:db8::1"))
    assert four in ipaddress.ip_network("240.0.0.0/4")
    assert six in ipaddress.ip_network("100::/64")
    assert str(six) == give("ipv6", "2001:db8::1")


def test_a_phone_number_keeps_its_form(give):
    """Plus and fifteen digits in +999, which is not assigned."""
    assert re.fullmatch(r"\+999\d{12}", give("phone", "+14155552671"))


def test_national_ids_stand_where_none_is_issued(give):
    """SSN area 9xx below the ITINs, NINO prefix QQ, IBAN country ZZ."""
    assert re.fullmatch(r"9\d\d-[0-4]\d-\d{4}", give("ssn", "123-45-6789"))
    assert re.fullmatch(r"QQ\d{6}[A-D]", give("nino", "AB123456C"))
    iban = give("iban", "GB82WEST12345698765432")
    assert iban.startswith("ZZ")
    assert int("".join(str(int(c, 36)) for c in iban[4:] + iban[:4])) % 97 == 1


@pytest.mark.parametrize(
    ("value", "prefix"),
    [
        ("sk-proj-" + "a1" * 40, "sk-proj-"),
        ("sk-ant-api03-" + "a1" * 40, "sk-ant-api03-"),
        ("sk-" + "a1" * 12, "sk-"),
        ("ghp_" + "a1" * 18, "ghp_"),
        ("xoxb-" + "1-a" * 10, "xoxb-"),
        ("AIza" + "a" * 35, "AIza"),
    ],
)
def test_an_api_key_keeps_its_prefix_and_about_its_length(give, value, prefix):
    """What looks at the prefix goes on working."""
    made = give("key", value)
    assert made.startswith(prefix + "redacted")
    assert min(len(value), 64 + len(prefix)) == len(made)


def test_an_aws_key_id_keeps_its_twenty_capitals(give):
    """AKIA and sixteen capitals or digits."""
    made = give("key", "AKIAIOSFODNN7EXAMPLE")
    assert re.fullmatch(r"AKIA[A-Z0-9]{16}", made)


def test_a_token_with_claims_still_decodes(give):
    """Header and payload of a JWT are JSON."""
    header, payload, _ = give("jwt", "eyJhbGciOiJI.eyJzdWIiOiIx.x").split(".")
    for part in (header, payload):
        padded = part + "=" * (-len(part) % 4)
        assert isinstance(json.loads(base64.urlsafe_b64decode(padded)), dict)


def test_basic_credentials_still_decode(give):
    """To a user and a password."""
    decoded = base64.b64decode(give("basic", "dXNlcjpwYXNz"), validate=True)
    assert decoded.startswith(b"redacted:")


def test_a_key_block_keeps_its_first_and_last_line(give):
    """Whichever way the text writes its line breaks."""
    block = "-----BEGIN EC PRIVATE KEY-----{0}MII{0}-----END EC PRIVATE KEY-----"
    for newline in ("\n", "\\n"):
        made = give("pem", block.format(newline)).split(newline)
        assert made[0] == "-----BEGIN EC PRIVATE KEY-----"
        assert made[-1] == "-----END EC PRIVATE KEY-----"
        assert len(made) == 3


def test_a_secret_that_is_a_uuid_stays_one(give):
    """Code that parses it goes on working."""
    made = give("secret", "123e4567-e89b-12d3-a456-426614174000")
    assert str(uuid.UUID(made)) == made


def test_a_number_stays_a_number(give):
    """Of digits only, in the range of its kind."""
    assert re.fullmatch(r"999999\d{12}", give.number("secret", "123456"))
    assert re.fullmatch(r"999\d{12}", give.number("phone", "4155552671"))
    assert luhn_holds(give.number("card", "4111111111111111"))
