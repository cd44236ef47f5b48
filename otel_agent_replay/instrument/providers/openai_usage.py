"""Token counts as OpenAI's APIs and those that speak them write them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeAlias

from otel_agent_replay.instrument.providers.json_access import at_path, count, object_of
from otel_agent_replay.model.messages import Usage
from otel_agent_replay.model.payload import JsonObject, JsonValue

__all__ = ["CHAT_USAGE", "RESPONSES_USAGE", "UsageWords", "leftover_counts"]

_Path: TypeAlias = tuple[str, ...]

_CACHE_READ: Final = (
    ("prompt_tokens_details", "cached_tokens"),
    ("input_tokens_details", "cached_tokens"),
    ("prompt_cache_hit_tokens",),
    ("cached_tokens",),
)
_CACHE_WRITE: Final = (
    ("prompt_tokens_details", "cache_write_tokens"),
    ("prompt_tokens_details", "cache_creation_tokens"),
    ("input_tokens_details", "cache_write_tokens"),
    ("cache_creation_input_tokens",),
)
_REASONING: Final = (
    ("completion_tokens_details", "reasoning_tokens"),
    ("output_tokens_details", "reasoning_tokens"),
    ("reasoning_tokens",),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageWords:
    """The words of one API; details stand under `<word>_details`."""

    input: str
    output: str

    def read(self, wire: JsonValue) -> Usage:
        """Return the counts; output includes reasoning also where the wire's does not.

        xAI leaves reasoning out of `completion_tokens` and adds it to the total.
        """
        raw = object_of(wire)
        tokens_in, tokens_out = count(raw.get(self.input)), count(raw.get(self.output))
        reasoning = _first(raw, _REASONING)
        total = count(raw.get("total_tokens"))
        if tokens_out is not None and reasoning and total is not None:
            separate = total == (tokens_in or 0) + tokens_out + reasoning
            tokens_out += reasoning if separate else 0
        return Usage(
            input_tokens=tokens_in,
            output_tokens=tokens_out,
            cache_read_input_tokens=_first(raw, _CACHE_READ),
            cache_write_input_tokens=_first(raw, _CACHE_WRITE),
            reasoning_output_tokens=reasoning,
        )

    def beyond(self, wire: JsonValue) -> JsonObject:
        """Return the counts that `Usage` has no field for."""
        return leftover_counts(object_of(wire), _known(self))

    def write(self, usage: Usage, extra: JsonValue) -> JsonObject | None:
        """Return the wire object; None where nothing is known."""
        if usage == Usage() and not extra:
            return None
        tokens_in, tokens_out = usage.input_tokens or 0, usage.output_tokens or 0
        wire: JsonObject = {**object_of(extra)}
        wire |= {
            self.input: usage.input_tokens,
            self.output: usage.output_tokens,
            "total_tokens": tokens_in + tokens_out,
        }
        cache: JsonObject = {
            "cached_tokens": usage.cache_read_input_tokens,
            "cache_write_tokens": usage.cache_write_input_tokens,
        }
        thinking: JsonObject = {"reasoning_tokens": usage.reasoning_output_tokens}
        for name, details in ((self.input, cache), (self.output, thinking)):
            said = {key: value for key, value in details.items() if value is not None}
            if said:
                key = f"{name}_details"
                wire[key] = {**object_of(wire.get(key)), **said}
        return wire


CHAT_USAGE: Final = UsageWords(input="prompt_tokens", output="completion_tokens")
RESPONSES_USAGE: Final = UsageWords(input="input_tokens", output="output_tokens")


@cache
def _known(words: UsageWords) -> frozenset[_Path]:
    plain = {(words.input,), (words.output,), ("total_tokens",)}
    return frozenset(plain.union(_CACHE_READ, _CACHE_WRITE, _REASONING))


def _first(raw: JsonObject, paths: tuple[_Path, ...]) -> int | None:
    for path in paths:
        found = count(at_path(raw, path)) if path[0] in raw else None
        if found is not None:
            return found
    return None


def leftover_counts(
    wire: Mapping[str, JsonValue],
    known: Collection[_Path],
    prefix: _Path = (),
) -> JsonObject:
    """Return the members at no known path that say something: not null, 0 or empty."""
    left: JsonObject = {}
    for key, value in wire.items():
        path = (*prefix, key)
        if path in known:
            continue
        if isinstance(value, dict):
            value = leftover_counts(value, known, path)  # noqa: PLW2901
        if value:
            left[key] = value
    return left
