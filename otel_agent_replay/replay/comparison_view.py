"""Comparisons as plain JSON: for `--json`."""

from __future__ import annotations

from otel_agent_replay.model.comparison import (
    AlignedRow,
    AlignedSteps,
    ComparedRuns,
    Comparison,
    Figure,
    ToolCalls,
)
from otel_agent_replay.model.payload import JsonObject, JsonValue
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step
from otel_agent_replay.replay.views import fields_json, run_json, step_json

__all__ = ["compared_json", "comparison_json"]


def comparison_json(comparison: Comparison) -> JsonObject:
    """Return two runs aligned; steps without their payloads, differences with."""
    return {
        "a": comparison.a,
        "b": comparison.b,
        "same": comparison.same,
        "first_divergence": comparison.first_divergence,
        "rows": [_row_json(row) for row in comparison.rows],
        **_figures_json(comparison),
    }


def compared_json(compared: ComparedRuns) -> JsonObject:
    """Return many runs against the first of them, steps without their payloads."""
    return {
        "same": compared.same,
        "runs": [_run_json(run) for run in compared.runs],
        "shared_rows": compared.shared,
        "rows": [_many_json(row) for row in compared.rows],
        "comparisons": [
            {
                "a": each.a,
                "b": each.b,
                "same": each.same,
                "first_divergence": each.first_divergence,
                **_figures_json(each),
            }
            for each in compared.comparisons
        ],
    }


def _run_json(run: Run) -> JsonObject:
    found = run_json(run, payloads=False)
    return {name: value for name, value in found.items() if name != "steps"}


def _many_json(row: AlignedRow) -> JsonObject:
    return {
        "same": row.same,
        "steps": [_step_json(each) for each in row.steps],
        "fields": [fields_json(each) for each in row.fields],
    }


def _row_json(row: AlignedSteps) -> JsonObject:
    return {
        "same": row.same,
        "a": _step_json(row.a),
        "b": _step_json(row.b),
        "fields": fields_json(row.fields),
    }


def _step_json(step: Step | None) -> JsonValue:
    return None if step is None else step_json(step, payloads=False)


def _figures_json(comparison: Comparison) -> JsonObject:
    return {
        "answer": fields_json(comparison.answer),
        "input": fields_json(comparison.input),
        "state": fields_json(comparison.state),
        "tools": [_tool_json(each) for each in comparison.tools],
        "input_tokens": _figure_json(comparison.input_tokens),
        "output_tokens": _figure_json(comparison.output_tokens),
        "cost_usd": _figure_json(comparison.cost_usd),
        "duration_ns": _figure_json(comparison.duration_ns),
        "superseded": _figure_json(comparison.superseded),
    }


def _tool_json(tool: ToolCalls) -> JsonObject:
    return {
        "name": tool.name,
        "calls": _figure_json(tool.calls),
        "failed": _figure_json(tool.failed),
        "other_results": tool.other_results,
    }


def _figure_json(figure: Figure) -> JsonValue:
    return {"a": figure.a, "b": figure.b}
