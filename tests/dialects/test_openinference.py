"""Spans of OpenInference's instrumentations."""

from __future__ import annotations

import pytest

from otel_agent_replay import semconv
from otel_agent_replay.model.payload import dump_json
from tests.dialects.spans import messages, normal, response, text


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
