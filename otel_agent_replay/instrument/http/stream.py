"""The body of a response on its way to the caller: recorded, or given as recorded.

See docs/design/streaming.md.
"""

from __future__ import annotations

import asyncio
import os
import re
from dataclasses import replace
from time import perf_counter_ns
from typing import Final, Protocol

from otel_agent_replay.errors import RecordedError, RecordedStreamEndedError
from otel_agent_replay.instrument.http.settings import HttpSettings
from otel_agent_replay.intercept import CUT_SHORT, OpenCall
from otel_agent_replay.model.call import Ended, Outcome, RecordedException
from otel_agent_replay.model.exceptions import rebuild_exception, record_exception
from otel_agent_replay.model.payload import Chunk, HttpResponse, header

__all__ = [
    "RecordedBody",
    "StreamRecorder",
    "close_streams",
    "is_last_event",
    "rebuilt",
    "unanswered",
    "until_cancelled",
]

_NO_BODY: Final = frozenset({204, 304})
_LAST_EVENTS: Final = (b"data: [DONE]", b"data:[DONE]", b"event: message_stop")
_REASON: Final = re.compile(rb'"(?:finish_reason|finishReason|stop_reason)":\s*"')
_TAIL: Final = 512
_TAIL_PIECES: Final = 8


class _Open(Protocol):
    def abandoned(self) -> None: ...
    def is_read(self, inside: OpenCall) -> bool: ...


_open: Final[dict[int, _Open]] = {}
"""Exchanges that have not ended, by id; who takes one out ends it."""

# Those open at a fork are the parent's to end.
os.register_at_fork(after_in_child=_open.clear)


def close_streams(inside: OpenCall | None = None) -> None:
    """End exchanges whose response nobody has closed.

    Some SDKs read a response as far as they need and then keep it. With `inside`,
    those made inside that call end that have brought all there is; others may still
    be read. Without, all end: for the end of recording.
    """
    for each in list(_open.values()):
        if inside is None or each.is_read(inside):
            each.abandoned()


def is_last_event(tail: bytes) -> bool:
    """Return whether an event stream that ends so has brought its last event.

    OpenAI's and Anthropic's are known. SDKs stop there, before the end of the body,
    and some never close the response.
    """
    if tail[-1:] != b"\n":
        return False
    event = tail.replace(b"\r\n", b"\n").rstrip(b"\n").rpartition(b"\n\n")[2]
    return event.lstrip(b"\n").startswith(_LAST_EVENTS)


class StreamRecorder:
    """Keeps what a live exchange brings and closes its call once.

    Time counts from its creation, right before the request is sent. Pieces come from
    one reader at a time; the methods that end it may be called from any thread and
    as often as it happens, the first counts.
    """

    __slots__ = (
        "_chunks",
        "_head",
        "_interrupted",
        "_opened",
        "_settings",
        "_started",
    )

    def __init__(self, opened: OpenCall, settings: HttpSettings) -> None:
        self._opened = opened
        self._settings = settings
        self._chunks: list[Chunk] = []
        self._head: HttpResponse | None = None
        self._interrupted: RecordedException | None = None
        _open[id(self)] = self
        self._started = perf_counter_ns()

    def responded(self, head: HttpResponse) -> None:
        """Note status and headers."""
        self._head = head

    def chunk(self, data: bytes) -> None:
        """Note a piece of the body."""
        self._interrupted = None
        self._chunks.append(Chunk(data=data, at_ns=perf_counter_ns() - self._started))

    def restart(self) -> None:
        """Forget the pieces: they were those of an attempt that is made again."""
        self._chunks = []

    def complete(self) -> None:
        """The body has ended."""
        self._end(Outcome(response=self._response()))

    def abandoned(self) -> None:
        """The caller is done with the response; it may have come whole."""
        if self._opened.closed:
            return
        if self._is_whole():
            self.complete()
            return
        self._end(
            Outcome(
                response=self._response(),
                error=self._interrupted,
                ended="abandoned",
            ),
        )

    def is_read(self, inside: OpenCall) -> bool:
        """Return whether all has come of an exchange that is inside a call.

        The reason why a model ended is all of its answer: some SDKs, such as litellm
        on Anthropic, stop there and keep the response.
        """
        if inside not in self._opened.ancestors():
            return False
        return self._is_whole() or _REASON.search(self._tail()) is not None

    def interrupted(self, error: BaseException) -> None:
        """The caller was taken away from waiting; it may come back."""
        self._interrupted = record_exception(error)

    def stopped(self, error: BaseException) -> None:
        """An exception ended it: the exchange's own, or the caller's interruption."""
        if self._opened.closed:
            return
        recorded = record_exception(error)
        if isinstance(error, Exception):
            response = self._response()
            ended: Ended = "complete" if response is None else "failed"
            self._end(Outcome(response=response, error=recorded, ended=ended))
        else:
            self._interrupted = recorded
            self.abandoned()

    def lost(self, error: Exception) -> None:
        """Recording failed on our side; the response is the caller's alone."""
        self._settings.on_failure("Recording a response", error)
        self._end(Outcome(ended="abandoned"))

    def _end(self, outcome: Outcome) -> None:
        if _open.pop(id(self), None) is None:
            return
        try:
            self._opened.close(outcome)
        except Exception as error:  # noqa: BLE001 - the caller's response must not suffer
            self._settings.on_failure("Recording the end of a request", error)
        # The response may live long; what it brought has been handed over.
        self._chunks = []

    def _response(self) -> HttpResponse | None:
        if self._head is None:
            return None
        head = self._head
        return HttpResponse(
            status=head.status,
            reason=head.reason,
            headers=head.headers,
            chunks=tuple(self._chunks),
        )

    def _is_whole(self) -> bool:
        """Whether all had come, though the reader did not look for the end."""
        if self._head is None:
            return False
        request = self._opened.call.request
        if request is not None and request.method == "HEAD":
            return True
        if self._head.status in _NO_BODY:
            return True
        length = header(self._head.headers, "content-length")
        if length is not None:
            return length == str(sum(len(chunk.data) for chunk in self._chunks))
        return is_last_event(self._tail())

    def _tail(self) -> bytes:
        return b"".join(chunk.data[-_TAIL:] for chunk in self._chunks[-_TAIL_PIECES:])


