"""Foreign spans in the one normal form; samples have the emitters' own keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agent_replay import semconv
from otel_agent_replay.dialects import normalise
from otel_agent_replay.model.payload import dump_json, parse_json
from otel_agent_replay.model.span import EventRecord, SpanRecord


def span(attributes=None, events=(), name="span"):
    return SpanRecord(
        trace_id="a" * 32,
        span_id="b" * 16,
        name=name,
        attributes=attributes or {},
        start_ns=1,
        end_ns=2,
        events=tuple(
            EventRecord(name=n, time_ns=1, attributes=values) for n, values in events
        ),
    )


def normal(attributes=None, events=(), name="span"):
    return normalise(span(attributes, events, name)).attributes


def messages(attributes, name):
    return parse_json(attributes[name])


def text(role, content, **more):
    parts = [{"type": "text", "content": content}]
    return {"role": role, "parts": parts, **more}


def call(call_id, name, arguments):
    known = {} if call_id is None else {"id": call_id}
    return {"type": "tool_call", **known, "name": name, "arguments": arguments}


def response(call_id, value):
    known = {} if call_id is None else {"id": call_id}
    return {"type": "tool_call_response", **known, "response": value}


class TestGenAi:
    """The conventions as they are now."""

    def test_content_on_events_becomes_content_on_the_span(self):
        """Strands writes input and output as two events of one name."""
        sent, answer = [text("user", "hi")], [text("assistant", "ho")]
        found = normal(
            {semconv.OPERATION_NAME: "chat"},
            [
                (
                    semconv.EVENT_INFERENCE_DETAILS,
                    {semconv.INPUT_MESSAGES: dump_json(sent)},
                ),
                (
                    semconv.EVENT_INFERENCE_DETAILS,
                    {semconv.OUTPUT_MESSAGES: dump_json(answer)},
                ),
            ],
        )

        assert messages(found, semconv.INPUT_MESSAGES) == sent
        assert messages(found, semconv.OUTPUT_MESSAGES) == answer

    def test_a_tool_s_messages_become_its_arguments_and_result(self):
        """On a tool span Strands puts the call and the response into messages."""
        asked = [{"role": "tool", "parts": [call("c1", "t", {"a": 1})]}]
        told = [{"role": "tool", "parts": [response("c1", [{"text": "x"}])]}]
        found = normal(
            {semconv.OPERATION_NAME: "execute_tool"},
            [
                (
                    semconv.EVENT_INFERENCE_DETAILS,
                    {semconv.INPUT_MESSAGES: dump_json(asked)},
                ),
                (
                    semconv.EVENT_INFERENCE_DETAILS,
                    {semconv.OUTPUT_MESSAGES: dump_json(told)},
                ),
            ],
        )

        assert parse_json(found[semconv.TOOL_CALL_ARGUMENTS]) == {"a": 1}
        assert parse_json(found[semconv.TOOL_CALL_RESULT]) == [{"text": "x"}]


class TestSemconv136:
    """Names up to 1.36."""

    def test_old_names_get_new_ones(self):
        """Provider and token counts are found under their present names."""
        found = normal(
            {
                "gen_ai.system": "az.ai.openai",
                "gen_ai.usage.prompt_tokens": "5",
                "gen_ai.usage.completion_tokens": "2",
                "gen_ai.usage.cache_creation.input_tokens": "1",
            }
        )

        assert found[semconv.PROVIDER_NAME] == "azure.ai.openai"
        assert found[semconv.USAGE_INPUT_TOKENS] == "5"
        assert found[semconv.USAGE_OUTPUT_TOKENS] == "2"
        assert found[semconv.USAGE_CACHE_WRITE_INPUT_TOKENS] == "1"

    def test_message_events_of_strands(self):
        """Blocks in Bedrock's form, as JSON text, become parts."""
        use = {"toolUse": {"toolUseId": "c1", "name": "t", "input": {"a": 1}}}
        result = {"toolResult": {"toolUseId": "c1", "content": [{"text": "r"}]}}
        found = normal(
            {semconv.OPERATION_NAME: "chat"},
            [
                ("gen_ai.user.message", {"content": '[{"text": "hi"}]'}),
                ("gen_ai.assistant.message", {"content": dump_json([use])}),
                ("gen_ai.tool.message", {"content": dump_json([result])}),
                (
                    "gen_ai.choice",
                    {"finish_reason": "end_turn", "message": '[{"text": "ho"}]'},
                ),
            ],
        )

        assert messages(found, semconv.INPUT_MESSAGES) == [
            text("user", "hi"),
            {"role": "assistant", "parts": [call("c1", "t", {"a": 1})]},
            {"role": "tool", "parts": [response("c1", [{"text": "r"}])]},
        ]
        assert messages(found, semconv.OUTPUT_MESSAGES) == [
            text("assistant", "ho", finish_reason="end_turn")
        ]

    def test_message_events_of_azure(self):
        """The whole message stands in one JSON attribute."""
        asked = {
            "id": "c1",
            "type": "function",
            "function": {"name": "t", "arguments": '{"a": 1}'},
        }
        found = normal(
            {semconv.OPERATION_NAME: "chat"},
            [
                (
                    "gen_ai.tool.message",
                    {"gen_ai.event.content": '{"content":"42","id":"c0"}'},
                ),
                (
                    "gen_ai.choice",
                    {
                        "gen_ai.event.content": dump_json(
                            {
                                "message": {"tool_calls": [asked]},
                                "finish_reason": "tool_calls",
                            }
                        )
                    },
                ),
            ],
        )

        (sent,) = messages(found, semconv.INPUT_MESSAGES)
        (answer,) = messages(found, semconv.OUTPUT_MESSAGES)
        assert sent["parts"] == [response("c0", "42")]
        assert answer["finish_reason"] == "tool_calls"
        assert answer["parts"][0]["arguments"] == {"a": 1}

    def test_the_tool_span_of_strands(self):
        """There the tool message is the call, and the choice its result."""
        found = normal(
            {semconv.OPERATION_NAME: "execute_tool"},
            [
                ("gen_ai.tool.message", {"role": "tool", "content": '{"a": 1}'}),
                ("gen_ai.choice", {"message": '[{"text": "r"}]', "id": "c1"}),
            ],
        )

        assert found[semconv.TOOL_CALL_ARGUMENTS] == '{"a": 1}'
        assert found[semconv.TOOL_CALL_RESULT] == '[{"text": "r"}]'

    def test_prompt_and_completion_of_langsmith(self):
        """One attribute holds all messages, or the plain text."""
        chat = {"messages": [{"role": "user", "content": "hi"}]}
        found = normal(
            {"gen_ai.prompt": dump_json(chat), "gen_ai.completion": "plain ho"}
        )

        assert messages(found, semconv.INPUT_MESSAGES) == [text("user", "hi")]
        assert messages(found, semconv.OUTPUT_MESSAGES) == [
            text("assistant", "plain ho")
        ]


