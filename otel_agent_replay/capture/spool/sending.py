"""What a folder says of sending: which frames go together, and which have gone. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from otel_agent_replay.capture.spool.frames import framed, read_frames

__all__ = ["Sent", "read_sent", "said_done", "said_plan", "token_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What is known of a folder's frames: all up to `done` are stored.

    `planned` is the batch that was on its way, by its first and last frame.
    """

    done: int = 0
    planned: tuple[int, int] | None = None


def token_of(folder: str, first: int, last: int) -> str:
    """Return the token of a batch of frames, the same whoever sends it."""
    return f"{folder}-{first}-{last}"


def said_plan(first: int, last: int) -> bytes:
    """Return the note that these frames are sent as one batch."""
    return framed("sent", last, orjson.dumps([first, last]))


def said_done(last: int) -> bytes:
    """Return the note that all up to here is stored."""
    return framed("sent", last, orjson.dumps([last]))


def read_sent(file: bytes) -> Sent:
    """Return what the notes say."""
    done = 0
    planned: tuple[int, int] | None = None
    for frame in read_frames(file).frames:
        match orjson.loads(frame.content):
            case [int(last)]:
                done = max(done, last)
            case [int(first), int(last)]:
                planned = (first, last)
                done = max(done, first - 1)  # batches go one after another
            case _:
                continue
    if planned is not None and planned[1] <= done:
        planned = None
    return Sent(done=done, planned=planned)
