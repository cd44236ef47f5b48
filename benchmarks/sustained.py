"""How many steps of growing conversations go through the pipeline in a second.

    python benchmarks/sustained.py [--off] [--rate N] [--steps N] [--check] [--profile]

replays the conversations that AGENT_REPLAY_CORPUS has as OpenAI chat calls: each
step repeats the whole history and a constant list of tools, as agents do, and has
the headers that the API's SDK and server send. Printed is the CPU time of a step in
each stage: packed (redacted, described, cut into contents), written for the spool,
stored in SQLite. Then the whole pipeline, from its queue until all is in a SQLite
file: as fast as it can, alone and beside a thread of the application that never
waits, and beside it at a steady rate. For the thread there is its share of what it
does alone. --off redacts nothing. Absolute numbers vary with the machine.
"""

from __future__ import annotations

import argparse
import cProfile
import hashlib
import pstats
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import set_span_in_context

from otel_agent_replay import semconv
from otel_agent_replay._setup.codecs import Codecs, decoded
from otel_agent_replay.capture.encode import Finisher
from otel_agent_replay.capture.finished import FinishedSpan, Payload
from otel_agent_replay.capture.losses import Losses
from otel_agent_replay.capture.pipeline import Outlet, Pipeline, Queue
from otel_agent_replay.capture.record import to_record
from otel_agent_replay.capture.spool.frames import framed
from otel_agent_replay.capture.spool.spooled import written_spans
from otel_agent_replay.model.call import Call, Outcome
from otel_agent_replay.model.content import PackedBatch, PackedSpan, unpack
from otel_agent_replay.model.payload import (
    Chunk,
    Headers,
    HttpRequest,
    HttpResponse,
    JsonObject,
    JsonValue,
    dump_json,
)
from otel_agent_replay.redact import Policy, Redactor
from otel_agent_replay.store.sqlite import SqliteStore
from otel_agent_replay.testing.corpus import CORPUS_ABSENT, Trajectory, trajectories

FRAME = 256
"""Spans that are written to the spool at once."""
BATCH = 1000
"""About as many as a second of many agents brings to the store."""
QUEUE = 512 << 20
URL = "https://api.openai.com/v1/chat/completions"
MODEL = "gpt-4o-2024-08-06"
SENT: Headers = (
    ("host", "api.openai.com"),
    ("accept-encoding", "gzip, deflate"),
    ("connection", "keep-alive"),
    ("accept", "application/json"),
    ("content-type", "application/json"),
    ("user-agent", "OpenAI/Python 2.54.0"),
    ("x-stainless-lang", "python"),
    ("x-stainless-package-version", "2.54.0"),
    ("x-stainless-os", "Linux"),
    ("x-stainless-arch", "x64"),
    ("x-stainless-runtime", "CPython"),
    ("x-stainless-runtime-version", "3.12.1"),
    ("authorization", "Bearer sk-proj-Ba4nGq7tXk2LmVw9ZsCe5Rf8Yh1Jd6Np3Tu0Qx"),
    ("x-stainless-async", "false"),
    ("x-stainless-retry-count", "0"),
    ("x-stainless-read-timeout", "600"),
)


def answered(number: int) -> Headers:
    """Return the headers of an answer; some are never the same again."""
    token = hashlib.md5(str(number).encode()).hexdigest()  # noqa: S324 - only looks
    return (
        ("date", f"Sat, 21 Nov 2026 {number // 3600 % 24:02}:00:{number % 60:02} GMT"),
        ("content-type", "application/json"),
        ("transfer-encoding", "chunked"),
        ("connection", "keep-alive"),
        ("access-control-expose-headers", "X-Request-ID"),
        ("openai-organization", "example-org"),
        ("openai-processing-ms", str(300 + number % 900)),
        ("openai-version", "2020-10-01"),
        ("x-ratelimit-limit-requests", "10000"),
        ("x-ratelimit-limit-tokens", "30000000"),
        ("x-ratelimit-remaining-requests", "9999"),
        ("x-ratelimit-remaining-tokens", str(29_990_000 - number % 5000)),
        ("x-ratelimit-reset-requests", "6ms"),
        ("x-ratelimit-reset-tokens", "11ms"),
        ("x-request-id", f"req_{token}"),
        ("strict-transport-security", "max-age=31536000; includeSubDomains; preload"),
        ("cf-cache-status", "DYNAMIC"),
        ("x-content-type-options", "nosniff"),
        ("server", "cloudflare"),
        ("cf-ray", f"{token[:16]}-FRA"),
        ("alt-svc", 'h3=":443"; ma=86400'),
    )


def tools() -> list[JsonValue]:
    """Return about 9 KB of tool definitions, as an airline's agent has them."""
    made: list[JsonValue] = []
    for number in range(14):
        properties: JsonObject = {
            f"{name}_{number}": {
                "type": "string",
                "description": f"The {name} of the reservation, such as '{name[:3]}'.",
            }
            for name in ("user", "flight", "payment", "cabin", "date")
        }
        made.append(
            {
                "type": "function",
                "function": {
                    "name": f"change_reservation_{number}",
                    "description": "Change a reservation after the user confirmed it.",
                    "parameters": {
                        "type": "object",
                        "properties": properties,
                        "required": [*properties],
                    },
                },
            }
        )
    return made


