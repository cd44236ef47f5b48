"""aiohttp's `StreamReader`, noted while it is read, or fed from a recording.

Both are readers of their own that fill themselves when their reader would wait, so
every way of reading (`read`, `readline`, `iter_any`, `iter_chunks`, …) is
aiohttp's, and pieces have the bounds that the caller saw.
"""

from __future__ import annotations

import asyncio
import weakref
from typing import Final, cast

from aiohttp.base_protocol import BaseProtocol
from aiohttp.streams import StreamReader

from otel_agent_replay.instrument.http.stream import RecordedBody, StreamRecorder

__all__ = ["RecordedReader", "TeeReader"]


class _Still:
    """Stands for a connection that never needs to be held back."""

    connected: Final = True

    def pause_reading(self) -> None:
        """Nothing flows by itself."""

    def resume_reading(self, *, resume_parser: bool = True) -> None:
        """Nothing flows by itself."""


class _SelfFilling(StreamReader):
    """A reader that asks for more when its buffer is empty."""

    def __init__(self, limit: int) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(cast("BaseProtocol", _Still()), limit, loop=loop)
        # From the start: aiohttp allows it only before the first byte.
        self.begin_http_chunk_receiving()

    async def _wait(self, func_name: str) -> None:
        raise NotImplementedError


class TeeReader(_SelfFilling):
    """Reads on from a live reader as it is read itself."""

    def __init__(self, source: StreamReader, recorder: StreamRecorder) -> None:
        super().__init__(source.get_read_buffer_limits()[0])
        self._source = source
        self._recorder = recorder
        weakref.finalize(self, recorder.abandoned)

    async def _wait(self, func_name: str) -> None:
        boundary = False
        try:
            if func_name == "readchunk":
                data, boundary = await self._source.readchunk()
            else:
                data = await self._source.readany()
        except Exception as error:
            self._recorder.stopped(error)
            raise
        except BaseException as error:
            # One wait was cancelled; the caller may read on.
            self._recorder.interrupted(error)
            raise
        self._take(data, boundary=boundary)

    def _take(self, data: bytes, *, boundary: bool) -> None:
        if data:
            self._recorder.chunk(data)
            self.feed_data(data)
        if boundary:
            self.end_http_chunk_receiving()
        if self._source.at_eof():
            self._recorder.complete()
            self.feed_eof()

    def read_nowait(self, n: int = -1) -> bytes:
        """Return what has arrived already."""
        if not self._buffer and not self._eof:
            self._take(self._source.read_nowait(-1), boundary=False)
        return super().read_nowait(n)

    def set_read_chunk_size(self, n: int) -> None:
        """Let the live reader buffer as much as this one is read for."""
        super().set_read_chunk_size(n)
        self._source.set_read_chunk_size(n)

    def exception(self) -> BaseException | None:
        """Return what broke this reader or the live one."""
        return super().exception() or self._source.exception()

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """End both readers: the response is released or closed."""
        super().set_exception(exc, *cause)
        if self._source.exception() is None and not self._source.is_eof():
            self._source.set_exception(exc, *cause)
        self._recorder.abandoned()

    def is_eof(self) -> bool:
        """Return whether the body has come whole, read or not."""
        return self._source.is_eof()

    async def wait_eof(self) -> None:
        """Wait for the body to have come whole."""
        await self._source.wait_eof()


class RecordedReader(_SelfFilling):
    """Gives the body of an answer."""

    def __init__(self, body: RecordedBody, limit: int, *, chunked: bool) -> None:
        super().__init__(limit)
        self._body = body
        self._chunked = chunked
        weakref.finalize(self, body.abandoned)

    async def _wait(self, func_name: str) -> None:
        del func_name
        data = await self._body.anext()
        if data is not None:
            self.feed_data(data)
            if self._chunked:
                self.end_http_chunk_receiving()
        if data is None or self._body.ended:
            self._body.abandoned()
            self.feed_eof()

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """End the reader: the response is released or closed."""
        super().set_exception(exc, *cause)
        self._body.abandoned()

    async def wait_eof(self) -> None:
        """Return: a recorded body has come whole."""
