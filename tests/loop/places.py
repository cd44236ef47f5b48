"""Places to plant secrets in, with what stands around them."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from urllib.parse import quote

import httpx
from openai import BadRequestError, OpenAI
from opentelemetry import trace
from opentelemetry.trace import Link, StatusCode

from otel_agent_replay import (
    agent,
    approval,
    checkpoint,
    describe_run,
    memory,
    retrieval,
    step,
    tool,
)
from otel_agent_replay.model.payload import Headers
from otel_agent_replay.testing import (
    Answer,
    LocalServer,
    Reply,
    ScriptedProvider,
    ScriptedRequest,
    ToolCall,
    cut_every,
)
from tests.loop.planted import Plants


class Service(LocalServer):
    """Says in body and headers what it was told to say."""

    def __init__(self, plants: Plants) -> None:
        self._plants = plants
        super().__init__()

    def respond(self, _: ScriptedRequest) -> Reply:
        plants = self._plants
        headers: Headers = (
            ("content-type", "application/json"),
            ("set-cookie", f"session={plants['password']}; Path=/"),
            ("x-api-key", plants["secret by name"]),
            *((f"x-note-{n}", text) for n, text in enumerate(one_line(plants.texts))),
        )
        body = {"said": plants.texts, **plants.structured}
        return Reply(headers=headers, body=json.dumps(body).encode())


class CutStream(LocalServer):
    """A model whose event stream is cut without regard to events."""

    def __init__(self, plants: Plants) -> None:
        self._plants = plants
        super().__init__()

    def respond(self, _: ScriptedRequest) -> Reply:
        text = self._plants.text
        pieces = [text[at : at + 5] for at in range(0, len(text), 5)]
        events = [f"data: {json.dumps(delta(piece))}\n\n".encode() for piece in pieces]
        whole = b"".join([*events, b"data: [DONE]\n\n"])
        return Reply(
            headers=(("content-type", "text/event-stream"),),
            body=iter(cut_every(7)(whole)),
        )


def delta(text: str) -> dict[str, object]:
    """Return a chunk of a streamed chat completion."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-4o",
        "choices": [choice],
    }


def one_line(texts: list[str]) -> list[str]:
    """Return the texts that a header can hold."""
    return [text for text in texts if "\n" not in text]


@dataclass
class Scene:
    """A place with what stands around it: servers, and what the agent is given."""

    name: str
    plants: Plants
    answers: list[Answer] = field(default_factory=list)

    def __enter__(self):
        self._stack = ExitStack()
        open_ = self._stack.enter_context
        self.provider = open_(ScriptedProvider(answers=self.answers, piece_size=3))
        self.service = open_(Service(self.plants))
        self.cut = open_(CutStream(self.plants))
        self.client = OpenAI(
            base_url=self.provider.base_url,
            api_key=self.plants["openai key"],
            max_retries=0,
        )
        return self

    def __exit__(self, *failure: object) -> None:
        self._stack.close()

    @property
    def given(self) -> dict[str, object]:
        """The input of the run."""
        return {
            "marker": f"marker of {self.name}",
            "texts": self.plants.texts,
            "structured": self.plants.structured,
        }

    def chat(self, messages: list[dict], **more: object):
        """Ask the model."""
        return self.client.chat.completions.create(
            model="gpt-4o", messages=messages, **more
        )


def user(text: str) -> list[dict]:
    """Return a conversation of one message."""
    return [{"role": "user", "content": text}]


def prompts(scene: Scene, texts: list[str], structured: dict) -> object:
    """System prompt, user message, message names, tool definitions, headers."""
    definition = {
        "type": "function",
        "function": {"name": "look", "description": "\n".join(texts)},
    }
    answer = scene.chat(
        [
            {"role": "system", "content": "\n".join(texts)},
            {"role": "user", "content": [{"type": "text", "text": t} for t in texts]},
            {"role": "user", "content": json.dumps(structured)},
        ],
        tools=[definition],
        user=texts[6],
        extra_headers={f"x-note-{n}": t for n, t in enumerate(one_line(texts))},
    )
    return answer.choices[0].message.content


def final_answer(scene: Scene, texts: list[str], structured: dict) -> object:
    """What the model says, and the agent after it."""
    return scene.chat(user("hello")).choices[0].message.content


def streamed_answer(scene: Scene, texts: list[str], structured: dict) -> object:
    """What the model says, three characters an event."""
    chunks = scene.chat(user("hello"), stream=True)
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


def cut_stream(scene: Scene, texts: list[str], structured: dict) -> object:
    """What the model says, five characters an event, seven bytes a chunk."""
    url = f"{scene.cut.url}/v1"
    with OpenAI(base_url=url, api_key="any", max_retries=0) as client:
        chunks = client.chat.completions.create(
            model="gpt-4o", messages=user("hello"), stream=True
        )
        return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


@tool(effect="write")
def transfer(recipient: str, note: str, structured: dict) -> dict:
    """Say what came in, but for the recipient: only an argument is known as one."""
    return {"done": bool(recipient), "note": note, **structured}


def streamed_tool_call(scene: Scene, texts: list[str], structured: dict) -> object:
    """The arguments of a tool call, in fragments; then the call and its result."""
    asked: list[str] = []
    for chunk in scene.chat(user("pay"), stream=True):
        for choice in chunk.choices:
            calls = choice.delta.tool_calls or ()
            asked.extend(call.function.arguments or "" for call in calls)
    result = transfer(**json.loads("".join(asked)))
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "transfer", "arguments": "".join(asked)},
    }
    answer = scene.chat(
        [
            *user("pay"),
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": json.dumps(result)},
        ]
    )
    return answer.choices[0].message.content


