"""Runs, steps and reports as plain JSON: for `--json` and the web."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from otel_agent_replay.model.call import Call, Outcome, RecordedException
from otel_agent_replay.model.checkpoint import Checkpoint
from otel_agent_replay.model.divergence import (
    Candidate,
    Divergence,
    FieldDifference,
    ReplayReport,
)
from otel_agent_replay.model.messages import (
    Message,
    ModelRequest,
    ModelResponse,
    Usage,
)
from otel_agent_replay.model.payload import (
    Headers,
    HttpRequest,
    HttpResponse,
    JsonObject,
    JsonValue,
)
from otel_agent_replay.model.run import Run, RunSummary
from otel_agent_replay.model.step import Step
from otel_agent_replay.model.untrusted import parse_payload

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = [
    "checkpoint_json",
    "fields_json",
    "report_json",
    "run_json",
    "step_json",
    "summary_json",
]


def run_json(run: Run, *, payloads: bool = True) -> JsonObject:
    """Return a run with its steps; without payloads, those are left out."""
    found: JsonObject = {
        "run_id": run.run_id,
        "trace_id": run.trace_id,
        "agent_name": run.agent_name,
        "agent_version": run.agent_version,
        "user": run.user,
        "conversation": run.conversation,
        "prompt_name": run.prompt_name,
        "prompt_version": run.prompt_version,
        "model_configuration": run.model_configuration,
        "environment": run.environment,
        "tags": list(run.tags),
        "status": run.status,
        "class": run.run_class,
        "parent": _plain(run.parent),
        "policy": _plain(run.policy),
        "start_ns": run.start_ns,
        "end_ns": run.end_ns,
        "usage": _plain(run.usage),
        "cost_usd": run.cost_usd,
        "gaps": [_plain(gap) for gap in run.gaps],
        "dropped": dict(run.dropped),
        "steps": [step_json(step, payloads=payloads) for step in run.steps],
    }
    if payloads:
        found["input"] = run.input
        found["output"] = run.output
    found["error"] = _error_json(run.outcome.error, payloads=payloads)
    return found


def step_json(step: Step, *, payloads: bool = True) -> JsonObject:
    """Return a step; without payloads, only what it is and how it went."""
    found: JsonObject = {
        "index": step.index,
        "span_id": step.span_id,
        "parent": step.parent,
        "kind": step.call.kind,
        "name": step.call.name,
        "effect": step.call.effect,
        "occurrence": step.occurrence,
        "attempt": step.attempt,
        "fidelity": step.fidelity,
        "start_ns": step.start_ns,
        "end_ns": step.end_ns,
        "duration_ns": step.duration_ns,
        "cost_usd": step.cost_usd,
        "dropped": step.dropped,
        "served_from": step.outcome.served_from,
        "ended": step.outcome.ended,
        "error": _error_json(step.outcome.error, payloads=payloads),
        "attributes": step.call.attributes,
    }
    if step.outcome.response is not None:
        found["status"] = step.outcome.response.status
    if step.request is not None:
        found["model"] = step.request.model
    if step.response is not None:
        found["usage"] = _usage_json(step.response.usage)
        found["finish_reasons"] = list(step.response.finish_reasons)
    if payloads:
        found |= _payload_json(step.call, step.outcome)
        found["request"] = _request_json(step.request)
        found["response"] = _response_json(step.response)
    return found


def _payload_json(call: Call, outcome: Outcome) -> JsonObject:
    items = outcome.items
    found: JsonObject = {
        "arguments": call.inputs,
        "value": outcome.value,
        "items": None if items is None else list(items),
    }
    if call.request is not None:
        found["http_request"] = _http_request_json(call.request)
        found["arguments"] = call.arguments
    if outcome.response is not None:
        found["http_response"] = _http_response_json(outcome.response)
    return found


def _http_request_json(request: HttpRequest) -> JsonObject:
    return {
        "method": request.method,
        "url": request.url,
        "headers": _headers_json(request.headers),
        "body": _body_json(request.body),
    }


def _http_response_json(response: HttpResponse) -> JsonObject:
    return {
        "status": response.status,
        "reason": response.reason,
        "headers": _headers_json(response.headers),
        "body": _body_json(response.body),
        "chunks": [[len(each.data), each.at_ns] for each in response.chunks],
    }


def _headers_json(headers: Headers) -> list[JsonValue]:
    return [[name, value] for name, value in headers]


def _body_json(body: bytes) -> JsonValue:
    """Return JSON as its value, other text as text, anything else as base64."""
    if not body:
        return None
    try:
        return parse_payload(body)
    except ValueError:
        pass
    try:
        return body.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}


def _error_json(error: RecordedException | None, *, payloads: bool) -> JsonValue:
    if error is None:
        return None
    if not payloads:
        return {"type": error.type_name}
    return {
        "type": error.type_name,
        "message": error.message,
        "stacktrace": error.stacktrace,
    }


def _request_json(request: ModelRequest | None) -> JsonValue:
    if request is None:
        return None
    return {
        "operation": request.operation,
        "provider": request.provider,
        "model": request.model,
        "system": list(request.system),
        "messages": _messages_json(request.messages),
        "tools": list(request.tools),
        "parameters": request.parameters,
        "previous_id": request.previous_id,
        "stream": request.stream,
    }


def _response_json(response: ModelResponse | None) -> JsonValue:
    if response is None:
        return None
    return {
        "id": response.id,
        "model": response.model,
        "messages": _messages_json(response.messages),
        "finish_reasons": list(response.finish_reasons),
        "usage": _usage_json(response.usage),
        "status": response.status,
        "error": response.error,
        "complete": response.complete,
    }


def _messages_json(messages: Sequence[Message]) -> list[JsonValue]:
    return [each.to_json() for each in messages]


def _usage_json(usage: Usage) -> JsonValue:
    return _plain(usage)


def checkpoint_json(checkpoint: Checkpoint) -> JsonObject:
    """Return a checkpoint."""
    return {
        "run_id": checkpoint.run_id,
        "agent_name": checkpoint.agent_name,
        "agent_version": checkpoint.agent_version,
        "step": step_json(checkpoint.step),
        "messages": _messages_json(checkpoint.messages),
        "continues": checkpoint.continues,
        "system": list(checkpoint.system),
        "tools": list(checkpoint.tools),
        "tool_steps": [step_json(each) for each in checkpoint.tool_steps],
        "model_configuration": checkpoint.model_configuration,
        "state": checkpoint.state,
    }


def summary_json(summary: RunSummary) -> JsonObject:
    """Return a line of a run list."""
    return {**asdict(summary), "tags": list(summary.tags)}


def report_json(report: ReplayReport) -> JsonObject:
    """Return what a replay, resume or fork did."""
    return {
        "run_id": report.run_id,
        "ok": report.ok,
        "served": list(report.served),
        "unused": list(report.unused),
        "live": list(report.live),
        "blocked": list(report.blocked),
        "in_doubt": [
            {"write": name, "problem": problem} for name, problem in report.in_doubt
        ],
        "divergences": [_divergence_json(each) for each in report.divergences],
        "normalised": [_plain(each) for each in report.normalised],
        "notes": list(report.notes),
    }


def _divergence_json(divergence: Divergence) -> JsonObject:
    return {
        "kind": divergence.kind,
        "name": divergence.name,
        "step": divergence.step,
        "parent": list(divergence.parent),
        "fields": fields_json(divergence.fields),
        "cause": divergence.cause,
        "reason": divergence.reason,
        "follows": divergence.follows,
        "candidates": [_candidate_json(each) for each in divergence.candidates],
        "text": str(divergence),
    }


def _candidate_json(candidate: Candidate) -> JsonObject:
    return {
        "step": candidate.step,
        "name": candidate.name,
        "used": candidate.used,
        "fields": fields_json(candidate.fields),
    }


def fields_json(fields: Sequence[FieldDifference]) -> list[JsonValue]:
    """Return where values differ; a side that is absent has no key."""
    return [_field_json(each) for each in fields]


def _field_json(field: FieldDifference) -> JsonObject:
    found: JsonObject = {"path": field.path}
    if field.in_expected:
        found["expected"] = field.expected
    if field.in_actual:
        found["actual"] = field.actual
    return found


def _plain(value: DataclassInstance | None) -> JsonValue:
    """Return a flat dataclass by field name, its tuples as lists."""
    if value is None:
        return None
    fields: JsonObject = asdict(value)
    return {
        name: list(item) if isinstance(item, tuple) else item
        for name, item in fields.items()
    }
