"""What `doctor` looks at, each as a finding."""

from __future__ import annotations

import difflib
import platform
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from importlib.metadata import PackageNotFoundError, entry_points, version
from typing import Final, Literal, TypeAlias
from urllib.parse import urlsplit

from otel_agent_replay._setup.checking import check
from otel_agent_replay._setup.spools import spool_of, waiting_in
from otel_agent_replay._setup.stores import RunStore, open_store
from otel_agent_replay._version import __version__
from otel_agent_replay.cli.exit_codes import exit_code_of
from otel_agent_replay.cli.found import FIRST_STEP, nothing_stored
from otel_agent_replay.cli.wording import count
from otel_agent_replay.config import (
    ENVIRONMENT_PREFIX,
    Settings,
    environment_name,
    load_settings,
)
from otel_agent_replay.errors import (
    AgentReplayError,
    ConfigurationError,
    StoreAccessError,
    StoreError,
)
from otel_agent_replay.instrument.named import parse_tool

__all__ = ["Finding", "Grade", "findings"]

Grade: TypeAlias = Literal["ok", "note", "warning", "problem"]

_EXPORTERS: Final = "opentelemetry_traces_exporter"
_OURS: Final = "agent_replay"
_CLIENTS: Final = ("httpx2", "httpx", "requests", "urllib3", "aiohttp")
_SDKS: Final = (
    "openai",
    "anthropic",
    "google-genai",
    "litellm",
    "langchain-core",
    "openai-agents",
    "pydantic-ai",
    "mcp",
)
_SWITCH: Final = "OTEL_SDK_DISABLED"
_LIMITS: Final[Mapping[str, int]] = {
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": 1 << 62,
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": 1 << 62,
    "OTEL_ATTRIBUTE_COUNT_LIMIT": 128,
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": 128,
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT": 128,
    "OTEL_SPAN_EVENT_COUNT_LIMIT": 128,
}
"""Limits of the SDK, and from where on they do no harm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that was looked at.

    `exit_code` is what the command exits with where it is a problem.
    """

    area: str
    text: str
    grade: Grade = "ok"
    exit_code: int = 0


