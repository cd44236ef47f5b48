"""Spans of no convention, of the normal form, and of any content."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from otel_agent_replay import semconv
from otel_agent_replay.dialects import normalise
from tests.dialects.spans import normal, span


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
