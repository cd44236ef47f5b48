"""Values of channels, to and from bytes, by the serializer that LangGraph gives.

Bytes that come from a store are data: whatever type they name, only an allowed one
is made of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

import ormsgpack
from langchain_core.messages import BaseMessage
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.event_hooks import (
    SerdeEvent,
    register_serde_event_listener,
)
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from otel_agent_replay.errors import ConfigurationError, StateTypeError
from otel_agent_replay.store.states import KEY_BYTES, SavedContent

__all__ = ["checked", "content_of", "fingerprint", "key_of", "value_of"]

# What is not plain must not be packed here: its own bytes are the serializer's.
_PLAIN: Final = (
    ormsgpack.OPT_NON_STR_KEYS
    | ormsgpack.OPT_PASSTHROUGH_DATACLASS
    | ormsgpack.OPT_PASSTHROUGH_DATETIME
    | ormsgpack.OPT_PASSTHROUGH_ENUM
    | ormsgpack.OPT_PASSTHROUGH_SUBCLASS
    | ormsgpack.OPT_PASSTHROUGH_UUID
)
_MESSAGES: Final = "langchain_core.messages."

_blocked: ContextVar[list[tuple[str, str]] | None] = ContextVar(
    "agent_replay_blocked", default=None
)


def checked(serde: SerializerProtocol) -> SerializerProtocol:
    """Return the serializer, which must not run what is stored.

    Raises:
        ConfigurationError: It falls back to pickle.
    """
    inner = serde.serde if isinstance(serde, EncryptedSerializer) else serde
    if isinstance(inner, JsonPlusSerializer) and inner.pickle_fallback:
        problem = "pickle_fallback runs code that stands in a store; leave it off"
        raise ConfigurationError("serde", problem)
    return serde


def key_of(*parts: bytes) -> bytes:
    """Return the key of what these bytes stand for."""
    made = hashlib.sha256()
    for part in parts:
        made.update(len(part).to_bytes(8))
        made.update(part)
    return made.digest()[:KEY_BYTES]


def fingerprint(value: object) -> bytes | None:
    """Return what only an equal value has; None where that cannot be told cheaply.

    Values and messages may be changed in place, so it is made of all they hold.
    """
    kind = type(value)
    held: object = value
    if isinstance(value, BaseMessage):
        if not kind.__module__.startswith(_MESSAGES):
            return None  # a class of somebody else, with fields of its own kind
        held = [value.__dict__, value.__pydantic_extra__]
    try:
        packed = ormsgpack.packb(held, option=_PLAIN)
    except (TypeError, ValueError):
        return None
    return key_of(f"{kind.__module__}.{kind.__qualname__}".encode(), packed)


def content_of(
    serde: SerializerProtocol, value: object, *, plain: bool
) -> SavedContent:
    """Return a value as a content; one that is not plain is read back once.

    Raises:
        StateTypeError: It holds a type that may not be read back.
    """
    form, body = serde.dumps_typed(value)
    body = bytes(body)
    content = SavedContent(key=key_of(form.encode(), body), form=form, body=body)
    if not plain:
        value_of(serde, content)
    return content


def value_of(serde: SerializerProtocol, content: SavedContent) -> object:
    """Return the value of a content.

    Raises:
        StateTypeError: It holds a type that may not be read back.
    """
    with _refusing():
        value: object = serde.loads_typed((content.form, content.body))
        return value


@contextmanager
def _refusing() -> Generator[None]:
    """Raise where LangGraph would give plain data instead of a type it refused."""
    refused: list[tuple[str, str]] = []
    token = _blocked.set(refused)
    try:
        yield
    finally:
        _blocked.reset(token)
    if refused:
        raise StateTypeError(*refused[0])


def _note(event: SerdeEvent) -> None:
    refused = _blocked.get()
    if refused is not None and event["kind"].endswith("_blocked"):
        refused.append((event["module"], event["name"]))


register_serde_event_listener(_note)
