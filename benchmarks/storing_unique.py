"""What zstd makes of all that a run says, each thing once: the least there is to store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import orjson
from storing_sqlite import zstd
from storing_work import Copied, Example

from otel_agent_replay import semconv
from otel_agent_replay.store.rows import to_row

__all__ = ["payload_once", "said_once"]

_LEVEL: Final = 3
_known: Final[dict[tuple[int, str], int]] = {}


def payload_once(each: Copied) -> float:
    """Return a span's part of its run's payloads, compressed in one frame."""
    run = each[0]
    return _share(run, "payload", run.sent)


def said_once(each: Copied) -> float:
    """Return the same with the run's rows in it, as far as they are no payload."""
    run = each[0]
    return _share(run, "all", (*run.sent, *_rows(run)))


def _share(run: Example, what: str, parts: tuple[bytes, ...]) -> float:
    size = _known.get((id(run), what))
    if size is None:
        size = len(zstd.compress(b"\n".join(parts), _LEVEL))
        _known[id(run), what] = size
    return size / len(run.spans)


def _rows(run: Example) -> Iterator[bytes]:
    """Yield ids, times, names and short attributes of each span."""
    if (id(run), "all") in _known:
        return
    for packed in run.spans:
        row = to_row(packed.span)
        yield orjson.dumps(
            tuple(
                row._replace(
                    attributes=_short(row.attributes),
                    event_attributes=[_short(each) for each in row.event_attributes],
                )
            )
        )


def _short(attributes: dict[str, str]) -> dict[str, str]:
    return {
        key: value
        for key, value in attributes.items()
        if not key.startswith(semconv.CONTENT_PREFIX)
    }
