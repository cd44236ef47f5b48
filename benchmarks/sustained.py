"""How many redacted steps of growing conversations the worker packs in a second.

    python benchmarks/sustained.py [--off] [--busy] [--profile] [--steps N]

replays the conversations that AGENT_REPLAY_CORPUS has as OpenAI chat calls: each
step repeats the whole history and a constant list of tools, as agents do, and has
the headers that the API's SDK and server send. Printed is the time of a step in
each stage; --busy runs an application thread beside it that never waits, --off
redacts nothing. Absolute numbers vary with the machine.
"""

from __future__ import annotations

import argparse
import cProfile
import hashlib
import pstats
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider

from otel_agent_replay import semconv
from otel_agent_replay._setup.codecs import Codecs, decoded
from otel_agent_replay.capture.encode import Finisher
from otel_agent_replay.capture.finished import FinishedSpan, Payload
from otel_agent_replay.capture.record import to_record
from otel_agent_replay.model.call import Call, Outcome
from otel_agent_replay.model.content import Packer, unpack
from otel_agent_replay.model.payload import (
    Chunk,
    Headers,
    HttpRequest,
    HttpResponse,
    JsonObject,
    JsonValue,
    dump_json,
)
from otel_agent_replay.model.span import SpanRecord
from otel_agent_replay.redact import Policy, Redactor
from otel_agent_replay.testing.corpus import CORPUS_ABSENT, Trajectory, trajectories

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
        """Yield the model calls of a conversation."""
        for place, message in enumerate(trajectory.messages):
            if message.get("role") == "assistant":
                yield self._step(trajectory.messages[:place], message, run_id)

    def _step(
        self, history: Sequence[JsonObject], message: JsonObject, run_id: str
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
        span = self._tracer.start_span(f"chat {MODEL}", attributes=given)
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


def spent(
    work: Callable[[FinishedSpan], object], spans: Sequence[FinishedSpan]
) -> float:
    """Return the microseconds of CPU time a step takes."""
    start = time.thread_time()
    for span in spans:
        work(span)
    return (time.thread_time() - start) / len(spans) * 1e6


class Application(threading.Thread):
    """A thread that computes without a pause."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.done = False

    def run(self) -> None:
        """Count until told to stop."""
        while not self.done:
            sum(range(1000))


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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--off", action="store_true")
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--sort", default="tottime")
    parser.add_argument("--lines", type=int, default=45)
    parser.add_argument("--steps", type=int, default=2000)
    return parser.parse_args()


def whole_run(spans: Sequence[FinishedSpan], *, off: bool, busy: bool) -> None:
    """Print how long a step takes to be packed, and how many a second."""
    application = Application()
    if busy:
        application.start()
    ours = finisher(off=off)
    start = time.perf_counter()
    packing = spent(lambda each: ours.pack(each, {}), spans)
    elapsed = time.perf_counter() - start
    application.done = True
    print(f"pack      {packing:8.0f} us of CPU a step")
    beside = " beside a busy application" if busy else ""
    print(f"          {len(spans) / elapsed:8.0f} steps/s{beside}")


def stages(spans: Sequence[FinishedSpan], *, off: bool) -> None:
    """Print what the stages take when each step is taken for itself."""
    other, packer = finisher(off=off), Packer()
    ready: list[ReadableSpan] = []
    made: list[SpanRecord] = []
    for name, work in (
        ("finish", lambda n: ready.append(other.finish(spans[n], {}))),
        ("to_record", lambda n: made.append(to_record(ready[n]))),
        ("Packer", lambda n: packer.pack(made[n])),
    ):
        start = time.thread_time()
        for number in range(len(spans)):
            work(number)
        taken = (time.thread_time() - start) / len(spans) * 1e6
        print(f"{name:9} {taken:8.0f} us")


def main() -> None:
    """Print a table."""
    asked = options()
    workload = Workload()
    spans = [
        step
        for number, each in enumerate(trajectories())
        for step in workload.run(each, f"run-{number}")
    ][: asked.steps]
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
        profile.runcall(spent, lambda each: ours.pack(each, {}), spans)
        pstats.Stats(profile).sort_stats(asked.sort).print_stats(asked.lines)
        return
    whole_run(spans, off=asked.off, busy=asked.busy)
    if not asked.busy:
        stages(spans, off=asked.off)


if __name__ == "__main__":
    main()
