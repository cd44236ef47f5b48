"""Recorded provider traffic and agent runs, from a folder that a test names.

The folder has `wire/<set>/*.json` with HTTP interactions, and
`trajectories/*.json` with runs as lists of OpenAI chat messages. Where it is
absent nothing fails: there is just nothing to iterate, so a test can skip.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from otel_agent_replay.model.payload import (
    Chunk,
    Headers,
    HttpRequest,
    HttpResponse,
    JsonObject,
    JsonValue,
    parse_json,
)
from otel_agent_replay.testing.wire_server import WireInteraction

__all__ = [
    "CORPUS_ABSENT",
    "CorpusInteraction",
    "Trajectory",
    "corpus_path",
    "trajectories",
    "wire_interactions",
]

_VARIABLE: Final = "AGENT_REPLAY_CORPUS"
_BESIDE_THE_CHECKOUT: Final = Path(__file__).parents[3] / "shared" / "corpus"

CORPUS_ABSENT: Final = (
    f"no recorded traffic here: name its folder in {_VARIABLE} to run this test"
)
"""The reason to skip a test with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusInteraction(WireInteraction):
    """A recorded request and response, with where it stands.

    Attributes:
        set: The folder below `wire`.
        file: The file's name without `.json`.
        ordinal: Its place in the file, from 0.
    """

    set: str
    file: str
    ordinal: int

    @property
    def id(self) -> str:
        """A name for it, for test output."""
        return f"{self.set}/{self.file}#{self.ordinal}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectory:
    """A recorded agent run.

    Attributes:
        task_id: The task it worked on.
        trial: Which attempt at the task this is.
        reward: The score it reached.
        messages: The conversation as OpenAI chat messages.
        about: What else is recorded about it.
    """

    task_id: int
    trial: int
    reward: float
    messages: tuple[JsonObject, ...]
    about: JsonObject = field(default_factory=dict)


def corpus_path() -> Path | None:
    """Return the folder that `AGENT_REPLAY_CORPUS` names, or None if it is absent.

    Unset, it is `shared/corpus` beside the repository's checkout.
    """
    named = os.environ.get(_VARIABLE)
    path = Path(named) if named else _BESIDE_THE_CHECKOUT
    return path if path.is_dir() else None


def wire_interactions() -> Iterator[CorpusInteraction]:
    """Yield every recorded interaction, ordered by set, file and place."""
    root = corpus_path()
    for path in sorted(root.glob("wire/*/*.json")) if root else ():
        recorded = _object(parse_json(path.read_bytes()))
        for ordinal, interaction in enumerate(_objects(recorded["interactions"])):
            yield CorpusInteraction(
                set=path.parent.name,
                file=path.stem,
                ordinal=ordinal,
                request=_request(_object(interaction["request"])),
                response=_response(_object(interaction["response"])),
            )


def trajectories() -> Iterator[Trajectory]:
    """Yield every recorded run, in the order of the files."""
    root = corpus_path()
    for path in sorted(root.glob("trajectories/*.json")) if root else ():
        for recorded in _objects(parse_json(path.read_bytes())):
            yield Trajectory(
                task_id=int(str(recorded["task_id"])),
                trial=int(str(recorded["trial"])),
                reward=float(str(recorded["reward"])),
                messages=tuple(_objects(recorded["traj"])),
                about=_object(recorded["info"]),
            )


def _request(recorded: JsonObject) -> HttpRequest:
    return HttpRequest(
        method=str(recorded["method"]).upper(),
        url=str(recorded["url"]),
        headers=_headers(recorded),
        body=_body(recorded["body"]),
    )


def _response(recorded: JsonObject) -> HttpResponse:
    body = _body(recorded["body"])
    return HttpResponse(
        status=int(str(recorded["status"])),
        headers=_headers(recorded),
        chunks=(Chunk(data=body),) if body else (),
    )


def _headers(recorded: JsonObject) -> Headers:
    content_type = recorded["content_type"]
    return (("content-type", str(content_type)),) if content_type else ()


def _body(recorded: JsonValue) -> bytes:
    if isinstance(recorded, dict):
        return base64.b64decode(str(recorded["base64"]))
    return recorded.encode() if isinstance(recorded, str) else b""


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _objects(value: JsonValue) -> list[JsonObject]:
    return [_object(item) for item in value] if isinstance(value, list) else []
