"""Made-up rows of the states of threads."""

from __future__ import annotations

from dataclasses import replace

from otel_agent_replay.store.states import (
    KEY_BYTES,
    SavedCheckpoint,
    SavedContent,
    SavedValue,
    SavedWrite,
    StateFilter,
    States,
)

ODD = "größe '漢字' \n \x00 🜚"


def key(number: int) -> bytes:
    return number.to_bytes(KEY_BYTES)


def content(number: int, body: bytes = b"\x00\xff\x80 body") -> SavedContent:
    return SavedContent(key=key(number), form="msgpack", body=body)


def checkpoint(name: str, **changes) -> SavedCheckpoint:
    made = SavedCheckpoint(
        thread="t",
        namespace="",
        checkpoint_id=name,
        parent_id="",
        framework_run="",
        recorded_by="",
        versions="{}",
        form="msgpack",
        body=b"checkpoint",
    )
    return replace(made, **changes)


def write(name: str, position: int, number: int, **changes) -> SavedWrite:
    made = SavedWrite(
        namespace="",
        checkpoint_id=name,
        task_id="task",
        position=position,
        channel="messages",
        path="",
        is_list=False,
        entries=((key(number), 0),),
    )
    return replace(made, **changes)


def value(channel: str, version: str, number: int, root: bytes = b"") -> SavedValue:
    return SavedValue(
        namespace="", channel=channel, version=version, key=key(number), root=root
    )


def names(states: States, **where) -> list[str]:
    return [each.checkpoint_id for each in states.checkpoints(StateFilter(**where))]