TOOLS = tools()


class Workload:
    """Finished spans of model calls, as the recorder makes them."""

    def __init__(self) -> None:
        provider = TracerProvider(
            resource=Resource.create({"service.name": "bench"}), shutdown_on_exit=False
        )
        self._tracer = provider.get_tracer("otel_agent_replay", "0")
        self._number = 0

    def run(self, trajectory: Trajectory, run_id: str) -> Iterator[FinishedSpan]:
        """Yield the model calls of a conversation, which are of one trace."""
        root = set_span_in_context(self._tracer.start_span("invoke_agent airline"))
        for place, message in enumerate(trajectory.messages):
            if message.get("role") == "assistant":
                yield self._step(trajectory.messages[:place], message, run_id, root)

    def _step(
        self,
        history: Sequence[JsonObject],
        message: JsonObject,
        run_id: str,
        root: Context,
    ) -> FinishedSpan:
        self._number += 1
        number = self._number
        body = dump_json(
            {
                "messages": [*history],
                "model": MODEL,
                "temperature": 0.0,
                "tools": TOOLS,
            }
        )
        request = HttpRequest(
            method="POST",
            url=URL,
            headers=(*SENT, ("content-length", str(len(body.encode())))),
            body=body.encode(),
        )
        response = HttpResponse(
            status=200,
            reason="OK",
            headers=answered(number),
            chunks=(Chunk(data=dump_json(completion(message, number)).encode()),),
        )
        attributes: JsonObject = {
            semconv.OPERATION_NAME: semconv.OP_CHAT,
            semconv.SERVER_ADDRESS: "api.openai.com",
            semconv.REQUEST_MODEL: MODEL,
        }
        call = Call(
            kind="model",
            name="POST api.openai.com/v1/chat/completions",
            request=request,
            effect="write",
            attributes=attributes,
        )
        extra = {
            semconv.AGENT_NAME: "airline",
            semconv.OPERATION_NAME: semconv.OP_CHAT,
            semconv.REQUEST_MODEL: MODEL,
        }
        marks = {
            semconv.RUN_ID: run_id,
            semconv.STEP_KIND: "model",
            semconv.STEP_PROCESS: "5f0c2f1a9b3d4e6f",
            semconv.STEP_EFFECT: "write",
            semconv.STEP_SEQUENCE: number,
        }
        given = {semconv.RUN_ID: run_id, semconv.STEP_KIND: "model", **extra}
        span = self._tracer.start_span(f"chat {MODEL}", root, attributes=given)
        span.end()
        outcome = Outcome(response=response)
        return FinishedSpan(
            span=span,
            payload=Payload(call=call, outcome=outcome),
            extra=extra,
            marks=marks,
        )


def completion(message: JsonObject, number: int) -> JsonObject:
    """Return the answer that a message came in."""
    token = hashlib.md5(str(number).encode()).hexdigest()  # noqa: S324 - only looks
    reason = "tool_calls" if message.get("tool_calls") else "stop"
    details: JsonObject = {"cached_tokens": 1024, "audio_tokens": 0}
    return {
        "id": f"chatcmpl-{token[:29]}",
        "object": "chat.completion",
        "created": 1_732_000_000 + number,
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "message": {**message, "refusal": None, "annotations": []},
                "logprobs": None,
                "finish_reason": reason,
            }
        ],
        "usage": {
            "prompt_tokens": 4000 + number % 1000,
            "completion_tokens": 40 + number % 80,
            "total_tokens": 4040 + number % 1000 + number % 80,
            "prompt_tokens_details": details,
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
        "service_tier": "default",
        "system_fingerprint": "fp_a288987b44",
    }


def finisher(*, off: bool) -> Finisher:
    """Return what the worker has."""
    policy = Policy.off() if off else Policy.default()
    return Finisher(
        redactor=Redactor(policy, b"key"),
        describe=Codecs().describe,
        decode=decoded,
    )


def spent(work: Callable[[], object], steps: int) -> float:
    """Return the microseconds of CPU time a step takes."""
    start = time.thread_time()
    work()
    return (time.thread_time() - start) / steps * 1e6


def cut(spans: Sequence[PackedSpan], size: int) -> Iterator[tuple[PackedSpan, ...]]:
    """Yield the spans in portions."""
    for start in range(0, len(spans), size):
        yield tuple(spans[start : start + size])


def stages(spans: Sequence[FinishedSpan], *, off: bool) -> None:
    """Print what each stage takes for itself."""
    ours = finisher(off=off)
    packed: list[PackedSpan] = []
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder, "store.db"))
        for name, work in (
            ("pack", lambda: packed.extend(ours.pack(each, {}) for each in spans)),
            (
                "spool",
                lambda: [
                    framed("spans", 1, written_spans(e)) for e in cut(packed, FRAME)
                ],
            ),
            (
                "store",
                lambda: [
                    store.write_packed(PackedBatch(token=str(number), spans=each))
                    for number, each in enumerate(cut(packed, BATCH))
                ],
            ),
        ):
            print(f"{name:12} {spent(work, len(spans)):8.0f} us of CPU a step")
        store.close()


