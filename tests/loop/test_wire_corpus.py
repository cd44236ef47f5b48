"""Recorded provider traffic, over real HTTP clients, through the whole loop and back."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate

import pytest

import otel_agent_replay
from otel_agent_replay import agent, compare, open_store, replay
from otel_agent_replay._setup.redaction import redactor_of_run
from otel_agent_replay.config import load_settings
from otel_agent_replay.instrument.providers.base import ProviderCodec
from otel_agent_replay.instrument.providers.registry import CODECS, codec_for
from otel_agent_replay.instrument.providers.unknown import UnknownApi
from otel_agent_replay.model.payload import Chunk, HttpResponse, header
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step
from otel_agent_replay.redact import Redactor
from otel_agent_replay.testing import (
    CORPUS_ABSENT,
    INDEX_HEADER,
    CorpusInteraction,
    Cut,
    WireServer,
    corpus_path,
    cut_sse_events,
    wire_interactions,
)
from tests.loop.clients import Ask, Seen, every_client

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(corpus_path() is None, reason=CORPUS_ABSENT),
]

WORDS = r"(?i)\b(?:the|you|for|and|that|with|what|is|of|to|tell|joke)\b"
"""What the redacting runs redact besides: little of the traffic is secret."""

FINISHED = re.compile(rb'"(?:finish_reason|finishReason|stop_reason)": *"')
COUNTED = re.compile(
    rb'"(?:completion_tokens|output_tokens|candidatesTokenCount)": *[1-9]'
)
"""What on the wire says why an answer ended, and how long it was."""

A_RUN = 40
"""How many interactions a run has, at most."""


def cut_anywhere(body: bytes) -> list[bytes]:
    """Cut a body at arbitrary bytes, inside characters, lines and secrets too."""
    sizes = random.Random(len(body))  # noqa: S311 - sizes, no keys
    cuts, at = [], 0
    while at < len(body):
        size = sizes.randint(1, 600)
        cuts.append(body[at : at + size])
        at += size
    return cuts


@dataclass(frozen=True, kw_only=True)
class Way:
    """How answers are sent and read."""

    name: str
    cut: Cut | None = None
    gzip: bool = False


PLAIN = Way(name="plain")
GZIPPED = Way(name="gzipped", gzip=True)
BY_EVENT = Way(name="streamed by event", cut=cut_sse_events)
ANYWHERE = Way(name="streamed anyhow", cut=cut_anywhere)
GZIPPED_STREAM = Way(name="streamed gzipped", cut=cut_sse_events, gzip=True)


@cache
def interactions() -> tuple[CorpusInteraction, ...]:
    return tuple(wire_interactions())


def codec_of(each: CorpusInteraction) -> ProviderCodec | None:
    return codec_for(each.request.method, each.request.url)


def is_stream(each: CorpusInteraction) -> bool:
    """Whether a body is one that comes in pieces."""
    kind = header(each.response.headers, "content-type") or ""
    body = each.response.body.lstrip()
    return "stream" in kind or body.startswith((b"data:", b"event:"))


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The interactions of one run, on a server, and what its clients saw."""

    way: Way
    exchanges: tuple[CorpusInteraction, ...]
    server: WireServer
    seen: list[Seen] = field(default_factory=list)

    @property
    def asks(self) -> list[Ask]:
        return [
            Ask.of(
                each.request,
                self.server.url_of(index),
                ((INDEX_HEADER, str(index)),),
                stream=self.way.cut is not None,
            )
            for index, each in enumerate(self.exchanges)
        ]

    async def play(self) -> None:
        """Ask for everything in order, each client in turn."""
        self.seen.clear()

        @agent(name="corpus")
        async def fetch_all(count: int) -> int:
            async with every_client() as clients:
                for index, ask in enumerate(self.asks):
                    self.seen.append(await clients[index % len(clients)](ask))
            return count

        await fetch_all(len(self.exchanges))


def batches(way: Way, given: list[CorpusInteraction]) -> Iterator[Batch]:
    for start in range(0, len(given), A_RUN):
        part = tuple(given[start : start + A_RUN])
        with WireServer(part, cut=way.cut, gzip=way.gzip) as server:
            yield Batch(way=way, exchanges=part, server=server)


