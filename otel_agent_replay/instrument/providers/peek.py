"""The model of a request at a glance, for the agent's own thread."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

__all__ = ["peek_model"]

_KEY: Final = b'"model"'
_VALUE: Final = re.compile(rb'\s*:\s*"([^"\\]{1,256})"')
_IN_URL: Final = re.compile(
    r"/(?:models|tunedModels|endpoints|deployments)/([^/:?#]+)[:/]",
)


def peek_model(url: str, body: bytes) -> str | None:
    """Return the model that a request names in its body or URL, or None.

    It finds the first `"model": "…"` without reading the JSON: good enough to name
    a span, which the codec's reading corrects. Text inside JSON strings cannot
    match, as its quotes are escaped.
    """
    found = _in_body(body)
    if found is not None:
        return found
    match = _IN_URL.search(url)
    return unquote(match[1]) if match else None


def _in_body(body: bytes) -> str | None:
    position = body.find(_KEY)
    while position >= 0:
        position += len(_KEY)
        match = _VALUE.match(body, position)
        if match:
            return match[1].decode("utf-8", "replace")
        position = body.find(_KEY, position)
    return None