class TestOpenInference:
    """Flattened, numbered keys."""

    def test_a_model_span(self):
        """Messages, tool calls, tools, parameters and counts are found."""
        asked = "llm.output_messages.0.message.tool_calls.0.tool_call."
        schema = {"type": "function", "function": {"name": "t", "parameters": {}}}
        found = normal(
            {
                "openinference.span.kind": "LLM",
                "llm.model_name": "gpt-4o",
                "llm.system": "openai",
                "llm.invocation_parameters": '{"temperature": 0.5, "model": "x"}',
                "llm.input_messages.0.message.role": "system",
                "llm.input_messages.0.message.content": "be kind",
                "llm.input_messages.10.message.role": "tool",
                "llm.input_messages.10.message.tool_call_id": "c0",
                "llm.input_messages.10.message.content": '{"n": 1}',
                "llm.input_messages.2.message.role": "user",
                (
                    "llm.input_messages.2.message.contents.0.message_content.type"
                ): "text",
                (
                    "llm.input_messages.2.message.contents.0.message_content.text"
                ): "look",
                (
                    "llm.input_messages.2.message.contents.1.message_content.type"
                ): "image",
                (
                    "llm.input_messages.2.message.contents.1."
                    "message_content.image.image.url"
                ): "http://x/y.png",
                "llm.output_messages.0.message.role": "assistant",
                f"{asked}id": "c1",
                f"{asked}function.name": "t",
                f"{asked}function.arguments": '{"a": 1}',
                "llm.tools.0.tool.json_schema": dump_json(schema),
                "llm.token_count.prompt": "7",
                "llm.token_count.prompt_details.cache_read": "3",
            }
        )

        sent = messages(found, semconv.INPUT_MESSAGES)
        assert [each["role"] for each in sent] == ["system", "user", "tool"]
        assert sent[0] == text("system", "be kind")
        assert sent[1]["parts"] == [
            {"type": "text", "content": "look"},
            {"type": "uri", "modality": "image", "uri": "http://x/y.png"},
        ]
        assert sent[2]["parts"] == [response("c0", {"n": 1})]
        (answer,) = messages(found, semconv.OUTPUT_MESSAGES)
        assert answer["parts"][0]["name"] == "t"
        assert answer["parts"][0]["arguments"] == {"a": 1}
        assert messages(found, semconv.TOOL_DEFINITIONS)[0]["name"] == "t"
        assert found[semconv.OPERATION_NAME] == "chat"
        assert found[semconv.REQUEST_MODEL] == "gpt-4o"
        assert found[semconv.PROVIDER_NAME] == "openai"
        assert found[semconv.REQUEST_TEMPERATURE] == "0.5"
        assert found[semconv.USAGE_INPUT_TOKENS] == "7"
        assert found[semconv.USAGE_CACHE_READ_INPUT_TOKENS] == "3"

    def test_a_tool_span(self):
        """What went in and what came out are arguments and result."""
        found = normal(
            {
                "openinference.span.kind": "TOOL",
                "tool.name": "search",
                "tool_call.id": "c1",
                "input.value": '{"q": "x"}',
                "output.value": "none",
            }
        )

        assert found[semconv.OPERATION_NAME] == "execute_tool"
        assert found[semconv.TOOL_NAME] == "search"
        assert found[semconv.TOOL_CALL_ID] == "c1"
        assert found[semconv.TOOL_CALL_ARGUMENTS] == '{"q": "x"}'
        assert found[semconv.TOOL_CALL_RESULT] == "none"

    def test_a_retriever_span(self):
        """Documents keep their scores and metadata."""
        found = normal(
            {
                "openinference.span.kind": "RETRIEVER",
                "input.value": "why",
                "retrieval.documents.0.document.id": "d1",
                "retrieval.documents.0.document.content": "because",
                "retrieval.documents.0.document.metadata": '{"page": 3}',
            }
        )

        assert found[semconv.OPERATION_NAME] == "retrieval"
        assert found[semconv.RETRIEVAL_QUERY_TEXT] == "why"
        assert messages(found, semconv.RETRIEVAL_DOCUMENTS) == [
            {"id": "d1", "content": "because", "metadata": {"page": 3}}
        ]

    @pytest.mark.parametrize("kind", ["CHAIN", "GUARDRAIL", "EVALUATOR"])
    def test_other_kinds_are_no_calls(self, kind):
        """A chain or a guardrail gets no operation."""
        assert semconv.OPERATION_NAME not in normal({"openinference.span.kind": kind})


