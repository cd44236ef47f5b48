"""Interceptors that record and answer, and the hooks to put them on."""

from __future__ import annotations

import contextlib
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import pytest

from otel_agent_replay import intercept
from otel_agent_replay.instrument.http import HttpSettings, install, uninstall
from otel_agent_replay.intercept import OpenCall
from otel_agent_replay.model.call import Call, Outcome
from tests.instrument.http.drivers import DRIVERS
from tests.instrument.http.server import BIG, PIECES, TEXT, Server


@dataclass
class Recording:
    """Keeps every call with its outcome."""

    pairs: list[tuple[Call, Outcome]] = field(default_factory=list)
    parents: list[OpenCall | None] = field(default_factory=list)
    ended: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def before(self, opened: OpenCall) -> None:
        self.parents.append(opened.parent)

    def after(self, opened: OpenCall, outcome: Outcome) -> None:
        self.pairs.append((opened.call, outcome))
        self.ended.release()

    def scope(self, _: OpenCall) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    @property
    def only(self) -> tuple[Call, Outcome]:
        assert len(self.pairs) == 1, self.pairs

        return self.pairs[0]


class NotRecordedError(BaseException):
    """What a replay stops the agent with."""


class Answering:
    """Answers each call as one equal to it ended."""

    def __init__(self, pairs: Iterable[tuple[Call, Outcome]]) -> None:
        self._known: dict[tuple[str, str, bytes], deque[Outcome]] = defaultdict(deque)
        self.closed: list[Outcome] = []
        for call, outcome in pairs:
            self._known[self._key(call)].append(outcome)

    def before(self, opened: OpenCall) -> Outcome:
        known = self._known[self._key(opened.call)]
        if not known:
            raise NotRecordedError(opened.call.name)
        return known.popleft()

    def after(self, _: OpenCall, outcome: Outcome) -> None:
        self.closed.append(outcome)

    def scope(self, _: OpenCall) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    @staticmethod
    def _key(call: Call) -> tuple[str, str, bytes]:
        assert call.request is not None

        return call.request.method, call.request.url, call.request.body


@pytest.fixture(params=DRIVERS, ids=lambda driver: driver.name)
def client(request):
    """Each HTTP client in turn."""
    return request.param


@pytest.fixture(
    params=[d for d in DRIVERS if hasattr(d, "afetch")], ids=lambda d: d.name
)
def async_client(request):
    """Each async HTTP client in turn."""
    return request.param


@pytest.fixture(params=[DRIVERS[0], DRIVERS[4], DRIVERS[5]], ids=lambda d: d.name)
def sync_client(request):
    """A sync client of each kind in turn."""
    return request.param


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


@pytest.fixture
def failures() -> list[tuple[str, Exception]]:
    """What the hooks said went wrong with themselves."""
    return []


@pytest.fixture
def hooks(failures) -> Iterator[Callable[..., None]]:
    """Put the clients on the seam; call with settings to replace them."""

    def put(**settings) -> None:
        put_failure = settings.pop("on_failure", lambda *said: failures.append(said))
        install(HttpSettings(on_failure=put_failure, **settings))

    put()
    yield put
    uninstall()
    intercept.install()


@pytest.fixture
def recording(hooks) -> Recording:
    """Record what every client does."""
    recorder = Recording()
    intercept.install(recorder)
    return recorder


@pytest.fixture
def replaying(recording, server, failures) -> Callable[[], Answering]:
    """Switch the server off and answer from what was recorded."""

    def switch() -> Answering:
        assert failures == []

        server.close()
        answering = Answering(recording.pairs)
        intercept.install(answering)
        return answering

    return switch


@pytest.fixture
def samples() -> type:
    """The bodies that the server sends."""

    class Samples:
        pieces = PIECES
        big = BIG
        text = TEXT

    return Samples


@pytest.fixture
def not_recorded() -> type[BaseException]:
    return NotRecordedError


@pytest.fixture
def answering_with() -> type[Answering]:
    return Answering


@pytest.fixture
def recorder_type() -> type[Recording]:
    return Recording