class Checker:
    """Compares what was stored and replayed with what was served."""

    def __init__(self, redactor: Redactor, *, raw: bool) -> None:
        self.redactor = redactor
        self.raw = raw
        self.changed = 0
        self.problems: dict[str, list[str]] = {}

    def check(self, name: str, **right: object) -> None:
        wrong = [what for what, holds in right.items() if not holds]
        if wrong:
            self.problems.setdefault(name, []).extend(wrong)

    def right(self, batch: Batch) -> int:
        """How many of a batch are right: none, if something is wrong with the run."""
        ids = {each.id for each in batch.exchanges}
        if not self.problems.keys() <= ids:
            return 0
        return len(ids - self.problems.keys())

    def served(self, batch: Batch) -> None:
        """The clients saw what the corpus has, cut where the server cut it."""
        for each, seen in zip(batch.exchanges, batch.seen, strict=True):
            cuts = batch.way.cut(each.response.body) if batch.way.cut else []
            self.check(
                each.id,
                served_body=seen.body == each.response.body,
                served_status=seen.status == each.response.status,
                served_chunks=ends(cuts) <= ends(seen.pieces),
            )

    def stored(self, run: Run, batch: Batch, kinds: set[str]) -> None:
        """Every step has the bytes, chunks and reading that it should."""
        self.check(run.run_id, gaps=run.gaps == ())
        self.check(run.run_id, steps=len(run.steps) == len(batch.exchanges))
        rows = zip(run.steps, batch.exchanges, batch.seen, strict=False)
        for step, each, seen in rows:
            self.check(each.id, kind=step.call.kind in kinds)
            if step.outcome.response is None:
                self.check(each.id, has_a_response=False)
                continue
            expected = self.expected(step.outcome.response, seen)
            self.changed += expected.body != seen.body
            self.check(
                each.id,
                stored_request=step.call.request.body == self.body(each),
                stored_body=step.outcome.response.body == expected.body,
                stored_status=step.outcome.response.status == each.response.status,
                complete=step.outcome.ended == "complete",
            )
            if batch.way.cut is not None:
                chunks = step.outcome.response.chunks
                more = len(chunks) - len(seen.pieces)
                self.check(
                    each.id,
                    chunks=filled(chunks) == filled(expected.chunks),
                    # What ends a compressed body holds none of its bytes.
                    chunk_count=more in ({0, 1} if batch.way.gzip else {0}),
                )
            if step.call.kind == "model":
                self.reading(step, each)

    def body(self, each: CorpusInteraction) -> bytes:
        """What of a request may be stored."""
        return self.redactor.request(each.request).body

    def expected(self, stored: HttpResponse, seen: Seen) -> HttpResponse:
        """What of a response may be stored."""
        chunks = tuple(Chunk(data=piece) for piece in seen.pieces)
        live = HttpResponse(status=seen.status, headers=stored.headers, chunks=chunks)
        return self.redactor.response(live)

    def reading(self, step: Step, each: CorpusInteraction) -> None:
        """A model step says what its codec reads off the wire, nothing redacted away."""
        codec = codec_of(each) or UnknownApi()
        kind = header(each.response.headers, "content-type")
        sent = codec.request(each.request.body, step.call.request.url)
        came = codec.response(each.response.body, kind)
        # Of an API of no known shape nothing can be known.
        said = each.response.body if codec_of(each) else b""
        self.check(
            each.id,
            usage_there=step.response.usage.output_tokens or not COUNTED.search(said),
            finish_there=step.response.finish_reasons or not FINISHED.search(said),
            usage=step.response.usage == came.usage,
            finish=step.response.finish_reasons == came.finish_reasons,
            complete_reading=step.response.complete == came.complete,
            parts=shape(step.response) == shape(came),
            asked_parts=shape(step.request) == shape(sent),
        )
        if self.raw:
            read = codec.response(step.outcome.response.body, kind)
            self.check(
                each.id,
                request_reading=step.request == sent,
                response_reading=step.response == came == read,
            )

    def replayed(self, run: Run, batch: Batch, live: list[Seen]) -> None:
        """The clients saw the stored bytes again, in the same pieces."""
        for step, each, then, now in zip(
            run.steps, batch.exchanges, live, batch.seen, strict=True
        ):
            expected = self.expected(step.outcome.response, then)
            self.check(
                each.id,
                replayed_status=now.status == then.status,
                replayed_body=now.body == expected.body,
                replayed_chunks=batch.way.cut is None
                or [*now.pieces] == filled(expected.chunks),
            )


def ends(pieces) -> set[int]:
    """Where pieces end, from the beginning of the body."""
    return set(accumulate(map(len, pieces)))


def filled(chunks: Iterable[Chunk]) -> list[bytes]:
    """The chunks that a client gets: a secret cut in two leaves an empty one."""
    return [chunk.data for chunk in chunks if chunk.data]


