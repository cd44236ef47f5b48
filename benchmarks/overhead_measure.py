"""What one recorder costs in this interpreter.

Every cost is the difference between an instrumented call and the same call on a
client that the recorder cannot see, one after the other in turn.
"""

from __future__ import annotations

import functools
import gc
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final, NamedTuple

import httpx
import openai
from openai._models import FinalRequestOptions
from openai.resources.chat.completions import Completions
from openai.types.chat import ChatCompletion
from overhead_peers import PEERS, Peer, Started
from overhead_sink import receiver
from overhead_work import URL, Answering, Exchange, conversations, near

__all__ = ["Plan", "measure"]

Ask = Callable[[Exchange], object]
_KEY: Final = "sk-0123456789abcdefghij"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured.

    Attributes:
        sizes: Bytes of request and response.
        calls: Different calls of each size.
        rounds: How often each is made.
        blocks: Conversations for the cost in the whole process.
    """

    sizes: tuple[int, ...]
    calls: int
    rounds: int
    blocks: int


class _Answer(NamedTuple):
    body: bytes
    read: ChatCompletion | None


class _Stub:
    """Answers in place of what a recorder wraps, while it has an answer."""

    def __init__(self) -> None:
        self.answer: object = None

    def around(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def call(*args: Any, **asked: Any) -> Any:  # noqa: ANN401
            if self.answer is not None:
                return self.answer
            return original(*args, **asked)

        return call


class _Bench:
    """An instrumented client and a bare one, of each kind."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.stub = _Stub()
        self.wire = Answering()
        stubbed = self.stub.around
        Completions.create = stubbed(Completions.create)  # type: ignore[method-assign]
        openai.OpenAI.request = stubbed(openai.OpenAI.request)  # type: ignore[method-assign]
        pins = (
            Completions.create,
            openai.OpenAI.request,
            httpx.Client._transport_for_url,  # noqa: SLF001
        )
        self.started: Started = peer.start()
        self.seen, self.bare = self._client(), self._client()
        self.seen_http, self.bare_http = self._http(), self._http()
        _pin(self.bare.chat.completions, "create", pins[0])
        _pin(self.bare, "request", pins[1])
        _pin(self.bare._client, "_transport_for_url", pins[2])  # noqa: SLF001
        _pin(self.bare_http, "_transport_for_url", pins[2])
        self.started.instrument(self.seen)

    def _http(self) -> httpx.Client:
        return httpx.Client(
            transport=self.wire,
            headers={
                "authorization": f"Bearer {_KEY}",
                "content-type": "application/json",
            },
        )

    def _client(self) -> openai.OpenAI:
        http = httpx.Client(transport=self.wire)
        return openai.OpenAI(api_key=_KEY, base_url=URL, http_client=http)

    def isolated(self) -> tuple[Ask, Ask]:
        """Return the calls with nothing but what the recorder wraps around."""
        if self.peer.level == "wire":
            return _posting(self.seen_http), _posting(self.bare_http)
        if self.peer.level == "request":
            return _requesting(self.seen), _requesting(self.bare)
        return _creating(self.seen), _creating(self.bare)

    def whole(self) -> tuple[Ask, Ask]:
        """Return the calls through the whole client."""
        return _creating(self.seen), _creating(self.bare)

    def answers(self, calls: list[Exchange], *, stubbed: bool) -> list[_Answer]:
        """Return the answers of calls, as what is stubbed returns them."""
        if not stubbed or self.peer.level == "wire":
            return [_Answer(each.answer, None) for each in calls]
        read = ChatCompletion.model_validate_json
        return [_Answer(b"", read(each.answer)) for each in calls]

    def give(self, answer: _Answer) -> None:
        """Have the answer of the next calls ready."""
        self.wire.body, self.stub.answer = answer


def _pin(owner: object, name: str, original: Callable[..., Any]) -> None:
    setattr(owner, name, functools.partial(original, owner))


def _posting(client: httpx.Client) -> Ask:
    url = f"{URL}/chat/completions"
    return lambda exchange: client.post(url, content=exchange.sent)


def _requesting(client: openai.OpenAI) -> Ask:
    def ask(exchange: Exchange) -> object:
        options = FinalRequestOptions.construct(
            method="post", url="/chat/completions", json_data=exchange.request
        )
        return client.request(ChatCompletion, options)

    return ask


def _creating(client: openai.OpenAI) -> Ask:
    create = client.chat.completions.create
    return lambda exchange: create(**exchange.request)