def tools(scene: Scene, texts: list[str], structured: dict) -> object:
    """Arguments by position, name and rest; results, also of generators."""

    @tool
    def look(first: str, *rest: str, **named: object) -> dict:
        return {"seen": [first, *rest], **named}

    @tool
    def pages(words: list[str]):
        yield from words

    return [look(*texts, **structured), list(pages(texts)), [*pages(["none"])]]


class LookupFailedError(Exception):
    """What a tool raises."""


def tool_error(scene: Scene, texts: list[str], structured: dict) -> object:
    """The message and arguments of an exception that leaves a tool."""

    @tool
    def failing(words: list[str]) -> str:
        raise LookupFailedError("\n".join(words))

    try:
        return failing(texts)
    except Exception as error:  # noqa: BLE001 - replay may give another class
        return str(error)


def moments(scene: Scene, texts: list[str], structured: dict) -> object:
    """State, approval, memory, retrieval, a step's arguments."""

    @memory(operation="upsert_memory", store="notes")
    def remember(words: list[str]) -> list[str]:
        return words

    @retrieval(source="wiki")
    def find(query: str) -> list[dict]:
        return [{"id": "1", "content": query}]

    @step
    def summarise(words: list[str], **more: object) -> list[str]:
        checkpoint({"words": words, **more})
        return words

    decision = approval("payment", ask=lambda: texts, words=texts, **structured)
    return [remember(texts), find("\n".join(texts)), summarise(decision, **structured)]


def http_calls(scene: Scene, texts: list[str], structured: dict) -> object:
    """URL path, query and user information; headers, cookies, bodies."""
    host = scene.service.url.removeprefix("http://")
    path = "/".join(quote(text, safe="") for text in one_line(texts))
    word = str(structured["password"])
    query = {"note": texts, "api_key": word, "signature": word}
    with httpx.Client() as client:
        client.get(f"http://svc:{quote(word)}@{host}/{path}", params=query)
        client.get(f"{scene.service.url}/#{quote(texts[0])}")
        client.post(
            scene.service.url,
            json={"texts": texts, **structured},
            headers={
                "authorization": one_line(texts)[-1],
                "cookie": f"session={structured['password']}; theme=dark",
                **{f"x-note-{n}": t for n, t in enumerate(one_line(texts))},
            },
        )
        client.post(scene.service.url, data={"note": texts, "password": word})
        return client.post(scene.service.url, content="\n".join(texts)).json()


def foreign_spans(scene: Scene, texts: list[str], structured: dict) -> object:
    """All that another instrumentation can put on a span."""
    tracer = trace.get_tracer("other", attributes={"note": texts[0]})
    noted = {f"note.{n}": text for n, text in enumerate(texts)}
    noted |= {"all": texts, "db.password": structured["password"]}
    noted["http.request.header.authorization"] = texts[0]
    noted["document"] = json.dumps(structured)
    noted[f"name with {texts[6]}"] = 1
    link = Link(trace.get_current_span().get_span_context(), noted)
    with tracer.start_as_current_span(
        f"look up {texts[6]}", attributes=noted, links=[link]
    ) as span:
        span.add_event(f"looked up {texts[6]}", noted)
        span.record_exception(ValueError("\n".join(texts)))
        span.set_status(StatusCode.ERROR, "\n".join(texts))
        return tool(name="look")(lambda: "found")()


def failure(scene: Scene, texts: list[str], structured: dict) -> object:
    """An exception that leaves a step and the run, with its cause."""

    @step
    def inner() -> None:
        raise LookupFailedError(*texts)

    try:
        inner()
    except LookupFailedError as error:
        raise RuntimeError("\n".join(texts)) from error


def description(scene: Scene, texts: list[str], structured: dict) -> object:
    """What is said about the run."""
    describe_run(
        user=texts[6],
        conversation="\n".join(texts),
        prompt_name=texts[0],
        prompt_version=texts[1],
        tags=tuple(texts),
    )
    return "described"


def model_error(scene: Scene, texts: list[str], structured: dict) -> object:
    """The message of a provider's error."""
    with suppress(BadRequestError):
        scene.chat(user("\n".join(texts)))
    return "refused"


Play = Callable[[Scene, list[str], dict], object]


PLACES: dict[str, tuple[Play, Callable[[Plants], list[Answer]]]] = {
    "prompts": (prompts, lambda _: [Answer(text="fine")]),
    "final_answer": (final_answer, lambda p: [Answer(text=p.text)]),
    "streamed_answer": (streamed_answer, lambda p: [Answer(text=p.text)]),
    "cut_stream": (cut_stream, lambda _: []),
    "streamed_tool_call": (
        streamed_tool_call,
        lambda p: [
            Answer(
                tool_calls=[
                    ToolCall(
                        "transfer",
                        {
                            "recipient": p["own argument"],
                            "note": p.text,
                            "structured": p.structured,
                        },
                    )
                ]
            ),
            Answer(text="paid"),
        ],
    ),
    "tools": (tools, lambda _: []),
    "tool_error": (tool_error, lambda _: []),
    "moments": (moments, lambda _: []),
    "http_calls": (http_calls, lambda _: []),
    "foreign_spans": (foreign_spans, lambda _: []),
    "failure": (failure, lambda _: []),
    "description": (description, lambda _: []),
    "model_error": (model_error, lambda p: [Answer(status=400, text=p.text)]),
}


def player(scene: Scene):
    """Return the agent that plays in a place."""

    @agent(name=scene.name)
    def run(marker: str, texts: list[str], structured: dict) -> object:
        return PLACES[scene.name][0](scene, texts, structured)

    return run


def played(run, given) -> None:
    """Run an agent that may fail."""
    with suppress(RuntimeError):
        run(**given)
