"""Spans that libraries make themselves: Anthropic's SDK, Pydantic AI."""

from __future__ import annotations

from otel_agent_replay import semconv
from otel_agent_replay.model.payload import dump_json, parse_json
from tests.dialects.spans import messages, normal, text


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
