"""Changes to a wire request, common to all APIs."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias
from urllib.parse import quote, unquote

from otel_agent_replay.instrument.providers.base import Parameters
from otel_agent_replay.instrument.providers.json_access import json_or_none
from otel_agent_replay.instrument.providers.json_edit import set_at
from otel_agent_replay.instrument.providers.parameters import (
    ParameterTable,
    edit_parameters,
)
from otel_agent_replay.model.payload import JsonObject

__all__ = ["SystemEdit", "edited", "model_in_path", "with_model_in_path"]

SystemEdit: TypeAlias = Callable[[str, JsonObject, str], str]
"""JSON text, its value, new instructions: the text with them in place."""


def edited(
    original: bytes,
    table: ParameterTable,
    *,
    model: str | None,
    system: tuple[SystemEdit, str | None],
    parameters: Parameters | None,
) -> bytes:
    """Return a request's bytes with changes; unchanged if it is no JSON object."""
    try:
        content = original.decode("utf-8-sig")
    except UnicodeDecodeError:
        return original
    wire = json_or_none(content)
    if not isinstance(wire, dict):
        return original
    if model is not None and "model" in wire:
        content = set_at(content, ("model",), model)
    edit, instructions = system
    if instructions is not None:
        content = edit(content, wire, instructions)
    return edit_parameters(content, wire, parameters or {}, table).encode()


def model_in_path(path: str, place: re.Pattern[str]) -> str | None:
    """Return the model that a path names in the pattern's group `model`, or None."""
    match = place.search(path)
    return unquote(match["model"]) if match else None


def with_model_in_path(url: str, place: re.Pattern[str], model: str) -> str:
    """Return a URL with that model in its path; as it was if it names none."""
    match = place.search(url)
    if match is None:
        return url
    start, end = match.span("model")
    return url[:start] + quote(model, safe="") + url[end:]
