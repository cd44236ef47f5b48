"""Every span, event, attribute and metric name this package writes or reads.

GenAI names: open-telemetry/semantic-conventions-genai, `model/gen-ai/spans.yaml`
at ac48b1f, `events.yaml` at 0387091, registry at fee465db (no tagged release
exists). HTTP body names: open-telemetry/semantic-conventions at 384d6616. Names
under `agent_replay.` are our own.
"""

from __future__ import annotations

from typing import Final

__all__: list[str] = []  # read as `semconv.NAME`

# --- operations -----------------------------------------------------------
OP_CHAT: Final = "chat"
OP_TEXT_COMPLETION: Final = "text_completion"
OP_GENERATE_CONTENT: Final = "generate_content"
OP_EMBEDDINGS: Final = "embeddings"
OP_FETCH_RESPONSE: Final = "fetch_response"
OP_RETRIEVAL: Final = "retrieval"
OP_INVOKE_AGENT: Final = "invoke_agent"
OP_INVOKE_WORKFLOW: Final = "invoke_workflow"
OP_EXECUTE_TOOL: Final = "execute_tool"
OP_PLAN: Final = "plan"
OP_SEARCH_MEMORY: Final = "search_memory"
INFERENCE_OPERATIONS: Final = frozenset(
    {
        OP_CHAT,
        OP_TEXT_COMPLETION,
        OP_GENERATE_CONTENT,
        OP_EMBEDDINGS,
        OP_FETCH_RESPONSE,
    },
)
MEMORY_OPERATIONS: Final = frozenset(
    {
        "create_memory_store",
        "delete_memory_store",
        "create_memory",
        "update_memory",
        "upsert_memory",
        OP_SEARCH_MEMORY,
        "delete_memory",
    },
)

# --- GenAI attributes -----------------------------------------------------
OPERATION_NAME: Final = "gen_ai.operation.name"
PROVIDER_NAME: Final = "gen_ai.provider.name"
CONVERSATION_ID: Final = "gen_ai.conversation.id"
AGENT_ID: Final = "gen_ai.agent.id"
AGENT_NAME: Final = "gen_ai.agent.name"
AGENT_VERSION: Final = "gen_ai.agent.version"
AGENT_DESCRIPTION: Final = "gen_ai.agent.description"
PROMPT_NAME: Final = "gen_ai.prompt.name"
PROMPT_VERSION: Final = "gen_ai.prompt.version"
WORKFLOW_NAME: Final = "gen_ai.workflow.name"
OUTPUT_TYPE: Final = "gen_ai.output.type"
SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
TOOL_DEFINITIONS: Final = "gen_ai.tool.definitions"
REQUEST_PREFIX: Final = "gen_ai.request."
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
REQUEST_CHOICE_COUNT: Final = "gen_ai.request.choice.count"
REQUEST_TEMPERATURE: Final = "gen_ai.request.temperature"
REQUEST_TOP_P: Final = "gen_ai.request.top_p"
REQUEST_TOP_K: Final = "gen_ai.request.top_k"
REQUEST_STOP_SEQUENCES: Final = "gen_ai.request.stop_sequences"
REQUEST_FREQUENCY_PENALTY: Final = "gen_ai.request.frequency_penalty"
REQUEST_PRESENCE_PENALTY: Final = "gen_ai.request.presence_penalty"
REQUEST_SEED: Final = "gen_ai.request.seed"
REQUEST_STREAM: Final = "gen_ai.request.stream"
REQUEST_ENCODING_FORMATS: Final = "gen_ai.request.encoding_formats"
REQUEST_PREVIOUS_RESPONSE_ID: Final = "gen_ai.request.previous_response.id"
REQUEST_REASONING_LEVEL: Final = "gen_ai.request.reasoning.level"
RESPONSE_ID: Final = "gen_ai.response.id"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
RESPONSE_STATUS: Final = "gen_ai.response.status"
RESPONSE_TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
USAGE_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
USAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
USAGE_CACHE_READ_INPUT_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
USAGE_CACHE_WRITE_INPUT_TOKENS: Final = "gen_ai.usage.cache_write.input_tokens"
USAGE_REASONING_OUTPUT_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"
TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_TYPE: Final = "gen_ai.tool.type"
TOOL_DESCRIPTION: Final = "gen_ai.tool.description"
TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
TOOL_CALL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
TOOL_CALL_RESULT: Final = "gen_ai.tool.call.result"
DATA_SOURCE_ID: Final = "gen_ai.data_source.id"
RETRIEVAL_QUERY_TEXT: Final = "gen_ai.retrieval.query.text"
RETRIEVAL_DOCUMENTS: Final = "gen_ai.retrieval.documents"
MEMORY_STORE_ID: Final = "gen_ai.memory.store.id"
MEMORY_QUERY_TEXT: Final = "gen_ai.memory.query.text"
MEMORY_RECORDS: Final = "gen_ai.memory.records"

# --- general attributes ---------------------------------------------------
ERROR_TYPE: Final = "error.type"
EXCEPTION_TYPE: Final = "exception.type"
EXCEPTION_MESSAGE: Final = "exception.message"
EXCEPTION_STACKTRACE: Final = "exception.stacktrace"
SERVICE_NAME: Final = "service.name"
SERVICE_NAMESPACE: Final = "service.namespace"
USER_ID: Final = "user.id"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
URL_FULL: Final = "url.full"
HTTP_REQUEST_METHOD: Final = "http.request.method"
HTTP_REQUEST_RESEND_COUNT: Final = "http.request.resend_count"
HTTP_RESPONSE_STATUS_CODE: Final = "http.response.status_code"
HTTP_REQUEST_BODY: Final = "http.request.body.content"
HTTP_RESPONSE_BODY: Final = "http.response.body.content"

