"""Calls, outcomes and attributes: nothing planted is left anywhere in them."""

import dataclasses
import json
from pathlib import Path
from uuid import UUID

import pytest

from otel_agent_replay.model.call import Call, Outcome, RecordedException
from otel_agent_replay.model.natives import from_json, to_json
from otel_agent_replay.model.payload import Chunk, HttpRequest, HttpResponse


def test_nothing_planted_is_left_in_a_call(redactor, elsewhere, planted):
    """Name, inputs, URL, headers, body, attributes."""
    call = Call(
        kind="tool",
        name=f"find {planted}",
        inputs={"q": planted, "deep": [{"x": f"a {planted} b"}]},
        request=HttpRequest(
            method="POST",
            url="https://h.example.org/",
            headers=(("X-Note", planted.replace("\n", " ")),),
            body=json.dumps({"prompt": f"use {planted}."}).encode(),
        ),
        attributes={"note": planted},
    )
    made = redactor.call(call)
    assert planted not in repr(dataclasses.asdict(made))
    assert json.dumps(planted)[1:-1] not in made.request.body.decode()
    assert made.inputs["q"] == redactor.text(planted)
    assert elsewhere.call(made) == made


def test_nothing_planted_is_left_in_an_outcome(redactor, elsewhere, planted):
    """Value, items, response, error with its arguments and stack trace."""
    outcome = Outcome(
        value={"result": planted},
        items=(planted, {"x": planted}),
        response=HttpResponse(
            status=200,
            headers=(("content-type", "text/plain"),),
            chunks=(Chunk(data=planted.encode()), Chunk(data=b" end")),
        ),
        error=RecordedException(
            type_name="builtins:ValueError",
            message=f"bad {planted}",
            args=(planted, 1),
            stacktrace=f'  File "x.py", line 1\nValueError: bad {planted}',
        ),
        ended="failed",
    )
    made = redactor.outcome(outcome, "tool")
    shown = repr(dataclasses.asdict(made))
    assert planted not in shown
    assert repr(planted)[1:-1] not in shown
    assert made.error.args == (redactor.text(planted), 1)
    assert made.ended == "failed"
    assert elsewhere.outcome(made, "tool") == made


@pytest.mark.parametrize(
    "given",
    [
        b"hunter2x",
        b"\x00\xff\xfe raw",
        ("hunter2x", 1),
        {"hunter2x"},
        frozenset({"hunter2x"}),
        Path("hunter2x"),
        UUID(int=7),
    ],
    ids=lambda given: type(given).__name__,
)
def test_a_secret_that_is_no_text_is_found_by_its_name(redactor, elsewhere, given):
    """An argument called `password` is secret as bytes, in a tuple, and as a path."""
    written = to_json({"password": given, "other": given})
    made = redactor.value(written)

    assert made["other"] == written["other"]
    assert made["password"] != written["password"]
    assert "hunter2x" not in str(made["password"])
    assert isinstance(from_json(made["password"]), type(given))
    assert elsewhere.value(made) == made


@pytest.mark.parametrize("kind", ["clock", "random"])
def test_a_reading_that_looks_like_a_card_stays(redactor, kind):
    """A clock's number says nothing of anybody, and has to come back to the bit."""
    like_a_card = 2_276_694_506_701_500
    made = redactor.outcome(Outcome(value=like_a_card), kind)
    assert made.value == like_a_card
    assert redactor.outcome(Outcome(value=like_a_card), "tool").value != like_a_card


def test_one_secret_is_one_pseudonym_wherever_it_stands(redactor):
    """Wire body, tool input under another name, header, URL, text."""
    key = "sk-proj-abc123DEF456ghi789JKL012"
    known = redactor.text(key)
    body = json.dumps({"arguments": json.dumps({"api_key": key})}).encode()
    assert known in redactor.body(body, "application/json").decode()
    call = Call(kind="tool", name="t", inputs={"credential": key, "x": key})
    assert redactor.call(call).inputs == {"credential": known, "x": known}
    assert redactor.headers((("authorization", f"Bearer {key}"),)) == (
        ("authorization", f"Bearer {known}"),
    )
    assert redactor.url(f"https://h/?key={key}") == f"https://h/?key={known}"


def test_attributes_of_other_instrumentations(redactor, elsewhere):
    """Names say what is secret, JSON inside strings is read, ids stay."""
    known = redactor.value({"password": "hunter2"})["password"]
    mail = redactor.text("a@example.com")
    made = redactor.attributes(
        {
            "http.request.header.authorization": ["hunter2"],
            "http.request.header.x-api-key": ["hunter2"],
            "db.password": "hunter2",
            "llm.input_messages.0.message.content": "I am a@example.com",
            "traceloop.entity.input": '{"inputs": {"password": "hunter2"}}',
            "gen_ai.input.messages": '[{"role":"user","parts":[{"content":"a@example.com"}]}]',
            "process.command_args": ("run", "--api-key", "hunter2"),
            "exception.message": "no a@example.com",
            "user.id": "a@example.com",
            "nested": {"password": "hunter2", "list": ["a@example.com", 1]},
            "raw": b"a@example.com",
            "blob": b"\xff\x00",
            "a@example.com": 1,
        },
    )
    assert made["http.request.header.authorization"] == [known]
    assert made["http.request.header.x-api-key"] == [known]
    assert made["db.password"] == known
    assert made["llm.input_messages.0.message.content"] == f"I am {mail}"
    assert json.loads(made["traceloop.entity.input"])["inputs"]["password"] == known
    assert mail in made["gen_ai.input.messages"]
    assert made["process.command_args"] == ["run", "--api-key", known]
    assert made["user.id"] == mail
    assert made["nested"] == {"password": known, "list": [mail, 1]}
    assert made["raw"] == mail.encode()
    assert b"\xff" not in made["blob"]
    assert made[mail] == 1
    assert elsewhere.attributes(made) == made


def test_attributes_that_stay(redactor):
    """Ids, models, counts, flags and times of the conventions."""
    attributes = {
        "gen_ai.response.id": "chatcmpl-AbC123",
        "gen_ai.tool.call.id": "call_4111111111111111",
        "gen_ai.usage.input_tokens": 4111111111111111,
        "gen_ai.request.max_tokens": 1024,
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.token.type": "input",
        "llm.token_count.total": 12,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.stop_sequences": ("a", "b"),
        "gen_ai.request.stream": True,
        "server.address": "127.0.0.1",
        "nothing": None,
    }
    assert redactor.attributes(attributes) == attributes