class TestOpenLlmetry:
    """Traceloop's attributes."""

    def test_a_model_span_with_numbered_prompts(self):
        """The form from before 2026: one key a field of a message."""
        asked = "gen_ai.completion.0.tool_calls.0."
        found = normal(
            {
                "llm.request.type": "chat",
                "gen_ai.system": "openai",
                "gen_ai.prompt.0.role": "user",
                "gen_ai.prompt.0.content": "hi",
                "gen_ai.prompt.1.role": "tool",
                "gen_ai.prompt.1.tool_call_id": "c0",
                "gen_ai.prompt.1.content": "42",
                "gen_ai.completion.0.role": "assistant",
                "gen_ai.completion.0.finish_reason": "tool_calls",
                f"{asked}id": "c1",
                f"{asked}name": "t",
                f"{asked}arguments": '{"a": 1}',
                "llm.request.functions.0.name": "t",
                "llm.request.functions.0.parameters": '{"type": "object"}',
                "llm.is_streaming": "true",
            }
        )

        assert found[semconv.OPERATION_NAME] == "chat"
        assert found[semconv.PROVIDER_NAME] == "openai"
        assert found[semconv.REQUEST_STREAM] == "true"
        sent = messages(found, semconv.INPUT_MESSAGES)
        assert sent[0] == text("user", "hi")
        assert sent[1]["parts"] == [response("c0", "42")]
        (answer,) = messages(found, semconv.OUTPUT_MESSAGES)
        assert answer["finish_reason"] == "tool_calls"
        assert answer["parts"][0]["arguments"] == {"a": 1}
        (tool,) = messages(found, semconv.TOOL_DEFINITIONS)
        assert tool["parameters"] == {"type": "object"}

    @pytest.mark.parametrize(
        ("entity", "arguments"),
        [
            ({"args": [], "kwargs": {"q": "x"}}, {"q": "x"}),
            ({"input_str": "{'q': 'x'}", "inputs": {"q": "x"}}, {"q": "x"}),
            ({"args": ["x"], "kwargs": {}}, {"args": ["x"], "kwargs": {}}),
        ],
    )
    def test_a_tool_span(self, entity, arguments):
        """Arguments are taken out of what the decorators wrap around them."""
        found = normal(
            {
                "traceloop.span.kind": "tool",
                "traceloop.entity.name": "search",
                "traceloop.entity.input": dump_json(entity),
                "traceloop.entity.output": '"none"',
            }
        )

        assert found[semconv.OPERATION_NAME] == "execute_tool"
        assert found[semconv.TOOL_NAME] == "search"
        assert parse_json(found[semconv.TOOL_CALL_ARGUMENTS]) == arguments
        assert found[semconv.TOOL_CALL_RESULT] == '"none"'

    def test_the_result_of_langchain_s_callback(self):
        """The tool message's content is the result."""
        output = {"output": {"kwargs": {"content": "none"}}, "kwargs": {}}
        found = normal(
            {
                "traceloop.span.kind": "tool",
                "traceloop.entity.output": dump_json(output),
            },
            name="search.tool",
        )

        assert parse_json(found[semconv.TOOL_CALL_RESULT]) == "none"

    def test_agents_and_workflows(self):
        """Agents keep their name; a task is no call."""
        kind, name = "traceloop.span.kind", "traceloop.entity.name"

        assert normal({kind: "agent", name: "bot"})[semconv.AGENT_NAME] == "bot"
        workflow = normal({kind: "workflow"})
        assert workflow[semconv.OPERATION_NAME] == "invoke_workflow"
        assert semconv.OPERATION_NAME not in normal({kind: "task"})

    def test_a_rerank_is_no_chat(self):
        """A request type without a GenAI operation gets none."""
        assert semconv.OPERATION_NAME not in normal({"llm.request.type": "rerank"})