def rebuilt(recorded: RecordedException) -> Exception:
    """Return a recorded exception to raise, or a `RecordedError` that stands for it.

    Never an interruption: a stored text must not end the process.
    """
    error = rebuild_exception(recorded)
    if isinstance(error, Exception):
        return error
    return RecordedError(recorded.type_name, recorded.message)


def _was_cancelled(answer: Outcome) -> bool:
    return answer.ended == "abandoned" and answer.error is not None


async def until_cancelled(opened: OpenCall, answer: Outcome) -> None:
    """Wait for the end that the recorded caller met, if it was cancelled.

    Returns at once where it was not, where the whole run was, and outside asyncio.
    """
    if not _was_cancelled(answer) or opened.notes.get(CUT_SHORT):
        return
    try:
        never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    except RuntimeError:
        return
    try:
        await never
    finally:
        opened.close(answer)


def unanswered(opened: OpenCall, answer: Outcome) -> Exception:
    """Return the exception of an answer that has no response; closes the call."""
    error, outcome = _refusal(opened, answer)
    opened.close(outcome)
    return error


def _refusal(opened: OpenCall, answer: Outcome) -> tuple[Exception, Outcome]:
    """Return what to raise where an answer has no more to give, and the outcome."""
    if answer.error is not None and answer.ended != "abandoned":
        return rebuilt(answer.error), answer
    error = RecordedStreamEndedError(opened.call.name)
    return error, replace(answer, error=record_exception(error), ended="failed")


class RecordedBody:
    """The body of an answer, piece by piece; closes the call when it is over.

    At its end it does what the recorded one did: ends, raises the recorded
    exception, or refuses to go on where the recorded caller stopped.
    """

    __slots__ = ("_answer", "_opened", "_response", "_served")

    def __init__(
        self,
        opened: OpenCall,
        answer: Outcome,
        response: HttpResponse,
    ) -> None:
        self._opened = opened
        self._answer = answer
        self._response = response
        self._served = 0
        _open[id(self)] = self
        self._settle()

    @property
    def ended(self) -> bool:
        """Whether nothing but a clean end is left."""
        return self._all_served() and self._answer.ended == "complete"

    def next(self) -> bytes | None:
        """Return the next piece that is not empty, None at the end.

        Raises:
            RecordedStreamEndedError: The recorded caller stopped reading here.
            Exception: The recorded one, where reading failed.
        """
        if not self._all_served():
            chunk = self._response.chunks[self._served]
            self._served += 1
            self._settle()
            return chunk.data
        if self._answer.ended == "complete":
            return None
        error, outcome = _refusal(self._opened, self._answer)
        self._end(outcome)
        raise error

    async def anext(self) -> bytes | None:
        """Return what `next` does, but wait where the recorded caller was cancelled."""
        if self._all_served():
            await until_cancelled(self._opened, self._answer)
        return self.next()

    def abandoned(self) -> None:
        """The caller is done with it."""
        if self._all_served():
            self._end(self._answer)
            return
        read = replace(self._response, chunks=self._response.chunks[: self._served])
        self._end(replace(self._answer, response=read, error=None, ended="abandoned"))

    def is_read(self, inside: OpenCall) -> bool:
        """Return whether all was given of an exchange that is inside a call."""
        return inside in self._opened.ancestors() and self._all_served()

    def _settle(self) -> None:
        """End the call once nothing but a clean end is left."""
        if self.ended:
            self._end(self._answer)

    def _end(self, outcome: Outcome) -> None:
        if _open.pop(id(self), None) is not None:
            self._opened.close(outcome)

    def _all_served(self) -> bool:
        chunks = self._response.chunks
        while self._served < len(chunks) and not chunks[self._served].data:
            self._served += 1
        return self._served == len(chunks)
