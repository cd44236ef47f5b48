"""Spans in the GenAI conventions, of today and of 1.36."""

from __future__ import annotations

from otel_agent_replay import semconv
from otel_agent_replay.model.payload import dump_json, parse_json
from tests.dialects.spans import messages, normal, response, text


def call(call_id, name, arguments):
    known = {} if call_id is None else {"id": call_id}
    return {"type": "tool_call", **known, "name": name, "arguments": arguments}


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