def shape(said) -> list[tuple[str, list[str]]]:
    """What messages consist of, whatever they say."""
    return [
        (each.role, [str(part["type"]) for part in each.parts])
        for each in said.messages
    ]


class Loop:
    """Takes interactions round the loop and counts how many come back right."""

    def __init__(self, url: str, redact: str, looped, **settings) -> None:
        self.url, self.redact, self.looped = url, redact, looped
        self.settings = {"redact": redact, "redact_patterns": (WORDS,), **settings}
        self.problems: dict[str, list[str]] = {}
        self.changed = 0

    async def round(self, api: str, way: Way, given: list[CorpusInteraction]) -> None:
        """Record, load and replay interactions, in as many runs as it takes."""
        if not given:
            return
        otel_agent_replay.configure(store=self.url, **self.settings)
        pairs = []
        for batch in batches(way, given):
            await batch.play()
            pairs.append((batch, [*batch.seen]))
        assert otel_agent_replay.flush()
        with open_store(self.url) as store:
            ids = [each.run_id for each in store.runs(limit=len(pairs))]
            # The newest is listed first.
            runs = [store.load(run_id) for run_id in reversed(ids)]
        right = changed = 0
        for (batch, live), run in zip(pairs, runs, strict=True):
            checker = await self.again(run, batch, live)
            self.problems |= checker.problems
            right += checker.right(batch)
            changed += checker.changed
        otel_agent_replay.shutdown()
        self.changed += changed
        mode, but = (
            (way.name, "")
            if self.redact == "off"
            else (f"{way.name}, redacted", f", {changed} answers redacted")
        )
        self.looped(api, mode, f"{right} of {len(given)}{but}")

    async def again(self, run: Run, batch: Batch, live: list[Seen]) -> Checker:
        """Check a stored run and replay it, its server gone."""
        redactor, notes = redactor_of_run(run, load_settings(self.settings))
        checker = Checker(redactor, raw=self.redact == "off")
        kinds = {"model"} if codec_of(batch.exchanges[0]) else {"http"}
        if "model_apis" in self.settings:
            kinds |= {"model"}
        checker.check(run.run_id, policy=notes == ())
        checker.served(batch)
        checker.stored(run, batch, kinds)
        if not checker.problems:
            with replay(run) as session:
                await batch.play()
            checker.replayed(run, batch, live)
            checker.check(
                run.run_id,
                divergences=session.report.divergences == (),
                all_served=len(session.report.served) == len(run.steps),
                nothing_live=session.report.live == (),
                compared=compare(run, session.run).same,
            )
        return checker


@pytest.fixture
def loop(tmp_path, looped):
    """Make a loop through a new store."""

    def make(redact: str, **settings) -> Loop:
        return Loop(f"sqlite:///{tmp_path}/runs.db", redact, looped, **settings)

    return make


@pytest.mark.parametrize("redact", ["off", "default"])
@pytest.mark.parametrize("api", [codec.api for codec in CODECS])
async def test_every_interaction_of_a_known_api_comes_back(api, redact, loop):
    """Whole and streamed, bytes, chunks and reading survive the store; replay agrees."""
    around = loop(redact)
    known = [e for e in interactions() if (c := codec_of(e)) and c.api == api]
    streams = [each for each in known if is_stream(each)]
    plain = [each for each in known if not is_stream(each)]
    ways = [
        (PLAIN, plain),
        (BY_EVENT, streams),
        (ANYWHERE, streams),
        (GZIPPED, plain if redact == "off" else []),
        (GZIPPED_STREAM, streams),
    ]
    for way, given in ways:
        await around.round(api, way, given)
    assert known
    assert around.problems == {}
    # Vectors say no words.
    assert around.changed or redact == "off" or "embeddings" in api


@pytest.mark.parametrize("redact", ["off", "default"])
@pytest.mark.parametrize("declared", [(), ("127.0.0.1/*",)], ids=["http", "declared"])
async def test_every_other_interaction_comes_back(declared, redact, loop):
    """What no codec reads is an HTTP call, or a model call of a declared API."""
    around = loop(redact, model_apis=declared) if declared else loop(redact)
    others = [each for each in interactions() if codec_of(each) is None]
    name = "declared model APIs" if declared else "other HTTP"
    for way, given in [
        (PLAIN, others),
        (ANYWHERE, [e for e in others if is_stream(e)]),
    ]:
        await around.round(name, way, given)
    assert others
    assert around.problems == {}
    assert around.changed or redact == "off"