def measure(name: str, plan: Plan) -> dict[str, Any]:
    """Return what a recorder costs, in microseconds a call, by size in bytes."""
    peer = PEERS[name]
    bench = _Bench(peer)
    exchanges = {size: near(size, plan.calls) for size in plan.sizes}
    found: dict[str, Any] = {
        "peer": name,
        "version": version(peer.package),
        "openai": version("openai"),
        "sizes": {size: {} for size in plan.sizes},
    }
    for size, calls in exchanges.items():
        costs = found["sizes"][size]
        costs["isolated"] = _thread_cost(bench, calls, plan.rounds, stubbed=True)
        costs["client"] = _thread_cost(bench, calls, plan.rounds, stubbed=False)
        costs["process"] = _process_cost(bench, size, plan.blocks)
    with receiver() as url:
        _send_to(bench.started, url)
        for size in plan.sizes:
            sent = _process_cost(bench, size, plan.blocks)
            found["sizes"][size]["process_otlp"] = sent
    for each in (bench.started.spans, bench.started.logs):
        each.mode = "keep"
    bench.started.plain()
    for size, calls in exchanges.items():
        found["sizes"][size]["keeps"] = _fidelity(bench, calls[:8])
    return found


def _thread_cost(
    bench: _Bench, calls: list[Exchange], rounds: int, *, stubbed: bool
) -> float:
    """Return the CPU that the calling thread spends more.

    The second of two equal calls finds its payload in the cache. So each is the
    second as often as the other, and the medians of both orders are averaged.
    """
    seen, bare = bench.isolated() if stubbed else bench.whole()
    seen_first: list[float] = []
    bare_first: list[float] = []
    answers = bench.answers(calls, stubbed=stubbed)
    # Calls that wait for their turn are not to be walked by the collector.
    gc.collect()
    gc.freeze()
    for turn in range(rounds + 1):
        for place, (exchange, answer) in enumerate(zip(calls, answers, strict=True)):
            bench.give(answer)
            if (turn + place) % 2:
                less, more = _spent(bare, exchange), _spent(seen, exchange)
                added = bare_first
            else:
                more, less = _spent(seen, exchange), _spent(bare, exchange)
                added = seen_first
            if turn:  # the first warms up
                added.append((more - less) / 1e3)
        bench.started.flush()
    return (statistics.median(seen_first) + statistics.median(bare_first)) / 2


def _spent(ask: Ask, exchange: Exchange) -> int:
    start = time.thread_time_ns()
    ask(exchange)
    return time.thread_time_ns() - start


def _process_cost(bench: _Bench, size: int, blocks: int) -> float:
    """Return the CPU that the process spends more, flushed, by conversations."""
    seen, bare = bench.isolated()
    added: list[float] = []
    for calls in _blocks(size, blocks + 1):
        more = _spent_in_all(bench, seen, calls)
        less = _spent_in_all(bench, bare, calls)
        added.append((more - less) / 1e3 / len(calls))
    return statistics.median(added[1:])


def _blocks(size: int, number: int) -> Iterator[list[Exchange]]:
    """Yield calls of whole conversations, some tens at a time."""
    block: list[Exchange] = []
    for calls in conversations(size, 1_000_000):
        block += calls
        if len(block) >= 40:
            yield block
            block = []
            number -= 1
        if not number:
            return


def _spent_in_all(bench: _Bench, ask: Ask, calls: list[Exchange]) -> int:
    answers = bench.answers(calls, stubbed=True)
    start = time.process_time_ns()
    for exchange, answer in zip(calls, answers, strict=True):
        bench.give(answer)
        ask(exchange)
    bench.started.flush()
    return time.process_time_ns() - start


def _send_to(started: Started, url: str) -> None:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import (  # noqa: PLC0415
        OTLPLogExporter,
    )
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )

    started.spans.sender = OTLPSpanExporter(endpoint=f"{url}/v1/traces")
    started.logs.sender = OTLPLogExporter(endpoint=f"{url}/v1/logs")
    for each in (started.spans, started.logs):
        each.mode = "send"


def _fidelity(bench: _Bench, calls: list[Exchange]) -> float:
    """Return the share of calls of which every text can be read back."""
    seen, _ = bench.whole()
    whole = 0
    answers = bench.answers(calls, stubbed=False)
    for exchange, answer in zip(calls, answers, strict=True):
        bench.give(answer)
        bench.started.texts()
        seen(exchange)
        bench.started.flush()
        found = bench.started.texts()
        whole += found.issuperset(exchange.texts)
    return whole / len(calls)