def findings(store: str | None, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Give everything that was found, area by area."""
    yield from _installation()
    yield from _opentelemetry(environment)
    yield from _libraries()
    yield from _misspelt(environment)
    try:
        settings = load_settings({"store": store})
        check(settings)
    except ConfigurationError as error:
        yield _problem("settings", error)
        return
    yield from _settings(settings)
    yield from _store(settings.store)
    yield from _spool(settings)


def _problem(area: str, error: AgentReplayError) -> Finding:
    code = int(exit_code_of(error))
    return Finding(area=area, text=str(error), grade="problem", exit_code=code)


def _installation() -> Iterator[Finding]:
    python = f"Python {platform.python_version()} at {sys.executable}"
    yield Finding(area="package", text=f"otel-agent-replay {__version__}, {python}")


def _version_of(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _opentelemetry(environment: Mapping[str, str]) -> Iterator[Finding]:
    area = "opentelemetry"
    yield Finding(area=area, text=f"SDK {_version_of('opentelemetry-sdk')}")
    distro = _version_of("opentelemetry-distro")
    instrument = _version_of("opentelemetry-instrumentation")
    if distro and instrument:
        found = f"opentelemetry-instrument is there ({instrument}, distro {distro})"
        yield Finding(area=area, text=found)
    else:
        missing = "opentelemetry-instrument is not installed: otel-agent-replay[auto]"
        yield Finding(area=area, text=missing, grade="note")
    if _OURS not in {each.name for each in entry_points(group=_EXPORTERS)}:
        text = f"the entry point {_OURS} is missing; install the package again"
        yield Finding(area=area, text=text, grade="warning")
    yield _exporters(environment.get("OTEL_TRACES_EXPORTER"))
    if environment.get(_SWITCH, "").strip().lower() == "true":
        text = f"{_SWITCH} is set: nothing would be recorded; replays still work"
        yield Finding(area=area, text=text, grade="warning")
    yield from _limits(environment)


def _exporters(named: str | None) -> Finding:
    area, name = "opentelemetry", "OTEL_TRACES_EXPORTER"
    if not named:
        text = f"{name} is not set; `opentelemetry-instrument` would not record"
        return Finding(area=area, text=text, grade="note")
    if _OURS in [each.strip() for each in named.split(",")]:
        return Finding(area=area, text=f"{name} names {_OURS}")
    text = f"{name}={named} does not name {_OURS}: opentelemetry-instrument would not "
    return Finding(area=area, text=f"{text}record", grade="note")


def _limits(environment: Mapping[str, str]) -> Iterator[Finding]:
    for name, harmless in _LIMITS.items():
        value = environment.get(name, "").strip()
        if value.isdecimal() and int(value) < harmless:
            text = f"{name}={value} cuts or drops what is recorded; do not set it"
            yield Finding(area="opentelemetry", text=text, grade="warning")


def _libraries() -> Iterator[Finding]:
    clients = _installed(_CLIENTS)
    if clients:
        yield Finding(area="http clients", text=f"{clients}: recorded")
    else:
        text = f"none of {', '.join(_CLIENTS)} is installed: no call can be recorded"
        yield Finding(area="http clients", text=text, grade="warning")
    sdks = _installed(_SDKS) or "none of those we know by name; any works over HTTP"
    yield Finding(area="model sdks", text=sdks)


def _installed(packages: tuple[str, ...]) -> str:
    found = ((package, _version_of(package)) for package in packages)
    return ", ".join(f"{package} {number}" for package, number in found if number)


def _misspelt(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Name variables that are nearly settings: nothing else would tell."""
    known = [environment_name(each.name) for each in fields(Settings)]
    for name in sorted(environment):
        if not name.startswith(ENVIRONMENT_PREFIX) or name in known:
            continue
        for close in difflib.get_close_matches(name, known, n=1, cutoff=0.9):
            text = f"{name} is no setting; did you mean {close}?"
            yield Finding(area="settings", text=text, grade="warning")


def _settings(settings: Settings) -> Iterator[Finding]:
    if settings.redact == "off":
        text = "redaction is off: secrets are stored as they are"
        yield Finding(area="settings", text=text, grade="warning")
    else:
        own = (*settings.redact_patterns, *settings.redact_keys)
        text = f"redaction is on, with {count(len(own), 'rule')} of your own"
        yield Finding(area="settings", text=text)
    tools = [parse_tool(each) for each in settings.tools]
    if tools:
        named = ", ".join(f"{t.module}:{t.path} ({t.effect})" for t in tools)
        yield Finding(area="settings", text=f"tools: {named}")
    if settings.otlp_endpoint:
        host = urlsplit(settings.otlp_endpoint).netloc.rpartition("@")[2]
        text = f"spans are sent to {host} too"
        yield Finding(area="settings", text=text)


def _spool(settings: Settings) -> Iterator[Finding]:
    root = spool_of(settings, settings.store)
    if root is None:
        text = "there is none: what waits for the store is lost with its process"
        yield Finding(area="spool", text=text, grade="warning")
        return
    processes, size = waiting_in(root)
    text = f"{root}: {count(processes, 'process', 'processes')} at work"
    limit = settings.spool_bytes
    near = size > limit / 2
    text += f", {size / 1_000_000:.1f} of {limit / 1_000_000:.0f} MB"
    yield Finding(area="spool", text=text, grade="warning" if near else "ok")


def _store(url: str) -> Iterator[Finding]:
    if nothing_stored(url):
        text = f"{url} is not there yet. {FIRST_STEP}"
        yield Finding(area="store", text=text, grade="note")
        return
    try:
        with open_store(url, create=False) as opened:
            found = opened.check()
            dropped = opened.stats().dropped
            current = found.schema == found.known_schema
            states = _states(opened) if current else 0
    except (StoreError, ConfigurationError) as error:
        yield _problem("store", error)
        return
    yield Finding(area="store", text=f"{found.url}: {found.kind} {found.version}")
    schema = f"schema {found.schema}, this package writes {found.known_schema}"
    yield Finding(area="store", text=schema, grade="ok" if current else "warning")
    size = f"{found.content_bytes / 1_000_000:.1f} MB of payloads"
    rows = f"{count(found.runs, 'run')}, {count(found.spans, 'span')}, {size}"
    yield Finding(area="store", text=rows)
    if states:
        kept = count(states, "checkpoint")
        text = f"{kept} of LangGraph's threads: states as they are, not redacted"
        yield Finding(area="store", text=text, grade="note")
    if dropped:
        lost = ", ".join(f"{many} x {why}" for why, many in dropped.items())
        text = f"its runs lost {lost}; `agent-replay runs` marks them"
        yield Finding(area="store", text=text, grade="warning")
    for each in found.problems:
        yield Finding(area="store", text=each, grade="warning")


def _states(opened: RunStore) -> int:
    """Return how many states of threads there are; 0 to who may not know."""
    try:
        return opened.states().count()
    except StoreAccessError:
        return 0
