"""JSON: only what is secret changes, to the byte; values and texts agree."""

import base64
import json

import pytest

from otel_agent_replay.model.payload import dump_json
from otel_agent_replay.redact import Policy, RedactionError, Redactor, Rule


def test_every_other_byte_stays(redactor):
    """White space, key order, escapes and the form of numbers are kept."""
    mail = redactor.text("a@example.com")
    text = (
        '{ "b" : 1.0e5,\n "a":"\\u00e9\\/ a@example.com \\n", "c":[ true ,null,1E2] }'
    )
    assert redactor.json_text(text) == text.replace("a@example.com", mail)


def test_escapes_around_a_secret_stay(redactor):
    """Also where the secret itself is written with escapes."""
    text = '{"x":"\\u0041\\ud83d\\ude00 \\u0061@example.com \\\\ \\t"}'
    made = redactor.json_text(text)
    mail = redactor.text("a@example.com")
    assert made == '{"x":"\\u0041\\ud83d\\ude00 ' + mail + ' \\\\ \\t"}'


def test_text_without_secrets_is_the_same_object(redactor):
    """Nothing is copied that does not change."""
    text, value = '{ "a" : [1, "x"] }', {"a": [1, "x"]}
    assert redactor.json_text(text) is text
    assert redactor.value(value) is value


def test_equal_keys_are_all_redacted(redactor):
    """A parser keeps the last of equal keys; the first one is in the text too."""
    text = '{"password": "first1", "password": "other2"}'
    made = redactor.json_text(text)
    assert "first1" not in made
    assert "other2" not in made
    assert made.count('"password"') == 2


def test_keys_that_hold_secrets_are_redacted(redactor):
    """A key can be an e-mail address."""
    made = redactor.value({"a@example.com": 1})
    assert made == {redactor.text("a@example.com"): 1}


@pytest.mark.parametrize(
    "key",
    ["password", "apiKey", "API_KEY", "db-password", "clientSecret", "accessToken"],
)
def test_a_name_makes_its_value_secret(redactor, elsewhere, key):
    """Strings, numbers and lists of them; not what tells a type."""
    made = redactor.value({key: ["hunter2", 123456]})
    known = redactor.value({"password": "hunter2"})["password"]
    assert made[key][0] == known
    assert isinstance(made[key][1], int)
    assert made[key][1] != 123456
    assert elsewhere.value(made) == made
    schema = {"properties": {key: {"type": "string"}}, "required": [key, "user"]}
    assert redactor.value(schema) == schema


def test_patterns_win_over_names(redactor):
    """A value has one pseudonym, whether a name or its look gave it away."""
    key = "sk-proj-abc123DEF456ghi789JKL012"
    assert redactor.value({"api_key": key}) == {"api_key": redactor.text(key)}
    assert redactor.value({"authorization": f"Bearer {key}"}) == {
        "authorization": f"Bearer {redactor.text(key)}",
    }


def test_a_name_takes_the_whole_value(redactor):
    """A password that holds an e-mail address is one secret."""
    made = redactor.value({"password": "x a@example.com y"})["password"]
    assert made.startswith("redacted-secret-")


def test_named_values_are_found_in_lists_of_pairs_and_command_lines(redactor):
    """`name` and `value` side by side; a flag and the word after it."""
    known = redactor.value({"password": "hunter2"})["password"]
    pair = {"name": "password", "value": "hunter2"}
    assert redactor.value(pair) == {"name": "password", "value": known}
    assert redactor.value(["mysql", "--password", "hunter2", "x"]) == [
        "mysql",
        "--password",
        known,
        "x",
    ]


def test_a_card_number_stays_a_number(redactor, elsewhere):
    """JSON types are kept where the value allows."""
    made = json.loads(redactor.json_text('{"card":4111111111111111,"n":12}'))
    assert made["n"] == 12
    assert str(made["card"]).startswith("9999")
    assert elsewhere.value(made) == made


def test_a_contact_field_is_known_by_name_and_shape(redactor):
    """Digits alone are no phone number, but under `phone` they are."""
    made = redactor.value({"phone": "4155552671", "n": "4155552671", "model": "phone"})
    assert made["phone"].startswith("+999")
    assert made["n"] == "4155552671"
    number = redactor.value({"phone_number": 4155552671})["phone_number"]
    assert str(number).startswith("999")


def test_bytes_in_a_recorded_value_are_looked_into(redactor):
    """Arguments of type bytes stand in Base64; text in them is redacted."""
    inside = base64.b64encode(b"mail a@example.com").decode()
    made = redactor.value({"$type": "bytes", "base64": inside})
    assert base64.b64decode(made["base64"]).decode() == redactor.text(
        "mail a@example.com",
    )


def test_values_and_their_texts_agree(redactor):
    """`json_text` of a dump is the dump of `value`."""
    value = {
        "messages": [
            {"role": "user", "content": "I am é a@example.com"},
            {"tool_calls": [{"function": {"arguments": '{"password":"p w\\"1"}'}}]},
        ],
        "phone": 4155552671,
    }
    assert redactor.json_text(dump_json(value)) == dump_json(redactor.value(value))


def test_what_is_no_json_is_refused(redactor):
    """`json_text` promises JSON."""
    with pytest.raises(RedactionError):
        redactor.json_text("{not json")


def test_key_paths_are_rooted_at_each_document():
    """`$` is the document, the tool's arguments, or JSON inside a string."""
    rule = Rule.path("$.customer.*.ref", kind="ref")
    redactor = Redactor(Policy.default().extended([rule]), b"k")
    customer = {"customer": {"a": {"ref": "R1"}, "b": {"ref": [7, "R2"], "x": "R1"}}}
    made = redactor.value(customer)
    assert made["customer"]["a"]["ref"].startswith("redacted-ref-")
    assert made["customer"]["b"]["ref"][0] != 7
    assert made["customer"]["b"]["x"] == "R1"
    inside = redactor.value({"text": json.dumps(customer)})["text"]
    assert json.loads(inside) == made
    wire = {"type": "tool_use", "name": "save", "input": customer}
    assert redactor.value(wire)["input"] == made


@pytest.mark.parametrize(
    "call",
    [
        {"function": {"name": "pay", "arguments": '{"to": "Bob", "x": "Bob"}'}},
        {"type": "tool_use", "name": "pay", "input": {"to": "Bob", "x": "Bob"}},
        {"functionCall": {"name": "pay", "args": {"to": "Bob", "x": "Bob"}}},
    ],
)
def test_a_tool_argument_is_found_in_every_wire_form(call):
    """And where the tool is called; another tool's argument stays."""
    rule = Rule.tool_argument("pay", "to", kind="name")
    redactor = Redactor(Policy.default().extended([rule]), b"k")
    known = redactor.value({"to": "Bob", "x": "Bob"}, tool="pay")
    assert known["x"] == "Bob"
    assert known["to"].startswith("redacted-name-")
    made = dump_json(redactor.value(call))
    assert made == dump_json(call).replace("Bob", known["to"], 1)
    assert redactor.value({"to": "Bob"}, tool="greet") == {"to": "Bob"}
