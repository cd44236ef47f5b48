"""HTML out of parts that are escaped unless they are HTML already."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from html import escape
from typing import Final, TypeAlias

from otel_agent_replay.cli.plain import clean

__all__ = ["Child", "Html", "document", "joined", "tag"]

_POLICY: Final = "default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


class Html(str):
    """Text that is HTML. Made here only, of parts that were escaped."""

    __slots__ = ()


Child: TypeAlias = str | None
"""What stands in an element: `Html` as it is, other text escaped, None as nothing."""


def joined(children: Iterable[Child]) -> Html:
    """Return children one after the other."""
    return Html("".join(map(_safe, children)))


def _safe(child: Child) -> str:
    if child is None:
        return ""
    return child if isinstance(child, Html) else escape(clean(child))


def tag(name: str, *children: Child, **attributes: str | bool) -> Html:
    """Return an element.

    An attribute that is False or empty is left out, one that is True has no value; of
    a name `class_` the underscore is left out, of others it is a hyphen. Names come
    from code, never from data.
    """
    written = "".join(
        f" {_attribute(key)}"
        if value is True
        else f' {_attribute(key)}="{_safe(value)}"'
        for key, value in attributes.items()
        if value
    )
    return Html(f"<{name}{written}>{joined(children)}</{name}>")


def _attribute(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


def document(title: str, style: str, *body: Child, generator: str) -> str:
    """Return a page that loads nothing and runs nothing, whatever stands in it.

    The policy in its head allows this one style, by its hash, and no script, image,
    font, frame, form or connection.
    """
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = _POLICY.format(digest=digest)
    head = (
        '<meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        '<meta name="color-scheme" content="light dark">'
        f'<meta name="generator" content="{_safe(generator)}">'
        f"{tag('title', title)}<style>{style}</style>"
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n'
        f"<body>{joined(body)}</body></html>\n"
    )
