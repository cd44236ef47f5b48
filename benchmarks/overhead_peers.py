"""How each recorder of chat calls is started, flushed and read back.

Each is imported only where it is measured: their pins exclude one another.
"""

from __future__ import annotations

import atexit
import functools
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from overhead_sink import Sink, strings_in

__all__ = ["OURS", "PEERS", "Peer", "Started"]

OURS: Final = "ours"
_PROJECT: Final = Path(__file__).parent.parent
Level = Literal["create", "request", "wire"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A recorder at work.

    Attributes:
        flush: Waits until all is exported or stored.
        texts: Returns the texts stored or exported since it was asked last.
        spans, logs: Where its telemetry goes; unused by those with a store.
        instrument: Puts one client under it, where clients are not found by class.
        plain: Starts it again so that nothing is redacted, to be read back.
    """

    flush: Callable[[], object]
    texts: Callable[[], set[str]]
    spans: Sink = field(default_factory=Sink)
    logs: Sink = field(default_factory=Sink)
    instrument: Callable[[Any], object] = lambda _: None
    plain: Callable[[], object] = lambda: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A recorder to be measured.

    Attributes:
        package: The distribution whose version is shown.
        requires: What its interpreter needs besides requirements-overhead.txt.
        level: What it wraps: `Completions.create`, the client's `request`, or HTTP.
        start: Starts it.
        reference: Whether it is a floor written by hand, not a product.
    """

    package: str
    requires: tuple[str, ...]
    level: Level
    start: Callable[[], Started]
    reference: bool = False


def _ours() -> Started:
    import otel_agent_replay  # noqa: PLC0415

    folder = _folder()
    store, seen = f"sqlite:///{folder}/timed.db", f"sqlite:///{folder}/read.db"
    otel_agent_replay.configure(store=store)

    def texts() -> set[str]:
        with otel_agent_replay.open_store(seen) as opened:
            runs = [opened.load(each.run_id) for each in opened.runs()]
        if not runs or not runs[0].steps:
            return set()
        step = runs[0].steps[-1]
        request, response = step.call.request, step.outcome.response
        assert request
        assert response
        return {*strings_in(request.body.decode()), *strings_in(response.body.decode())}

    return Started(
        flush=otel_agent_replay.flush,
        texts=texts,
        plain=lambda: otel_agent_replay.configure(store=seen, redact="off"),
    )


def _folder() -> Path:
    """Return a folder that is there until the process ends."""
    made = tempfile.TemporaryDirectory(prefix="overhead-", ignore_cleanup_errors=True)
    atexit.register(made.cleanup)
    return Path(made.name)


def _otel(
    begin: Callable[[Any, Any], object], instrument: Callable[[Any], object] | None
) -> Started:
    """Start a provider with a batch processor for spans and one for log records."""
    from opentelemetry.sdk._logs import LoggerProvider  # noqa: PLC0415
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    spans, logs = Sink(), Sink()
    provider, log_provider = TracerProvider(), LoggerProvider()
    provider.add_span_processor(BatchSpanProcessor(spans))  # type: ignore[arg-type]
    log_provider.add_log_record_processor(BatchLogRecordProcessor(logs))  # type: ignore[arg-type]
    begin(provider, log_provider)

    def flush() -> None:
        provider.force_flush()
        log_provider.force_flush()

    return Started(
        flush=flush,
        texts=_kept(spans, logs),
        spans=spans,
        logs=logs,
        instrument=instrument or (lambda _: None),
    )


def _kept(*sinks: Sink) -> Callable[[], set[str]]:
    def texts() -> set[str]:
        found = set().union(*(each.texts for each in sinks))
        for each in sinks:
            each.texts.clear()
        return found

    return texts


def _by_hand(*, payload: bool) -> Started:
    from openai.resources.chat.completions import Completions  # noqa: PLC0415

    def begin(provider: Any, _: Any) -> None:  # noqa: ANN401
        tracer = provider.get_tracer("benchmark")
        original = Completions.create

        @functools.wraps(original)
        def create(self: object, **asked: Any) -> Any:  # noqa: ANN401
            return _spanned(
                tracer, functools.partial(original, self), asked, payload=payload
            )

        Completions.create = create  # type: ignore[method-assign]

    return _otel(begin, None)


def _spanned(
    tracer: Any,  # noqa: ANN401
    call: Callable[..., Any],
    asked: dict[str, Any],
    *,
    payload: bool,
) -> Any:  # noqa: ANN401
    import json  # noqa: PLC0415

    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": asked["model"],
        "gen_ai.request.temperature": asked["temperature"],
        "server.address": "api.openai.com",
        "server.port": 443,
    }
    with tracer.start_as_current_span("chat gpt-4o", attributes=attributes) as span:
        answer = call(**asked)
        span.set_attribute("gen_ai.response.id", answer.id)
        span.set_attribute("gen_ai.response.model", answer.model)
        span.set_attribute("gen_ai.usage.input_tokens", answer.usage.prompt_tokens)
        span.set_attribute("gen_ai.usage.output_tokens", answer.usage.completion_tokens)
        if payload:
            span.set_attribute("request", json.dumps(asked))  # noqa: TID251
            span.set_attribute("response", answer.to_json())
        return answer


