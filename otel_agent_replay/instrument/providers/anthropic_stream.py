"""Anthropic Messages streams: events to one message, a message to events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from otel_agent_replay.instrument.providers.json_access import (
    count,
    json_or_none,
    json_text,
    object_of,
    objects_of,
    rest,
    sequence,
    text,
    without_blanks,
)
from otel_agent_replay.instrument.providers.sse import render_event
from otel_agent_replay.model.payload import JsonObject, JsonValue

__all__ = ["assembled", "rendered_events"]


@dataclass(slots=True)
class _Assembly:
    """What has been read of a stream so far."""

    wire: JsonObject = field(default_factory=dict)
    blocks: dict[int, JsonObject] = field(default_factory=dict)
    input_texts: dict[int, str] = field(default_factory=dict)
    ended: bool = False

    def take(self, event: JsonObject) -> None:
        kind = text(event.get("type")) or ""
        index = count(event.get("index")) or 0
        if kind == "message_start":
            self.wire |= object_of(event.get("message"))
        elif kind == "content_block_start":
            self.blocks[index] = {**object_of(event.get("content_block"))}
        elif kind == "content_block_delta":
            self._take_delta(index, object_of(event.get("delta")))
        elif kind == "message_delta":
            self._take_message_delta(event)
        elif kind == "error":
            self.wire["error"] = event.get("error") or event
        self.ended = self.ended or kind == "message_stop"

    def _take_delta(self, index: int, delta: JsonObject) -> None:
        block = self.blocks.setdefault(index, {"type": _block_type(delta)})
        for key, value in rest(delta, {"type"}).items():
            if key == "partial_json":
                self.input_texts[index] = f"{self.input_texts.get(index, '')}{value}"
            elif key == "citation":
                block["citations"] = [*sequence(block.get("citations")), value]
            elif isinstance(value, str):
                block[key] = f"{block.get(key) or ''}{value}"
            else:
                block[key] = value

    def _take_message_delta(self, event: JsonObject) -> None:
        self.wire |= without_blanks(object_of(event.get("delta")))
        self.wire |= without_blanks(rest(event, {"type", "delta", "usage"}))
        before, now = object_of(self.wire.get("usage")), object_of(event.get("usage"))
        self.wire["usage"] = {**before, **without_blanks(now)}

    def message(self) -> JsonObject:
        for index, said in self.input_texts.items():
            if said:
                value = json_or_none(said)
                self.blocks[index]["input"] = said if value is None else value
        if self.blocks or (self.wire and "error" not in self.wire):
            self.wire["content"] = [self.blocks[n] for n in sorted(self.blocks)]
        return self.wire


def _block_type(delta: JsonObject) -> str:
    """Return the type of a block whose start is missing, by its first delta."""
    kind = text(delta.get("type")) or ""
    named = {"input_json_delta": "tool_use", "signature_delta": "thinking"}
    return named.get(kind, kind.removesuffix("_delta"))


def assembled(events: list[JsonObject]) -> tuple[JsonObject, bool]:
    """Return the message that a stream makes, and whether its end came."""
    assembly = _Assembly()
    for event in events:
        assembly.take(event)
    return assembly.message(), assembly.ended


_START_USAGE: Final = frozenset({"output_tokens"})


def rendered_events(wire: JsonObject, *, complete: bool) -> Iterator[bytes]:
    """Yield the events that stream a message given in its plain form.

    Without `complete` the stream breaks off after the last block.
    """
    usage = object_of(wire.get("usage"))
    opening: JsonObject = {**wire, "content": [], "stop_reason": None}
    error = opening.pop("error", None)
    opening["stop_sequence"] = None
    if complete:
        opening["usage"] = {**rest(usage, _START_USAGE), "output_tokens": 0}
    yield _event({"type": "message_start", "message": opening})
    for index, block in enumerate(objects_of(wire.get("content"))):
        where: JsonObject = {"index": index}
        opened, deltas = _pieces(block)
        yield _event({"type": "content_block_start", **where, "content_block": opened})
        for delta in deltas:
            yield _event({"type": "content_block_delta", **where, "delta": delta})
        yield _event({"type": "content_block_stop", **where})
    if error is not None:
        yield _event({"type": "error", "error": error})
    if complete:
        ending: JsonObject = {
            "stop_reason": wire.get("stop_reason"),
            "stop_sequence": wire.get("stop_sequence"),
        }
        counted: JsonObject = {"output_tokens": usage.get("output_tokens")}
        yield _event({"type": "message_delta", "delta": ending, "usage": counted})
        yield _event({"type": "message_stop"})


def _event(event: JsonObject) -> bytes:
    return render_event(event, name=str(event["type"]))


def _pieces(block: JsonObject) -> tuple[JsonObject, list[JsonObject]]:
    """Return a block as it opens, and what comes after."""
    kind = str(block.get("type"))
    if kind == "text":
        citations: list[JsonObject] = [
            {"type": "citations_delta", "citation": citation}
            for citation in sequence(block.get("citations"))
        ]
        opened = {key: value for key, value in block.items() if key != "citations"}
        said: JsonObject = {"type": "text_delta", "text": block.get("text")}
        return {**opened, "text": ""}, [said, *citations]
    if kind == "thinking":
        thought: JsonObject = {
            "type": "thinking_delta",
            "thinking": block.get("thinking"),
        }
        signed: JsonValue = block.get("signature")
        signature: JsonObject = {"type": "signature_delta", "signature": signed}
        opened = {**block, "thinking": "", "signature": ""}
        return opened, [thought, signature] if signed else [thought]
    if kind.endswith("tool_use"):
        written = block.get("input")
        said_input = written if isinstance(written, str) else json_text(written)
        return {**block, "input": {}}, [
            {"type": "input_json_delta", "partial_json": said_input},
        ]
    return block, []
