"""Files that the agent's code reads, as far as it was declared which."""

from __future__ import annotations

import builtins
import io
import logging
import os
import sys
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any, Final

from otel_agent_replay.errors import ResultTypeError
from otel_agent_replay.instrument.effects.reading import (
    THROUGH,
    Read,
    asked_by,
    in_force,
    read,
)
from otel_agent_replay.instrument.effects.values import (
    bytes_json,
    json_bytes,
    json_text,
)
from otel_agent_replay.model.payload import JsonValue

__all__ = ["LARGEST", "install"]

LARGEST: Final = 4 * 1024 * 1024
"""Bytes of a file; the reads of a larger one are not recorded."""
_LOGGER: Final = logging.getLogger("otel_agent_replay")
_PASS_ON: Final = THROUGH | {"pathlib", "pathlib._local", "pathlib._abc"}
_WRITING: Final = frozenset("wax+")


def install() -> None:
    """Take reads of files, by `open` and by `pathlib`; once."""
    opened = _opening(io.open)
    builtins.open = opened
    io.open = opened


def _opening(original: Callable[..., Any]) -> Callable[..., Any]:
    def open(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:  # noqa: A001 - its name
        if not in_force().files or isinstance(file, int) or _WRITING & {*mode}:
            return original(file, mode, *args, **kwargs)
        path = _path(file)
        frame = sys._getframe(1)  # noqa: SLF001 - whose code reads decides
        place = asked_by("file", frame, _PASS_ON) if _is_declared(path) else None
        if place is None:
            return original(file, mode, *args, **kwargs)

        opened: list[Any] = []

        def live() -> bytes | None:
            opened.append(original(file, mode, *args, **kwargs))
            return _content_of(opened[0])

        what = Read(kind="file", name="open", place=place, inputs={"path": path})
        content = read(what, live, _content_json, _json_content)
        if opened:
            return opened[0]
        return _held(file, content or b"", mode, args, kwargs)

    open.__wrapped__ = original  # type: ignore[attr-defined]
    return open


def _path(file: Any) -> str:
    """Return a path as it is declared: relative to the working directory below it."""
    found = os.fspath(file)
    text = os.fsdecode(found)
    if os.path.isabs(text):  # noqa: PTH117 - it stays a text
        below = os.path.relpath(text)
        text = text if below.startswith("..") else below
    return os.path.normpath(text).replace(os.sep, "/")


def _is_declared(path: str) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in in_force().files)


def _content_of(file: Any) -> bytes | None:
    """Return what stands in a file that was just opened, which stays at its beginning.

    None if that is too much, or can be read only once.
    """
    buffered = getattr(file, "buffer", file)
    raw = getattr(buffered, "raw", buffered)
    if not raw.seekable():
        return None
    content = bytearray()
    while len(content) <= LARGEST and (more := raw.read(LARGEST + 1 - len(content))):
        content += more
    raw.seek(0)
    return bytes(content) if len(content) <= LARGEST else None


class _Content(io.BytesIO):
    """A file that is open for reading, as it was when it was recorded."""

    def __init__(self, content: bytes, name: Any) -> None:
        super().__init__(content)
        vars(self).update(name=name, mode="rb")

    def readall(self) -> bytes:
        """Return what is left."""
        return self.read()

    def writable(self) -> bool:
        """Return that it is open for reading."""
        return False

    def write(self, _: Any, /) -> int:
        raise io.UnsupportedOperation("write")


def _held(
    file: Any, content: bytes, mode: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Return a content as a file that is open in this mode."""
    names = ("buffering", "encoding", "errors", "newline", "closefd", "opener")
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    found: Any = _Content(content, file)
    if given.pop("buffering", -1) == 0:
        return found
    found = io.BufferedReader(found)
    if "b" in mode:
        return found
    given.pop("closefd", None)
    given.pop("opener", None)
    text = io.TextIOWrapper(found, **given)
    vars(text)["mode"] = mode
    return text


def _content_json(content: bytes | None) -> JsonValue:
    """Return a file's content as JSON: as text, so that it is redacted as one."""
    if content is None:
        in_force().lost()
        _LOGGER.warning(
            "A file that has more than %d bytes, or can be read only once, is not "
            "recorded.",
            LARGEST,
        )
        return None
    try:
        return {"text": content.decode()}
    except UnicodeDecodeError:
        return {"bytes": bytes_json(content)}


def _json_content(value: JsonValue) -> bytes | None:
    if isinstance(value, dict) and "text" in value:
        return json_text(value["text"]).encode()
    if isinstance(value, dict) and "bytes" in value:
        return json_bytes(value["bytes"])
    raise ResultTypeError(
        "file", "it was too large to be recorded, or could be read only once"
    )
