"""An HTTP exchange as a `Call`: which are seen, under what name."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from opentelemetry import context

from otel_agent_replay import intercept, semconv
from otel_agent_replay.instrument.http.settings import HttpSettings
from otel_agent_replay.model.call import Call, Effect, Kind
from otel_agent_replay.model.payload import Headers, HttpRequest, JsonObject

__all__ = [
    "Plan",
    "call_for",
    "endpoint",
    "forget_plans",
    "opens_websocket",
    "plan_for",
    "resent_headers",
]

_LEAVES: Final[frozenset[Kind]] = frozenset({"http", "model"})
_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_PORTS: Final = {"http": 80, "https": 443}
_WITH_BODY: Final = frozenset({"PATCH", "POST", "PUT"})
_PLANS: Final = 128
_FRAMING: Final = frozenset({"content-length", "transfer-encoding"})


@dataclass(frozen=True, slots=True)
class _Route:
    """Where a request goes; never its query or credentials."""

    method: str
    host: str
    port: int | None
    path: str

    @property
    def endpoint(self) -> str:
        """Host and port, as `own_endpoints` has them."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """That an exchange is to be seen, before its body is read.

    Attributes:
        url: The whole URL.
        method: The method, in capitals.
        name: Method, host and path.
        operation: The model API's operation; None for a plain exchange.
        effect: As the call has it.
        attributes: As the call has them, but for the model.
        settings: The settings it was made by.
    """

    url: str
    method: str
    name: str
    operation: str | None
    effect: Effect
    attributes: JsonObject
    settings: HttpSettings

    def call(self, headers: Headers, body: bytes) -> Call:
        """Return the call; never raises."""
        attributes = {**self.attributes}
        model = None if self.operation is None else self._model(body)
        if model is not None:
            attributes[semconv.REQUEST_MODEL] = model
        return Call(
            kind="http" if self.operation is None else "model",
            name=self.name,
            request=HttpRequest(
                method=self.method,
                url=self.url,
                headers=headers,
                body=body,
            ),
            effect=self.effect,
            attributes=attributes,
        )

    def _model(self, body: bytes) -> str | None:
        try:
            return self.settings.peek_model(self.url, body)
        except Exception as error:  # noqa: BLE001 - the request must go on
            self.settings.on_failure("Reading the model's name", error)
            return None


def plan_for(method: str, url: str, settings: HttpSettings) -> Plan | None:
    """Return how to see an exchange, or None to let it pass untouched.

    It passes while nothing is on the seam, inside the exchange that already stands
    for it (one client may run on another), when it is telemetry's own (by endpoint,
    or as OpenTelemetry marks what its exporters do), and where the lists of hosts
    say so. Never raises.
    """
    if not intercept.active() or _inside_exchange():
        return None
    try:
        plan = _plan_at(method, url, settings)
    except Exception as error:  # noqa: BLE001 - the request must go on
        settings.on_failure("Recognising a model API", error)
        plan = _plan_as(None, method, url, settings)
    if plan is None or (plan.operation is None and _is_telemetry()):
        return None
    return plan


def call_for(
    method: str,
    url: str,
    headers: Headers,
    body: bytes,
    settings: HttpSettings,
) -> Call | None:
    """Return the call that an exchange is, or None to let it pass untouched."""
    plan = plan_for(method, url, settings)
    return None if plan is None else plan.call(headers, body)


def endpoint(url: str) -> str | None:
    """Return `host:port` of a URL as `own_endpoints` has it; None without a host."""
    route = _route("GET", url)
    return None if route is None else route.endpoint


def resent_headers(call: Call, asked: Call) -> Headers:
    """Return the headers of a replaced call, made true for its body and host.

    The length is that of the new body, and a `Host` that was the old URL's is the
    new URL's.
    """
    request, before = call.request, asked.request
    if request is None:
        return ()
    old_host = urlsplit(before.url).netloc.rpartition("@")[2] if before else None
    new_host = urlsplit(request.url).netloc.rpartition("@")[2]
    kept = [
        (name, new_host if name.lower() == "host" and value == old_host else value)
        for name, value in request.headers
        if name.lower() not in _FRAMING
    ]
    if request.body or request.method.upper() in _WITH_BODY:
        kept.append(("content-length", str(len(request.body))))
    return tuple(kept)


def _inside_exchange() -> bool:
    current = intercept.current()
    return current is not None and current.call.kind in _LEAVES


def _is_telemetry() -> bool:
    """Return whether OpenTelemetry's exporters, or whoever uses their sign, send here.

    No exporter calls a model, so the sign does not keep a model call from being seen:
    in a replay it would go live.
    """
    return bool(context.get_value(context._SUPPRESS_INSTRUMENTATION_KEY))  # noqa: SLF001


@lru_cache(maxsize=_PLANS)
def _plan_at(method: str, url: str, settings: HttpSettings) -> Plan | None:
    """Return the plan as far as method and URL tell; an agent asks few URLs often.

    Raises:
        Exception: What `is_model` raised; that is asked again next time.
    """
    operation = settings.is_model(method.upper(), url)
    return _plan_as(operation, method, url, settings)


def _plan_as(
    operation: str | None, method: str, url: str, settings: HttpSettings
) -> Plan | None:
    route = _route(method, url)
    if route is None or route.endpoint in settings.own_endpoints:
        return None
    if operation is None and not _is_wanted(route.host, settings):
        return None
    # A model's answer changes nothing but the bill.
    harmless = operation is not None or route.method in _READS
    return Plan(
        url=url,
        method=route.method,
        name=f"{route.method} {route.host}{route.path}",
        operation=operation,
        effect="read" if harmless else "write",
        attributes=_attributes(route, operation),
        settings=settings,
    )


def _attributes(route: _Route, operation: str | None) -> JsonObject:
    found: JsonObject = {semconv.SERVER_ADDRESS: route.host}
    if route.port is not None:
        found[semconv.SERVER_PORT] = route.port
    if operation is None:
        found[semconv.HTTP_REQUEST_METHOD] = route.method
    else:
        found[semconv.OPERATION_NAME] = operation
    return found


def forget_plans() -> None:
    """Forget what is known of URLs, and the settings it was made by."""
    _plan_at.cache_clear()


def _route(method: str, url: str) -> _Route | None:
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    if not parts.hostname:
        return None
    return _Route(method.upper(), parts.hostname.lower(), port, parts.path or "/")


def _is_wanted(host: str, settings: HttpSettings) -> bool:
    if any(fnmatchcase(host, pattern.lower()) for pattern in settings.deny_hosts):
        return False
    if not settings.allow_hosts:
        return True
    return any(fnmatchcase(host, pattern.lower()) for pattern in settings.allow_hosts)


def opens_websocket(upgrade: str | None) -> bool:
    """Return whether an `Upgrade` header asks to leave HTTP for a WebSocket."""
    return upgrade is not None and upgrade.lower() == "websocket"