class Application(threading.Thread):
    """A thread that computes without a pause."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.rounds = 0
        self.done = False

    def run(self) -> None:
        """Count until told to stop."""
        while not self.done:
            sum(range(1000))
            self.rounds += 1


def rounds_alone(seconds: float = 1.0) -> float:
    """Return how many rounds a second the application does with nothing beside it."""
    application = Application()
    application.start()
    time.sleep(seconds)
    application.done = True
    application.join()
    return application.rounds / seconds


@dataclass(frozen=True, kw_only=True)
class Passed:
    """How spans went through the pipeline."""

    steps: int
    seconds: float
    cpu: float
    dropped: int
    rounds: float


def through(
    spans: Sequence[FinishedSpan], *, off: bool, busy: bool, rate: float
) -> Passed:
    """Send spans through a pipeline into a SQLite file; wait until they are there."""
    losses, application = Losses(), Application()
    with tempfile.TemporaryDirectory() as folder:
        outlet = Outlet(
            finisher=partial(finisher, off=off),
            writer=lambda: SqliteStore(Path(folder, "store.db")),
            spool=Path(folder, "spool"),
        )
        pipeline = Pipeline(outlet, losses=losses, queue=Queue(bytes=QUEUE))
        if busy:
            application.start()
        start, cpu = time.perf_counter(), time.process_time()
        for number, each in enumerate(spans):
            pipeline.put(each)
            ahead = number / rate - (time.perf_counter() - start) if rate else 0
            if ahead > 0:
                time.sleep(ahead)
        stored = pipeline.flush(600)
        seconds = time.perf_counter() - start
        cpu = time.process_time() - cpu
        application.done = True
        rounds = application.rounds / seconds
        pipeline.shutdown()
    dropped = sum(losses.total().values()) if stored else len(spans)
    return Passed(
        steps=len(spans), seconds=seconds, cpu=cpu, dropped=dropped, rounds=rounds
    )


def whole(spans: Sequence[FinishedSpan], *, off: bool, rate: float) -> None:
    """Print how spans go through the whole pipeline."""
    alone = rounds_alone()
    for name, busy, pace in (
        ("idle", False, 0.0),
        ("busy", True, 0.0),
        (f"busy, {rate:.0f}/s", True, rate),
    ):
        found = through(spans, off=off, busy=busy, rate=pace)
        line = f"{name:12} {found.steps / found.seconds:8.0f} steps/s"
        if busy:
            line += f", the application at {found.rounds / alone:.0%}"
        else:
            line += f", {found.cpu / found.steps * 1e6:.0f} us of CPU a step"
        print(f"{line}, dropped {found.dropped}")


def check(spans: Sequence[FinishedSpan], *, off: bool) -> None:
    """Fail where what is packed does not read back as what is finished."""
    packs, finishes = finisher(off=off), finisher(off=off)
    contents: dict[tuple[str, bytes], str] = {}
    for span in spans:
        packed = packs.pack(span, {})
        contents |= {(packed.scope, key): t for key, t in packed.contents.items()}
        whole = to_record(finishes.finish(span, {}))
        if unpack([packed.span], contents) != (whole,):
            raise AssertionError(whole.name)


def options() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--off", action="store_true", help="redact nothing")
    parser.add_argument("--rate", type=float, default=1000.0, help="steps a second")
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--check", action="store_true", help="read all back first")
    parser.add_argument("--profile", action="store_true", help="only that of packing")
    parser.add_argument("--sort", default="tottime")
    parser.add_argument("--lines", type=int, default=45)
    return parser.parse_args()


def steps_of(number: int) -> list[FinishedSpan]:
    """Return steps; the conversations come again, as other runs, until it is enough."""
    workload, found = Workload(), list[FinishedSpan]()
    conversations = list(trajectories())
    while conversations and len(found) < number:
        for each in conversations:
            found += workload.run(each, f"run-{len(found)}")
    return found[:number]


def main() -> None:
    """Print a table."""
    asked = options()
    spans = steps_of(asked.steps)
    if not spans:
        print(CORPUS_ABSENT)
        return
    if asked.check:
        check(spans, off=asked.off)
    size = sum(each.payload.size for each in spans if each.payload) / len(spans)
    print(f"{len(spans)} steps, {size / 1024:.1f} KB each")
    ours = finisher(off=asked.off)
    ours.pack(spans[0], {})  # imports what is imported once
    ours.forget()
    if asked.profile:
        profile = cProfile.Profile(time.thread_time)
        profile.runcall(lambda: [ours.pack(each, {}) for each in spans])
        pstats.Stats(profile).sort_stats(asked.sort).print_stats(asked.lines)
        return
    stages(spans, off=asked.off)
    whole(spans, off=asked.off, rate=asked.rate)


if __name__ == "__main__":
    main()