def _openllmetry() -> Started:
    def begin(provider: Any, _: Any) -> None:  # noqa: ANN401
        from opentelemetry.instrumentation.openai import (  # noqa: PLC0415
            OpenAIInstrumentor,
        )

        OpenAIInstrumentor().instrument(tracer_provider=provider)

    return _otel(begin, None)


def _openinference() -> Started:
    def begin(provider: Any, _: Any) -> None:  # noqa: ANN401
        from openinference.instrumentation.openai import (  # noqa: PLC0415
            OpenAIInstrumentor,
        )

        OpenAIInstrumentor().instrument(tracer_provider=provider)

    return _otel(begin, None)


def _openai_v2() -> Started:
    os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "true"

    def begin(provider: Any, log_provider: Any) -> None:  # noqa: ANN401
        from opentelemetry.instrumentation.openai_v2 import (  # noqa: PLC0415
            OpenAIInstrumentor,
        )

        OpenAIInstrumentor().instrument(
            tracer_provider=provider, logger_provider=log_provider
        )

    return _otel(begin, None)


def _genai_openai() -> Started:
    os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "SPAN_ONLY"

    def begin(provider: Any, log_provider: Any) -> None:  # noqa: ANN401
        from opentelemetry.instrumentation.genai.openai import (  # noqa: PLC0415
            OpenAIInstrumentor,
        )

        OpenAIInstrumentor().instrument(
            tracer_provider=provider, logger_provider=log_provider
        )

    return _otel(begin, None)


def _langfuse() -> Started:
    from langfuse import Langfuse  # noqa: PLC0415

    spans = Sink()
    client = Langfuse(
        public_key="pk-lf-1",
        secret_key="sk-lf-1",  # noqa: S106 - made up
        base_url="http://127.0.0.1:9",
        span_exporter=spans,
    )
    import langfuse.openai  # noqa: F401, PLC0415 - it wraps the client

    return Started(flush=client.flush, texts=_kept(spans), spans=spans)


def _logfire() -> Started:
    import logfire  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    spans = Sink()
    logfire.configure(
        send_to_logfire=False,
        console=False,
        additional_span_processors=[BatchSpanProcessor(spans)],
    )
    return Started(
        flush=logfire.force_flush,
        texts=_kept(spans),
        spans=spans,
        instrument=lambda client: logfire.instrument_openai(
            client, suppress_other_instrumentation=False
        ),
    )


def _mlflow() -> Started:
    import mlflow  # noqa: PLC0415

    folder = _folder()
    os.chdir(folder)  # it writes beside its database and here
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    mlflow.openai.autolog()
    asked: set[str] = set()

    def texts() -> set[str]:
        traces = mlflow.search_traces(
            max_results=1, return_type="list", order_by=["timestamp_ms DESC"]
        )
        new = [each for each in traces if each.info.trace_id not in asked]
        asked.update(each.info.trace_id for each in new)
        return {text for each in new for text in strings_in(each.to_dict())}

    return Started(
        flush=functools.partial(mlflow.flush_trace_async_logging), texts=texts
    )


PEERS: Final[dict[str, Peer]] = {
    OURS: Peer(
        package="otel-agent-replay",
        requires=("--editable", str(_PROJECT)),
        level="wire",
        start=_ours,
    ),
    "otel-sdk": Peer(
        package="opentelemetry-sdk",
        requires=(),
        level="create",
        start=functools.partial(_by_hand, payload=False),
        reference=True,
    ),
    "otel-sdk+json": Peer(
        package="opentelemetry-sdk",
        requires=(),
        level="create",
        start=functools.partial(_by_hand, payload=True),
        reference=True,
    ),
    "openllmetry": Peer(
        package="opentelemetry-instrumentation-openai",
        requires=("opentelemetry-instrumentation-openai",),
        level="create",
        start=_openllmetry,
    ),
    "openinference": Peer(
        package="openinference-instrumentation-openai",
        requires=("openinference-instrumentation-openai",),
        level="request",
        start=_openinference,
    ),
    "langfuse": Peer(
        package="langfuse",
        requires=("langfuse",),
        level="create",
        start=_langfuse,
    ),
    "logfire": Peer(
        package="logfire",
        requires=("logfire",),
        level="request",
        start=_logfire,
    ),
    "mlflow": Peer(
        package="mlflow",
        requires=("mlflow",),
        level="create",
        start=_mlflow,
    ),
    "openai-v2": Peer(
        package="opentelemetry-instrumentation-openai-v2",
        # Later ones do not import with the newest opentelemetry-util-genai.
        requires=("opentelemetry-instrumentation-openai-v2==2.3b0", "wrapt<2"),
        level="create",
        start=_openai_v2,
    ),
    "genai-openai": Peer(
        package="opentelemetry-instrumentation-genai-openai",
        requires=("opentelemetry-instrumentation-genai-openai",),
        level="create",
        start=_genai_openai,
    ),
}
