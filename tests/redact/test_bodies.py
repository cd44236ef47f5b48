"""Bodies, URLs and headers of requests."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from otel_agent_replay.model.payload import HttpRequest
from otel_agent_replay.redact import RedactionError


def test_urls_lose_credentials_and_secret_parameters(redactor, elsewhere):
    """What is left parses; a value has the pseudonym it has everywhere."""
    url = "https://bob:hunter2@h.example.org:8443/a?key=hunter2&q=1%20a%40example.com#f"
    made = redactor.url(url)
    parts = urlsplit(made)
    known = redactor.value({"password": "hunter2"})["password"]
    assert (parts.username, parts.password, parts.port) == ("bob", known, 8443)
    assert parse_qs(parts.query) == {
        "key": [known],
        "q": ["1 " + redactor.text("a@example.com")],
    }
    assert elsewhere.url(made) == made
    assert redactor.text(f"see {url}") == f"see {made}"


@pytest.mark.parametrize(
    "name",
    ["key", "api_key", "apikey", "access_token", "sig", "X-Amz-Signature", "password"],
)
def test_parameters_that_carry_secrets(redactor, name):
    """Also in a relative reference and after a path."""
    assert "abc123" not in redactor.url(f"/v1/x?{name}=abc123&page=2")


def test_urls_without_secrets_keep_their_bytes(redactor):
    """Encoding is not touched."""
    url = "https://api.example.org/v1/a%20b?page_token=x&z=%7e&empty=&a;b=1"
    assert redactor.url(url) == url


def test_secrets_in_a_path(redactor):
    """A segment is a text, whether percent-encoded or not."""
    made = redactor.url("https://h.example.org/users/a%40example.com/b@example.com")
    assert "a%40example.com" not in made
    assert "b@example.com" not in made


def test_headers(redactor, elsewhere):
    """Those that carry secrets by name, and secrets in any other."""
    headers = (
        ("Authorization", "Bearer hunter2hunter2"),
        ("x-api-key", "hunter2"),
        ("Api-Key", "hunter2"),
        ("Cookie", "sid=hunter2; theme=hunter2"),
        ("Set-Cookie", "sid=hunter2; Path=/; HttpOnly"),
        ("X-Note", "from a@example.com"),
        ("Location", "https://h.example.org/?token=abcdefghijklmnop1"),
    )
    made = redactor.headers(headers)
    assert [name for name, _ in made] == [name for name, _ in headers]
    assert not any("hunter2" in value or "a@ex" in value for _, value in made)
    assert "abcdefghijklmnop1" not in dict(made)["Location"]
    assert dict(made)["Set-Cookie"].endswith("; Path=/; HttpOnly")
    assert dict(made)["Authorization"].startswith("Bearer redacted-secret-")
    assert elsewhere.headers(made) == made


def test_headers_without_secrets_stay(redactor):
    """Ids, limits and agents of clients are kept."""
    headers = (
        ("User-Agent", "AsyncOpenAI/Python 1.2.3 Chrome/120.0.99.1"),
        ("x-request-id", "req_011CSHoEeqs5C35K2UUqR7Fy"),
        ("x-ratelimit-remaining-tokens", "149984"),
        ("Date", "Sat, 21 Nov 2026 02:30:00 GMT"),
        ("anthropic-version", "2023-06-01"),
    )
    assert redactor.headers(headers) == headers


def test_forms(redactor, elsewhere):
    """Names say what is secret, encoded values are read."""
    body = b"user=bob&password=hunter+2&mail=a%40example.com&x=1"
    made = redactor.body(body, "application/x-www-form-urlencoded")
    got = parse_qs(made.decode())
    assert got["password"] == [redactor.value({"password": "hunter 2"})["password"]]
    assert got["mail"] == [redactor.text("a@example.com")]
    assert made.startswith(b"user=bob&")
    assert elsewhere.body(made, "application/x-www-form-urlencoded") == made


def part(name: str, content: bytes, more: str = "") -> bytes:
    head = f'--XX\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode() + content + b"\r\n"


def test_multipart(redactor, elsewhere):
    """Text fields and text files are searched, pictures stay."""
    picture = '; filename="a.png"\r\nContent-Type: image/png'
    lines = '; filename="a.jsonl"\r\nContent-Type: application/octet-stream'
    body = (
        part("password", b"hunter2")
        + part("image", b"\x89PNG\xff a@example.com", picture)
        + part("file", b'{"m": "a@example.com"}\n{"m": 1}', lines)
        + b"--XX--\r\n"
    )
    kind = "multipart/form-data; boundary=XX"
    made = redactor.body(body, kind)
    known = redactor.value({"password": "hunter2"})["password"].encode()
    mail = redactor.text("a@example.com").encode()
    assert made == body.replace(b"hunter2", known).replace(
        b'"a@example.com"',
        b'"' + mail + b'"',
    )
    assert elsewhere.body(made, kind) == made


def test_other_charsets(redactor):
    """A body is written back as it was read."""
    body = "é a@example.com".encode("latin-1")
    made = redactor.body(body, "text/plain; charset=iso-8859-1")
    assert made.decode("latin-1") == "é " + redactor.text("a@example.com")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"\x1f\x8b\x08\x00abc\xff", "application/json"),
        (b"\xff\xfe\x00", "application/octet-stream"),
        (b"\xff\xfe\x00", None),
        (b"abc", "text/plain; charset=utf-16"),
        (part("file", b"\xff\x00") + b"--XX--", "multipart/form-data; boundary=XX"),
    ],
)
def test_what_cannot_be_read_is_refused(redactor, body, kind):
    """Compressed or unknown bytes could hold anything."""
    with pytest.raises(RedactionError):
        redactor.body(body, kind)


def test_pictures_and_sound_stay(redactor):
    """They are not searched."""
    assert (
        redactor.body(b"\xff\xd8a@example.com", "image/jpeg")
        == b"\xff\xd8a@example.com"
    )


def test_a_request(redactor):
    """URL, headers and body; a stated length follows the body."""
    body = json.dumps({"messages": [{"content": "a@example.com"}]}).encode()
    request = HttpRequest(
        method="POST",
        url="https://h.example.org/v1?key=hunter2",
        headers=(
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
        ),
        body=body,
    )
    made = redactor.request(request)
    assert "hunter2" not in made.url
    assert b"a@example.com" not in made.body
    assert ("content-length", str(len(made.body))) in made.headers
    assert redactor.request(made) == made