class TestAnthropicNative:
    """The SDK's own tool spans."""

    def test_a_text_result_is_that_text(self):
        """The block that the SDK wraps around a text is taken off again."""
        content = '[{"type":"text","text":"{\\"n\\": 1}"}]'

        found = normal({"anthropic.tool_result.content": content})

        assert parse_json(found[semconv.TOOL_CALL_RESULT]) == '{"n": 1}'

    def test_several_blocks_stay_blocks(self):
        """What is no single text is kept as it is."""
        content = '[{"type":"text","text":"a"},{"type":"image"}]'

        found = normal({"anthropic.tool_result.content": content})

        assert found[semconv.TOOL_CALL_RESULT] == content


class TestPydanticAi:
    """Logfire's names of version 2 and before."""

    def test_a_tool_span(self):
        """`running tool` is an execution, with arguments and response."""
        found = normal(
            {
                semconv.TOOL_NAME: "t",
                "tool_arguments": '{"a":1}',
                "tool_response": "r",
            },
            name="running tool",
        )

        assert found[semconv.OPERATION_NAME] == "execute_tool"
        assert found[semconv.TOOL_CALL_ARGUMENTS] == '{"a":1}'
        assert found[semconv.TOOL_CALL_RESULT] == "r"

    def test_several_tools_running_are_no_tool(self):
        """The span around parallel tools has no tool's name and is no call."""
        assert semconv.OPERATION_NAME not in normal({}, name="running 2 tools")

    def test_a_model_span_with_events_in_one_attribute(self):
        """Version 1 wrote every message event into one JSON list."""
        events = [
            {"role": "user", "content": "hi", "event.name": "gen_ai.user.message"},
            {"index": 0, "message": {"role": "assistant", "content": "ho"}},
        ]
        tool = {"name": "t", "description": "d", "parameters_json_schema": {"x": 1}}
        found = normal(
            {
                semconv.OPERATION_NAME: "chat",
                "events": dump_json(events),
                "model_request_parameters": dump_json({"function_tools": [tool]}),
            }
        )

        assert messages(found, semconv.INPUT_MESSAGES) == [text("user", "hi")]
        assert messages(found, semconv.OUTPUT_MESSAGES) == [text("assistant", "ho")]
        (definition,) = messages(found, semconv.TOOL_DEFINITIONS)
        assert definition["parameters"] == {"x": 1}

    def test_an_agent_run(self):
        """`agent run` is the agent's invocation."""
        found = normal({"agent_name": "bot"}, name="agent run")

        assert found[semconv.OPERATION_NAME] == "invoke_agent"
        assert found[semconv.AGENT_NAME] == "bot"


