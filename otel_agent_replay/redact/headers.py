"""Headers: secret by their names, by what they look like, or as cookies."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, TypeAlias, cast

from otel_agent_replay.model.payload import Headers
from otel_agent_replay.redact.documents import Documents
from otel_agent_replay.redact.edits import applied
from otel_agent_replay.redact.names import secret_header

__all__ = ["KnownHeaders", "with_length"]

_Header: TypeAlias = tuple[str, str]
_MEMO: Final = 1 << 18
_CONTENT_LENGTH: Final = "content-length"
_READ_APART: Final = frozenset({_CONTENT_LENGTH, "cookie", "set-cookie"})
_COOKIE: Final = re.compile(r"(?P<name>[^=;]*=\s*\"?)(?P<value>[^;\"]*)")


class KnownHeaders:
    """Redacts headers; remembers those that come with every call, up to a limit."""

    def __init__(self, documents: Documents, *, secret_names: bool) -> None:
        """Take what redacts; `secret_names` is whether a name makes a header secret."""
        self._documents = documents
        self._secret_names = secret_names
        self._known: dict[_Header, _Header] = {}
        self._held = 0

    def redacted(self, headers: Headers) -> Headers:
        """Return headers redacted, in order."""
        # Kept by its name here: another thread may begin a new one meanwhile.
        known = self._known
        found = [*map(known.get, headers)]
        if None in found:
            new = [at for at, each in enumerate(found) if each is None]
            self._take([headers[at] for at in new], known)
            for at in new:
                found[at] = known[headers[at]]
        return cast("Headers", tuple(found))

    def _take(self, new: Sequence[_Header], known: dict[_Header, _Header]) -> None:
        """Remember headers; all of them are forgotten when they are too many."""
        plain = [each for each in new if _is_plain(each[0], self._secret_names)]
        if plain and self._documents.all_clear([text for _, text in plain]):
            known.update(zip(plain, plain, strict=True))
        for each in new:
            name, text = each
            if each not in known:
                known[each] = (name, self._redacted(name, text))
            self._held += len(name) + len(text)
        if self._held > _MEMO:
            self._known, self._held = {}, 0

    def _redacted(self, name: str, text: str) -> str:
        documents = self._documents
        match name.lower():
            case "content-length" if text.isdecimal():
                return text
            case "cookie":
                return _COOKIE.sub(self._cookie, text)
            case "set-cookie":
                return documents.text(_COOKIE.sub(self._cookie, text, count=1))
        meaning = secret_header(name) if self._secret_names else None
        if meaning is not None and meaning.covers(text):
            return applied(text, documents.whole_edits(text, meaning.kind))
        return documents.text(text)

    def _cookie(self, pair: re.Match[str]) -> str:
        text = pair["value"]
        if not text or not self._secret_names:
            return pair.group()
        return pair["name"] + applied(text, self._documents.whole_edits(text, "secret"))


@lru_cache(maxsize=1024)
def _is_plain(name: str, secret_names: bool) -> bool:  # noqa: FBT001 - for the memo
    """Whether the value of a header is a text like any other."""
    if name.lower() in _READ_APART:
        return False
    return not secret_names or secret_header(name) is None


def with_length(headers: Headers, old: int, new: int) -> Headers:
    """Correct a length that the headers give, so that clients still agree."""
    if old == new:
        return headers
    said = str(old)
    return tuple(
        [
            (each[0], str(new))
            if said in each[1]
            and each[1].strip() == said
            and each[0].lower() == _CONTENT_LENGTH
            else each
            for each in headers
        ]
    )
