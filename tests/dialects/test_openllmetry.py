"""Spans of OpenLLMetry's instrumentations."""

from __future__ import annotations

import pytest

from otel_agent_replay import semconv
from otel_agent_replay.model.payload import dump_json, parse_json
from tests.dialects.spans import messages, normal, response, text


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
