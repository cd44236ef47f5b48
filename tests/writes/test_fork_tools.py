"""Which tools a fork offers a model, with the SDK of each provider."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import anthropic
import pytest
from google import genai
from google.genai import types
from openai import OpenAI

import otel_agent_replay
from otel_agent_replay import agent, fork, open_store
from otel_agent_replay.model.payload import JsonObject, JsonValue
from otel_agent_replay.testing import Answer, ScriptedProvider

SCHEMA: JsonObject = {"type": "object", "properties": {"q": {"type": "string"}}}
LOOK = {"name": "look", "description": "Looks.", "parameters": SCHEMA}


def responses(provider: ScriptedProvider, choice: str | None) -> str:
    chosen = {"type": "function", "name": choice} if choice else "auto"
    with OpenAI(base_url=provider.base_url, api_key="any", max_retries=0) as client:
        return client.responses.create(
            model="gpt-4o",
            input="hello",
            tools=[
                {"type": "function", "name": n, "parameters": SCHEMA, "strict": False}
                for n in ("search", "send")
            ]
            + [{"type": "web_search"}],
            tool_choice=chosen,
        ).output_text


def messages(provider: ScriptedProvider, choice: str | None) -> str:
    chosen = {"type": "tool", "name": choice} if choice else {"type": "auto"}
    with anthropic.Anthropic(
        base_url=provider.url, api_key="any", max_retries=0
    ) as client:
        answer = client.messages.create(
            model="scripted",
            max_tokens=100,
            messages=[{"role": "user", "content": "hello"}],
            tools=[{"name": n, "input_schema": SCHEMA} for n in ("search", "send")]
            + [{"type": "web_search_20250305", "name": "web_search"}],
            tool_choice=chosen,
        )
    return answer.content[0].text


def gemini(provider: ScriptedProvider, choice: str | None) -> str:
    names = [choice] if choice else None
    functions = [
        types.FunctionDeclaration(name=n, parameters_json_schema=SCHEMA)
        for n in ("search", "send")
    ]
    options = types.HttpOptions(base_url=provider.url)
    with genai.Client(api_key="any", http_options=options) as client:
        return client.models.generate_content(
            model="gemini-2.5-flash",
            contents="hello",
            config=types.GenerateContentConfig(
                tools=[
                    types.Tool(function_declarations=functions),
                    types.Tool(google_search=types.GoogleSearch()),
                ],
                tool_config=types.ToolConfig(
                    function_calling_config=types.FunctionCallingConfig(
                        mode="ANY" if choice else "AUTO", allowed_function_names=names
                    )
                ),
                automatic_function_calling=types.AutomaticFunctionCallingConfig(
                    disable=True
                ),
            ),
        ).text


@dataclass(frozen=True)
class Api:
    """How one provider is asked, and what tools look like on its wire."""

    ask: Callable[[ScriptedProvider, str | None], str]
    built_in: str
    choice: str
    wire: Callable[..., JsonValue]


def openai_wire(functions: list[JsonObject], *, built_in: bool) -> JsonValue:
    found = [{"type": "function", **each} for each in functions]
    return [*found, *([{"type": "web_search"}] if built_in else [])]


def anthropic_wire(functions: list[JsonObject], *, built_in: bool) -> JsonValue:
    found = [
        {("input_schema" if k == "parameters" else k): v for k, v in each.items()}
        for each in functions
    ]
    search = {"type": "web_search_20250305", "name": "web_search"}
    return [*found, *([search] if built_in else [])]


def gemini_wire(functions: list[JsonObject], *, built_in: bool) -> JsonValue:
    found = [{"functionDeclarations": functions}] if functions else []
    return [*found, *([{"googleSearch": {}}] if built_in else [])]


APIS = {
    "responses": Api(responses, "web_search", "tool_choice", openai_wire),
    "messages": Api(messages, "web_search", "tool_choice", anthropic_wire),
    "gemini": Api(gemini, "googleSearch", "toolConfig", gemini_wire),
}


@pytest.fixture(params=APIS)
def api(request):
    """Each provider."""
    return APIS[request.param]


@pytest.fixture
def asked(api, tmp_path):
    """An agent that was recorded asking twice, and what its model was sent."""
    url = f"sqlite:///{tmp_path}/runs.db"
    otel_agent_replay.configure(store=url)

    def run_of(choice: str | None):
        @agent
        def asks() -> list[str]:
            return [api.ask(provider, choice) for _ in range(2)]

        asks()
        otel_agent_replay.flush()
        with open_store(url) as store:
            return asks, store.load(store.runs()[0].run_id)

    with ScriptedProvider(script=lambda _: Answer(text="hello")) as provider:
        yield run_of, lambda: json.loads(provider.requests[-1].body)


def search(sent: JsonObject) -> JsonObject:
    """Return the tool `search` as it was sent, in our words."""
    tools = [
        g for each in sent["tools"] for g in each.get("functionDeclarations", [each])
    ]
    first = next(each for each in tools if each.get("name") == "search")
    names = {"input_schema": "parameters"}
    return {names.get(k, k): v for k, v in first.items() if k != "type"}


def test_a_fork_offers_some_tools_and_further_ones(api, asked):
    """As the provider's API writes them; built-in ones go by their type."""
    run_of, last = asked
    asks, run = run_of(None)
    before = last()

    with fork(run, at="model", tools=["search", LOOK]) as session:
        asks()
    offered = last()
    with fork(run, at="model", tools=[api.built_in]):
        asks()

    assert offered["tools"] == api.wire([search(before), LOOK], built_in=False)
    assert last()["tools"] == api.wire([], built_in=True)
    assert [each["name"] for each in session.run.steps[1].request.tools] == [
        "search",
        "look",
    ]
    same = {k: v for k, v in before.items() if k != "tools"}
    assert {k: v for k, v in offered.items() if k != "tools"} == same


def test_a_fork_offers_no_tools(api, asked):
    """Then nothing is said of how to choose one."""
    run_of, last = asked
    asks, run = run_of(None)
    before = last()

    with fork(run, at="model", tools=[]):
        asks()

    assert {*before} - {*last()} == {"tools", api.choice}


def test_a_tool_that_is_gone_need_not_be_chosen(api, asked):
    """A provider refuses a choice among what it is not offered."""
    run_of, last = asked
    asks, run = run_of("send")
    assert "send" in json.dumps(last()[api.choice])

    with fork(run, at="model", tools=["send"]):
        asks()
    assert "send" in json.dumps(last()[api.choice])
    with fork(run, at="model", tools=["search"]):
        asks()

    assert api.choice not in last()
