"""A redactor, another one with a different key, and one secret of each kind."""

import pytest

from otel_agent_replay.redact import Policy, Redactor

PLANTED = {
    "openai": "sk-proj-abc123DEF456ghi789JKL012",
    "anthropic": "sk-ant-api03-AAAAbbbbCCCCdddd1111-xyz_AA",
    "google": "AIzaSyA1234567890abcdefghijklmnopqrstuv",
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "github": "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "github-fine": "github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz",
    "slack": "xoxb-123456789012-abcdefGHIJKL",
    "stripe": "sk_live_abcdefghijklmnop1234",
    "huggingface": "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH",
    "groq": "gsk_abcdefghijklmnopqrstuvwxyz0123456789",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.abcDEF123_-x",
    "email": "alice.jones+x@mail.example.com",
    "phone-e164": "+14155552671",
    "phone-us": "(415) 555-2671",
    "phone-dashes": "415-555-2671",
    "phone-uk": "+44 20 7946 0958",
    "card": "4111 1111 1111 1111",
    "card-plain": "5555555555554444",
    "card-amex": "3782 822463 10005",
    "ssn": "123-45-6789",
    "nino": "AB123456C",
    "iban": "GB82 WEST 1234 5698 7654 32",
    "cpf": "529.982.247-25",
    "ipv4": "203.0.113.77",
    "ipv6": "2001:db8:85a3::8a2e:370:7334",
    "pem": (
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA7\nabc+/=\n"
        "-----END RSA PRIVATE KEY-----"
    ),
}
"""Known by how they look, wherever they stand."""


@pytest.fixture(scope="session")
def redactor() -> Redactor:
    """Return a redactor under the default policy."""
    return Redactor(Policy.default(), b"one key of thirty-two bytes, yes")


@pytest.fixture(scope="session")
def elsewhere() -> Redactor:
    """Return a redactor of another place: the same policy, another key."""
    return Redactor(Policy.default(), b"another key")


@pytest.fixture(params=sorted(PLANTED))
def planted(request: pytest.FixtureRequest) -> str:
    """Return one secret of each kind in turn."""
    return PLANTED[request.param]
