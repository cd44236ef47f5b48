"""Recorder, pipeline and instruments, put together."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from otel_agent_replay import intercept
from otel_agent_replay._setup.codecs import Codecs, decoded
from otel_agent_replay._setup.doubts import intentions_in
from otel_agent_replay._setup.pool_tasks import failing_task
from otel_agent_replay._setup.program import environment, program_name
from otel_agent_replay._setup.redaction import (
    KEY_SETTING,
    key_of_store,
    policy_of,
    redactor_for,
)
from otel_agent_replay._setup.remembering import Remembering
from otel_agent_replay._setup.sampling import rates_of
from otel_agent_replay._setup.session_folder import children_store
from otel_agent_replay._setup.spools import keep_key, kept_key, limits_of, spool_of
from otel_agent_replay._version import __version__
from otel_agent_replay.capture.encode import Finisher
from otel_agent_replay.capture.guard import LOGGER, kept_away
from otel_agent_replay.capture.ids import OwnIds
from otel_agent_replay.capture.intentions import Intentions
from otel_agent_replay.capture.losses import Losses
from otel_agent_replay.capture.pipeline import Outlet, Pipeline, Queue
from otel_agent_replay.capture.processor import AgentReplaySpanProcessor
from otel_agent_replay.capture.recorder import Recorder
from otel_agent_replay.capture.runs import RunDefaults, RunOrigin
from otel_agent_replay.capture.sampling import Rates
from otel_agent_replay.capture.tap import tap
from otel_agent_replay.config import Settings
from otel_agent_replay.instrument import http, named, threads
from otel_agent_replay.instrument.http.exchange import endpoint
from otel_agent_replay.instrument.http.settings import HttpSettings
from otel_agent_replay.instrument.providers.peek import peek_model
from otel_agent_replay.instrument.providers.prices import cost_usd
from otel_agent_replay.model.messages import Usage
from otel_agent_replay.model.run import PolicyId
from otel_agent_replay.redact import Redactor
from otel_agent_replay.store import open_store
from otel_agent_replay.store.base import Store

__all__ = [
    "SCOPE",
    "SWITCH",
    "Parts",
    "instrument",
    "is_switched_off",
    "make_parts",
    "make_pipeline",
]

SCOPE: Final = "otel_agent_replay"
"""Name of the tracer and the meter."""
SWITCH: Final = "OTEL_SDK_DISABLED"
_SERVER: Final = "clickhouse://"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What records."""

    recorder: Recorder
    processor: AgentReplaySpanProcessor
    pipeline: Pipeline
    losses: Losses
    intentions: Intentions

    def finish(self, timeout: float = 30.0) -> bool:
        """End the run of the process and write everything; False if time ran out."""
        self.close()
        return self.shutdown(timeout)

    def close(self) -> None:
        """End the run of the process."""
        http.close_streams()
        self.recorder.finish()
        self.intentions.close()

    def spooled(self, timeout: float) -> bool:
        """Wait until all that has ended is in the spool; False if time ran out."""
        return self.pipeline.spooled(timeout)

    def flush(self, timeout: float) -> bool:
        """Wait until all that has ended is stored; False if time ran out."""
        return self.pipeline.flush(timeout)

    def drained(self, timeout: float) -> bool:
        """Take no more, and write what can be; False if it is still at that."""
        return self.pipeline.drained(timeout)

    def shutdown(self, timeout: float = 30.0) -> bool:
        """Write everything and end what writes; False if time ran out."""
        return self.pipeline.shutdown(timeout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """What keeps the run of a replay in memory; nothing of it is stored."""

    recorder: Remembering
    redactor: Redactor
    losses: Losses
    settings: Settings
    intentions: Intentions

    @classmethod
    def of(cls, settings: Settings, redactor: Redactor, directory: str) -> Light:
        """Return a new one; writes that may run have their intentions in a directory."""
        recorder = Remembering(before_end=http.close_streams)
        return cls(
            recorder=recorder,
            redactor=redactor,
            losses=Losses(),
            settings=settings,
            intentions=intentions_in(
                children_store(directory), recorder, lambda: redactor
            ),
        )

    @property
    def defaults(self) -> RunDefaults:
        """What the run has, unless the agent says otherwise."""
        return _defaults(self.settings, self.redactor.policy.identity)

    def flush(self, timeout: float = 30.0) -> bool:
        """Return at once: there is nothing to write."""
        del timeout
        return True

    spooled = drained = shutdown = flush


def is_switched_off() -> bool:
    """Return whether the user has switched OpenTelemetry's SDK off."""
    return os.environ.get(SWITCH, "").strip().lower() == "true"


def make_parts(
    settings: Settings,
    provider: TracerProvider | None,
    *,
    store_url: str | None = None,
    redactor: Redactor | None = None,
    origin: RunOrigin | None = None,
) -> Parts:
    """Return what records under these settings.

    Args:
        settings: The settings.
        provider: Whose tracer makes the spans; None makes a private one.
        store_url: Where to write; the settings' store if not given.
        redactor: The redactor; by default that of the settings and the store's key.
        origin: Where the next run comes from.
    """
    losses = Losses()
    pipeline = make_pipeline(
        settings,
        losses,
        store_url=store_url,
        redactor=redactor,
        whole=origin is not None or redactor is not None,
    )
    processor = AgentReplaySpanProcessor(pipeline)
    private = TracerProvider(
        sampler=ALWAYS_ON,
        id_generator=OwnIds(),
        resource=provider.resource if provider else Resource.create(),
        shutdown_on_exit=False,
    )
    # A session has to write down what it does where OpenTelemetry is switched off too.
    private._disabled = False  # noqa: SLF001 - the environment alone sets it
    private.add_span_processor(processor)
    if provider is not None:
        tap(provider)
    policy = redactor.policy if redactor else policy_of(settings)
    recorder = Recorder(
        (provider or private).get_tracer(SCOPE, __version__),
        processor,
        defaults=_defaults(settings, policy.identity),
        losses=losses,
        origin=origin,
        fallback=private.get_tracer(SCOPE, __version__),
        before_end=http.close_streams,
    )
    url = store_url or settings.store
    return Parts(
        recorder=recorder,
        processor=processor,
        pipeline=pipeline,
        losses=losses,
        intentions=intentions_in(
            url,
            recorder,
            lambda: redactor or _redactor(settings, url),
            pipeline.spooled,
        ),
    )


def make_pipeline(
    settings: Settings,
    losses: Losses,
    *,
    store_url: str | None = None,
    redactor: Redactor | None = None,
    whole: bool = False,
) -> Pipeline:
    """Return what redacts spans and writes them; arguments as of `make_parts`.

    With `whole` no run is sampled out: one that goes on with another must stay.
    """
    return Pipeline(
        _outlet(settings, store_url or settings.store, redactor, whole=whole),
        exporters=_exporters(settings),
        losses=losses,
        queue=Queue(
            bytes=settings.queue_bytes,
            wait=settings.block_ms / 1000 if settings.when_full == "block" else 0.0,
        ),
    )


def _outlet(
    settings: Settings,
    store_url: str,
    redactor: Redactor | None,
    *,
    whole: bool,
) -> Outlet:
    """Return what redacts and what stores; both are opened by threads of ours."""
    codecs = Codecs(settings.model_apis)
    spool = spool_of(settings, store_url)

    def finisher() -> Finisher:
        return Finisher(
            redactor=redactor or _redactor(settings, store_url),
            describe=codecs.describe,
            decode=decoded,
        )

    return Outlet(
        finisher=finisher,
        writer=partial(_opened, store_url, spool),
        spool=spool,
        prepare=_load_prices,
        limits=limits_of(settings),
        rates=Rates() if whole else rates_of(settings),
    )


def _redactor(settings: Settings, store_url: str) -> Redactor:
    off = settings.redact == "off" or settings.redaction_key is not None
    key = b"" if off else _key(store_url, spool_of(settings, store_url))
    return redactor_for(settings, key)


def _load_prices() -> None:
    """Load the price list: it takes up to a second, once."""
    cost_usd("openai", "gpt-4o", Usage(input_tokens=1), datetime.now(UTC))


def _key(store_url: str, spool: Path | None) -> bytes:
    """Return the key of the store's pseudonyms; that of a server as last seen here.

    A server may be away, or slow to answer, and meanwhile nothing could be redacted.

    Raises:
        StoreError: The store is away, and was never seen here.
    """
    server = store_url.startswith(_SERVER)
    known = kept_key(spool) if server else None
    if known is not None:
        return known
    store = open_store(store_url)
    try:
        key = key_of_store(store)
    finally:
        store.close()
    if server:
        keep_key(spool, key)
    return key


def _opened(store_url: str, spool: Path | None) -> Store:
    """Open a store; say so if its key is not the one that was last seen here."""
    store = open_store(store_url)
    known = kept_key(spool)
    if known is None:
        return store
    key = store.set_setting_once(KEY_SETTING, known.decode()).encode()
    if key != known:
        keep_key(spool, key)
        LOGGER.error(
            "The store has another key for pseudonyms than when it was last seen: what "
            "this process redacts does not match other runs. Restart it.",
        )
    return store


def _exporters(settings: Settings) -> Sequence[Callable[[], SpanExporter]]:
    if settings.otlp_endpoint is None:
        return ()
    # Its import takes as long as all of ours; only who sends over OTLP pays for it.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )

    base = settings.otlp_endpoint.rstrip("/")
    url = base if base.endswith("/v1/traces") else f"{base}/v1/traces"
    return (partial(OTLPSpanExporter, endpoint=url),)


def _defaults(settings: Settings, policy: PolicyId) -> RunDefaults:
    return RunDefaults(
        agent_name=settings.agent_name or program_name(),
        agent_version=settings.agent_version,
        user=settings.user,
        conversation=settings.conversation,
        prompt_name=settings.prompt_name,
        prompt_version=settings.prompt_version,
        tags=settings.tags,
        run_class=settings.run_class,
        environment=environment(settings),
        policy=policy,
    )


def instrument(settings: Settings, parts: Parts | Light) -> None:
    """Put every instrument in place; calling it again changes settings and parts."""
    codecs = Codecs(settings.model_apis)
    own = [endpoint(url) for url in _own_urls(settings)]

    def count_failure(what: str, error: Exception) -> None:
        run = parts.recorder.run_of(intercept.current())
        kept_away(what, error, parts.losses, run.run_id if run else "")

    http.install(
        HttpSettings(
            is_model=codecs.operation,
            peek_model=peek_model,
            allow_hosts=settings.http_allow,
            deny_hosts=settings.http_deny,
            own_endpoints=frozenset(filter(None, own)),
            on_failure=count_failure,
        ),
    )
    threads.install(task=failing_task)
    named.install(settings.tools)


def _own_urls(settings: Settings) -> list[str]:
    """Return where telemetry itself goes; that traffic is never recorded."""
    names = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    urls = [os.environ.get(name, "") for name in names]
    return [*urls, settings.otlp_endpoint or "", _http_url(settings.store)]


def _http_url(store: str) -> str:
    """Return the HTTP address of a ClickHouse store; empty for other stores."""
    if not store.startswith(_SERVER):
        return ""
    split = urlsplit(store)
    port = split.port or (8443 if "secure=true" in split.query.lower() else 8123)
    return f"http://{split.hostname}:{port}"
