"""Sampling and output parameters: wire names and the convention's, both ways."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from otel_agent_replay import semconv
from otel_agent_replay.instrument.providers.json_access import at_path, object_of, rest
from otel_agent_replay.instrument.providers.json_edit import remove_at, set_at
from otel_agent_replay.model.payload import JsonObject, JsonValue

__all__ = ["ParameterNames", "ParameterTable", "edit_parameters", "read_parameters"]

WirePath: TypeAlias = tuple[str, ...]
ParameterNames: TypeAlias = Mapping[str, tuple[WirePath, ...]]

_LISTS: Final = frozenset(
    {semconv.REQUEST_STOP_SEQUENCES, semconv.REQUEST_ENCODING_FORMATS},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterTable:
    """Where an API keeps its parameters.

    Attributes:
        names: Convention name to the wire paths that may hold it; the first is
            where a new one is put.
        content: Top-level keys that are no parameters.
        container: The object that holds parameters without a convention name;
            empty for the body itself.
    """

    names: ParameterNames
    content: Collection[str]
    container: WirePath = field(default=())


def read_parameters(wire: JsonObject, table: ParameterTable) -> JsonObject:
    """Return the parameters by `semconv.REQUEST_*` name.

    A parameter that the convention does not name stands under
    `gen_ai.request.<wire name>`.
    """
    found: JsonObject = {}
    taken: set[WirePath] = set()
    for name, paths in table.names.items():
        for path in paths:
            value = at_path(wire, path) if path[0] in wire else None
            if value is not None and name not in found:
                found[name] = _listed(name, value)
                taken.add(path)
    top = {*table.content, *table.container}
    loose: JsonObject = _untaken(rest(wire, top), taken, ())
    if table.container:
        inner = object_of(at_path(wire, table.container))
        loose = {**loose, **_untaken(inner, taken, table.container)}
    own = {f"{semconv.REQUEST_PREFIX}{key}": value for key, value in loose.items()}
    return {**own, **found}


def _listed(name: str, value: JsonValue) -> JsonValue:
    return [value] if name in _LISTS and not isinstance(value, list) else value


def _untaken(wire: JsonObject, taken: set[WirePath], prefix: WirePath) -> JsonObject:
    """Return the members without what already has a convention name."""
    if not prefix and all(len(path) == 1 for path in taken):
        return {key: value for key, value in wire.items() if (key,) not in taken}
    left: JsonObject = {}
    for key, value in wire.items():
        path = (*prefix, key)
        inner = {each[len(path)] for each in taken if len(each) == len(path) + 1}
        covered = {each for each in taken if each[:-1] == path}
        if path in taken:
            continue
        if covered and isinstance(value, dict):
            value = {k: v for k, v in value.items() if k not in inner}  # noqa: PLW2901
            if not value:
                continue
        left[key] = value
    return left


def edit_parameters(
    content: str,
    wire: JsonObject,
    changes: Mapping[str, JsonValue],
    table: ParameterTable,
) -> str:
    """Return a request's JSON text with parameters set; None takes one away.

    Names are `semconv.REQUEST_*`, `gen_ai.request.<wire name>` or the wire name.
    """
    for name, value in changes.items():
        for path in _paths(name, wire, value, table):
            if value is None:
                content = remove_at(content, path)
            else:
                content = set_at(content, path, _single(name, value, wire, path))
    return content


def _paths(
    name: str,
    wire: JsonObject,
    value: JsonValue,
    table: ParameterTable,
) -> tuple[WirePath, ...]:
    """Return where a parameter stands, else the one place to put it."""
    plain = name.removeprefix(semconv.REQUEST_PREFIX)
    default: tuple[WirePath, ...] = ((*table.container, plain), (plain,))
    paths = table.names.get(name) or table.names.get(semconv.REQUEST_PREFIX + plain)
    candidates = paths or default
    present = tuple(path for path in candidates if at_path(wire, path) is not None)
    return present or (() if value is None else candidates[:1])


def _single(
    name: str,
    value: JsonValue,
    wire: JsonObject,
    path: WirePath,
) -> JsonValue:
    """Return the one item of a list where the wire holds no list there."""
    was_list = isinstance(at_path(wire, path), list)
    if name != semconv.REQUEST_ENCODING_FORMATS or was_list:
        return value
    return value[0] if isinstance(value, list) and value else value