def test_a_span_of_no_known_convention_stays_as_it_is():
    """A database span is not made into something else."""
    plain = span({"db.system": "sqlite", "db.statement": "select 1"})

    assert normalise(plain) is plain


def test_what_is_in_the_normal_form_already_is_kept():
    """Dual emitters write both names; the present one counts."""
    given_now = {
        semconv.PROVIDER_NAME: "openai",
        "gen_ai.system": "other",
        semconv.OPERATION_NAME: "chat",
        semconv.INPUT_MESSAGES: "[]",
        "openinference.span.kind": "LLM",
        "llm.input_messages.0.message.role": "user",
    }

    found = normal(given_now)

    assert {key: found[key] for key in given_now} == given_now


KEYS = [
    "openinference.span.kind",
    "traceloop.span.kind",
    "llm.request.type",
    "llm.input_messages.0.message.role",
    "llm.input_messages.0",
    "llm.input_messages.x.message",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.name",
    "llm.tools.0.tool.json_schema",
    "gen_ai.prompt.0.role",
    "gen_ai.prompt.0.tool_calls",
    "gen_ai.prompt",
    "gen_ai.completion",
    "gen_ai.completion.0.content",
    "traceloop.entity.input",
    "traceloop.entity.output",
    "anthropic.tool_result.content",
    "model_request_parameters",
    "events",
    "tool_response",
    semconv.TOOL_NAME,
    semconv.OPERATION_NAME,
    semconv.INPUT_MESSAGES,
]
VALUES = st.sampled_from(
    [
        "LLM",
        "TOOL",
        "tool",
        "chat",
        "execute_tool",
        "",
        "[]",
        "{}",
        "null",
        "1",
        '[{"a":1}]',
        '{"output":{"kwargs":3},"kwargs":{}}',
        '[{"type":"text"}]',
        '[{"toolResult":[]}]',
        "[" * 3000,
    ]
) | st.text(max_size=5)


@given(
    st.dictionaries(st.sampled_from(KEYS), VALUES),
    st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "gen_ai.choice",
                    "gen_ai.tool.message",
                    semconv.EVENT_INFERENCE_DETAILS,
                ]
            ),
            st.dictionaries(
                st.sampled_from(
                    ["content", "message", "gen_ai.event.content", "tool_calls"]
                ),
                VALUES,
            ),
        ),
        max_size=3,
    ),
)
def test_whatever_a_span_holds_it_is_read_without_error(attributes, events):
    """Damaged and odd values are left, and nothing that was given is lost."""
    before = span(attributes, events)

    after = normalise(before)

    assert attributes.items() <= after.attributes.items()
    assert after.events == before.events
