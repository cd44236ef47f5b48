"""Free text: what is found, what is left alone, and that twice is once."""

import json

import pytest

from otel_agent_replay.redact import RedactionError, Redactor
from otel_agent_replay.redact.policy import Policy

PLACES = {
    "alone": "{}",
    "prose": "Please use {} for this, thanks.",
    "line": "first\n{}\nlast",
    "quoted": 'she said "{}" and left',
    "brackets": "(see {})",
    "value": "setting = {}",
    "markdown": "`{}` and **{}**",
    "named": "api_key: {}",
    "python": "{{'password': '{}'}}",
    "exception": "ValueError: could not use {}",
}


@pytest.mark.parametrize("place", sorted(PLACES))
def test_a_planted_secret_is_gone_in_every_place(redactor, elsewhere, planted, place):
    """Nothing of it is left, and its pseudonym is the same everywhere."""
    text = PLACES[place].replace("{}", planted).replace("{{", "{").replace("}}", "}")
    made = redactor.text(text)
    assert planted not in made
    assert redactor.text(planted) in made
    assert elsewhere.text(made) == made


def test_a_planted_secret_is_gone_from_json_in_text(redactor, planted):
    """A text that is JSON is read as JSON, JSON inside its strings too."""
    inner = json.dumps({"note": planted})
    made = redactor.text(json.dumps({"arguments": inner, "list": [planted]}))
    value = json.loads(made)
    assert value["list"] == [redactor.text(planted)]
    assert json.loads(value["arguments"]) == {"note": redactor.text(planted)}


NAMED = [
    "password=hunter2",
    "password = 'hunter2'",
    'PASSWORD: "hunter2"',
    '"password": "hunter2"',
    r"{\"password\": \"hunter2\", \"user\": 1",
    "db_password=hunter2;",
    "?password=hunter2&x=1",
    "--password hunter2 --verbose",
    "my password is hunter2.",
    "the passphrase is: hunter2",
    "secret_key=hunter2",
    "client_secret: hunter2",
    '{"password": "hunter2',
    "pwd=hunter2",
    "https://bob:hunter2@example.org/",
    "X-Api-Key: hunter2",
]


@pytest.mark.parametrize("text", NAMED)
def test_a_value_under_a_secret_name_is_found(redactor, elsewhere, text):
    """However the text assigns it, it becomes one and the same pseudonym."""
    made = redactor.text(text)
    known = redactor.value({"password": "hunter2"})["password"]
    assert made == text.replace("hunter2", known)
    assert elsewhere.text(made) == made


KEPT = [
    "max_tokens: 1024, total_tokens=12 prompt_tokens: 5",
    '{"token": "Hello", "logprob": -0.1, "bytes": [72, 101]}',
    "chatcmpl-AbCdEf0123456789 call_abcDEF0123456789abcdef fp_0123456789",
    "msg_01XFDUDYJgAACzvnptvVoYEL toolu_01A09q90qw90lq917835lq9",
    "resp_68a1b2c3d4e5f60718293a4b5c6d7e8f req_011CSHoEeqs5C35K2UUqR7Fy",
    "created 1700000000 or 1700000000000 or 1700000000000000000",
    "2024-05-06T07:08:09.123456Z and 2024-05-06 12:34:56+00:00",
    "It costs $1,234.56, or 99.99 EUR, 12.5%, 1e-05, 0.4111111111111111",
    "gpt-4o-2024-08-06 claude-3-5-sonnet-20241022 gemini-1.5-pro-002",
    "version 10.20.30.40, v1.2.3.4, pip==21.22.23.24, Chrome/120.0.99.1, 1.2.3.4",
    "localhost 127.0.0.1 0.0.0.0 10.0.0.5 192.168.1.1 255.255.255.0 ::1 fe80::1",
    "std::vector<int> a::b::c 12:34:56 aa:bb:cc:dd:ee:ff",
    "Args:\n    api_key: The API key to use.\n    password: str",
    "password=get_password() api_key=settings.API_KEY token=os.environ['T']",
    "password: ${DB_PASSWORD} secret={{ vault.x }} api_key=<your key> pwd=****",
    "The password is required. Your token is invalid.",
    "next_page_token=abcdef0123456789abcdef sync_token: abcdef0123456789abcdef",
    "basic authentication and bearer authentication are supported",
    "sk-chasing-dots-container icon@2x.png git@github.com:owner/name @types/node",
    "HAT001 4J7Q2X ref 123-456 order 12345678 flight DL123 zip 94103-1234",
    "9999 8888 7777 6666 is no card, 1234567890123456 neither",
    "f3a1b2c4-0000-4000-8000-123456789abc d41d8cd98f00b204e9800998ecf8427e",
    "+10 -20 +0000 rows: 200 300 4000 5000 6000 7000",
    "359 6057 889 82 5140 4 163 46",
    "order 34200428933986, device 547381065679155 of 2023",
    "as section 20.13.18.20 says",
    'password = input("Password: ")\nname = input("Name: ")',
    'print("password: ", getpass("secret: "), sep="")',
    "secret = secrets.token_hex(16)",
]


@pytest.mark.parametrize("text", KEPT)
def test_what_is_no_secret_stays(redactor, text):
    """Token counts, times, ids, prices, versions, code and prose survive."""
    assert redactor.text(text) == text


def test_a_known_value_is_redacted_anywhere():
    """Literals need no name beside them; they get the pseudonym of their name."""
    redactor = Redactor(Policy.default(), b"k", literals=frozenset({"correcthorse"}))
    known = redactor.value({"password": "correcthorse"})["password"]
    assert redactor.text("xcorrecthorsex") == f"x{known}x"


def test_long_base64_is_left_alone(redactor):
    """Images and encrypted parts are no text."""
    blob = "data:image/png;base64," + "iVBORw0KGgoAAAANSUhEUgAAAAUA" * 200
    assert redactor.value({"url": blob, "data": blob[22:]}) == {
        "url": blob,
        "data": blob[22:],
    }


def test_text_that_is_nested_too_deeply_is_refused_not_passed(redactor):
    """What cannot be walked raises, so that the payload is dropped."""
    with pytest.raises(RedactionError):
        redactor.text('{"password": ' * 800 + '"hunter2"' + "}" * 800)


HOSTILE = {
    "digits": "1234567890",
    "token starts": "eyJ",
    "keys": "sk-",
    "ats": "a@",
    "dots": "a@b.",
    "colons": "1:",
    "quads": "12.",
    "plus": "+1 22 ",
    "names": "password:",
    "quotes": 'password="',
    "escapes": 'password=\\"',
    "bearer": "bearer a.",
    "urls": "://a@",
    "percent": "%",
    "blocks": "-----BEGIN PRIVATE KEY-----",
    "braces": '{"a":{',
    "groups": "GB29 NWBK ",
    "mark": "redacted-secret-",
    "brackets": "(415) ",
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_text_is_read_in_linear_time(redactor, name):
    """No repetition makes a rule run away; quadratic time would take an hour."""
    unit = HOSTILE[name]
    made = redactor.text(unit * (250_000 // len(unit)))
    assert made