# --- events ---------------------------------------------------------------
EVENT_INFERENCE_DETAILS: Final = "gen_ai.client.inference.operation.details"
EVENT_HTTP_EXCHANGE: Final = "agent_replay.http.exchange"
EVENT_TOOL_CALL: Final = "agent_replay.tool.call"
EVENT_CALL: Final = "agent_replay.call"
EVENT_STATE: Final = "agent_replay.state"
EVENT_RUN_INPUT: Final = "agent_replay.run.input"
EVENT_RUN_OUTPUT: Final = "agent_replay.run.output"
EVENT_EXCEPTION: Final = "exception"

# --- our own attributes: the run (on its root span; RUN_ID on every span) ----
RUN_ID: Final = "agent_replay.run.id"
RUN_CLASS: Final = "agent_replay.run.class"
RUN_STATUS: Final = "agent_replay.run.status"
RUN_PARENT_ID: Final = "agent_replay.run.parent.id"
RUN_PARENT_RELATION: Final = "agent_replay.run.parent.relation"
RUN_PARENT_STEP: Final = "agent_replay.run.parent.step"
RUN_TAGS: Final = "agent_replay.run.tags"
RUN_ENVIRONMENT: Final = "agent_replay.run.environment"
RUN_OF_PROCESS: Final = "agent_replay.run.of_process"  # it has calls outside any agent
RUN_MODEL_CONFIGURATION: Final = "agent_replay.run.model_configuration"
RUN_SUPERSEDED: Final = "agent_replay.run.superseded"
RUN_STEP_COUNT: Final = "agent_replay.run.step_count"
RUN_DROPPED: Final = "agent_replay.run.dropped."
POLICY_NAME: Final = "agent_replay.redaction.policy.name"
POLICY_VERSION: Final = "agent_replay.redaction.policy.version"

# --- our own attributes: the step ------------------------------------------
STEP_KIND: Final = "agent_replay.step.kind"
STEP_SEQUENCE: Final = "agent_replay.step.sequence"
STEP_PROCESS: Final = "agent_replay.step.process"
STEP_PARENT: Final = "agent_replay.step.parent"
STEP_LANE: Final = "agent_replay.step.lane"  # which task or thread, in its process
STEP_NAME: Final = "agent_replay.step.name"
STEP_EFFECT: Final = "agent_replay.step.effect"
STEP_WRITE_ID: Final = "agent_replay.step.write_id"  # a write's idempotency key
STEP_WRITE_AS: Final = "agent_replay.step.write_as"  # what became of it: see below
REPEATED: Final = "repeated"  # answered with what it had returned before
RETRIED: Final = "retried"  # run again: an attempt before it failed or was in doubt
ASSUMED: Final = "assumed done"
STEP_ATTEMPT: Final = "agent_replay.step.attempt"
STEP_COST: Final = "agent_replay.step.cost_usd"
STEP_SERVED_FROM: Final = "agent_replay.step.served_from"
STEP_DROPPED: Final = "agent_replay.step.dropped"
STEP_SAMPLED: Final = "agent_replay.step.sampled"  # on a run's spans if it is left out
SAMPLED_OUT: Final = "sampled out"  # its value
STEP_OPEN: Final = "agent_replay.step.open"  # on what had begun when the process ended
STEP_STATE_NAME: Final = "agent_replay.state.name"
STEP_STATE: Final = "agent_replay.state.value"

# --- our own event attributes: the wire ------------------------------------
HTTP_URL: Final = "agent_replay.http.request.url"
HTTP_REQUEST_HEADERS: Final = "agent_replay.http.request.headers"
HTTP_RESPONSE_HEADERS: Final = "agent_replay.http.response.headers"
HTTP_REQUEST_BODY_ENCODING: Final = "agent_replay.http.request.body.encoding"
HTTP_RESPONSE_BODY_ENCODING: Final = "agent_replay.http.response.body.encoding"
HTTP_RESPONSE_CHUNKS: Final = "agent_replay.http.response.chunks"
HTTP_RESPONSE_REASON: Final = "agent_replay.http.response.reason"
CALL_ATTRIBUTES: Final = "agent_replay.call.attributes"
CALL_ARGUMENTS: Final = "agent_replay.call.arguments"
CALL_RESULT: Final = "agent_replay.call.result"
CALL_ITEMS: Final = "agent_replay.call.items"
CALL_ERROR: Final = "agent_replay.call.error"
CALL_ENDED: Final = "agent_replay.call.ended"

# --- our own metrics --------------------------------------------------------
METRIC_DROPPED: Final = "agent_replay.dropped"
METRIC_QUEUE_BYTES: Final = "agent_replay.queue.size"
METRIC_WAITING: Final = "agent_replay.spool.waiting"

# --- our own: the store -----------------------------------------------------
GENAI_PREFIX: Final = "gen_ai."
RUN_PREFIX: Final = "agent_replay.run."
CONTENT_PREFIX: Final = "agent_replay.content."  # + key: its value is a reference
SPAN_BYTES: Final = "agent_replay.span.bytes"  # in rows only: size with payloads inline
DROPPED_PAYLOAD_MISSING: Final = "payload_missing"  # a value of STEP_DROPPED
