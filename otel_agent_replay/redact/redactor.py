"""`Redactor`: everything that leaves the process, redacted under one policy and key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from types import TracebackType
from typing import Final

from otel_agent_replay.model.call import (
    MEASURED_KINDS,
    Call,
    Kind,
    Outcome,
    RecordedException,
)
from otel_agent_replay.model.payload import (
    Chunk,
    Headers,
    HttpRequest,
    HttpResponse,
    JsonValue,
    header,
)
from otel_agent_replay.redact.attributes import AttrValue, as_json, redacted_attributes
from otel_agent_replay.redact.bodies import is_plain_json, settled_body
from otel_agent_replay.redact.documents import Documents
from otel_agent_replay.redact.edits import applied
from otel_agent_replay.redact.failure import RedactionError
from otel_agent_replay.redact.growing import GrowingBodies, GrowingBody
from otel_agent_replay.redact.headers import KnownHeaders, with_length
from otel_agent_replay.redact.memo import Memo
from otel_agent_replay.redact.policy import Policy
from otel_agent_replay.redact.pseudonym import Pseudonymizer
from otel_agent_replay.redact.rules import Found, KeyPath
from otel_agent_replay.redact.urls import url_secrets
from otel_agent_replay.redact.walk import Place

__all__ = ["AttrValue", "Redactor"]

_SMALL_MEMO: Final = 1 << 18
_SHORT: Final = 64
_SCALARS: Final = frozenset({str, int, bool, float, type(None)})
"""Values that their text tells apart."""
_CONTENT_TYPE: Final = "content-type"


class Redactor:
    """Replaces secrets with keyed pseudonyms; safe from any thread.

    Every method gives back what it was given where nothing is secret, changes
    nothing when it sees its own result again, and raises only `RedactionError`,
    which never quotes the payload.
    """

    def __init__(
        self,
        policy: Policy,
        key: bytes,
        *,
        literals: frozenset[str] = frozenset(),
    ) -> None:
        """Take a policy, the key of its pseudonyms, and known secrets.

        `literals` are redacted wherever they stand; those under six characters
        are ignored.
        """
        self.policy = policy
        self._documents = Documents(policy, Pseudonymizer(key), literals)
        self._texts: Memo[str] = Memo(_SMALL_MEMO)
        """Short ones: names of spans and reasons come again with every call."""
        self._urls: Memo[str] = Memo(_SMALL_MEMO)
        self._attributes: Memo[dict[str, AttrValue]] = Memo(_SMALL_MEMO)
        self._headers = KnownHeaders(self._documents, secret_names=policy.secret_names)
        self._bodies = GrowingBodies(self._documents if policy.enabled else None)

    def text(self, text: str) -> str:
        """Return a text redacted; if it is JSON, as `json_text` does."""
        known = self._texts.get(text)
        if known is not None:
            return known
        if not self.policy.enabled:
            return text
        # As `_FailingClosed`, but of no cost: there are many short texts.
        try:
            made = self._documents.text(text)
        except RedactionError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is drops the text
            raise RedactionError("A text", type(error).__name__) from None
        if len(text) < _SHORT:
            self._texts.put(text, made)
        return made

    def json_text(self, text: str) -> str:
        """Return a JSON text in which only what is secret has changed.

        Raises:
            RedactionError: The text is not JSON, or a rule failed.
        """
        if not self.policy.enabled:
            return text
        with _FailingClosed("A JSON text"):
            return applied(text, self._documents.json_edits(text))

    def value(
        self,
        value: JsonValue,
        *,
        path: KeyPath = (),
        tool: str | None = None,
    ) -> JsonValue:
        """Return a JSON value redacted; `tool` is the one whose arguments it is."""
        if not self.policy.enabled:
            return value
        with _FailingClosed("A value"):
            return self._documents.value(value, Place(path, tool))

    def url(self, url: str) -> str:
        """Return a URL without its credentials and secret parameters."""
        if not self.policy.enabled:
            return url
        with _FailingClosed("A URL"):
            known = self._urls.get(url)
            if known is None:
                known = applied(url, self._documents.found_edits(url, _in_url))
                self._urls.put(url, known)
            return known

    def headers(self, headers: Headers) -> Headers:
        """Return headers redacted, in order."""
        if not self.policy.enabled:
            return headers
        with _FailingClosed("A header"):
            return self._headers.redacted(headers)

    def body(self, content: bytes, content_type: str | None) -> bytes:
        """Return a body redacted.

        JSON, JSON lines, server-sent events, forms, multipart and other text are
        searched; pictures and sound are left as they are.

        Raises:
            RedactionError: It is binary, compressed, or a rule failed.
        """
        if not self.policy.enabled:
            return content
        with _FailingClosed("A body"):
            return settled_body(self._documents, content, content_type)[0]

    def request(self, request: HttpRequest) -> HttpRequest:
        """Return a request redacted: URL, headers, body."""
        content_type = header(request.headers, _CONTENT_TYPE)
        body = self.body(request.body, content_type)
        headers = self.headers(request.headers)
        if body != request.body:
            headers = with_length(headers, len(request.body), len(body))
        return replace(request, url=self.url(request.url), headers=headers, body=body)

    def grown_body(
        self, request: HttpRequest, before: Sequence[GrowingBody]
    ) -> tuple[GrowingBody, GrowingBody | None] | None:
        """Return a request's body as `request` does, in pieces.

        With it comes which of some earlier bodies it goes on from; what it repeats
        of that one is not redacted again. None if it cannot be cut.

        Raises:
            RedactionError: As `body`.
        """
        if not is_plain_json(header(request.headers, _CONTENT_TYPE)):
            return None
        with _FailingClosed("A body"):
            return self._bodies.redacted(request.body, before)

    def call_around(self, call: Call, body: GrowingBody) -> Call:
        """Return a call as `call` does, but with an empty body: it is redacted."""
        request = call.request
        if request is None:
            return self.call(call)
        if not self.policy.enabled:
            return replace(call, request=replace(request, body=b""))
        headers = self.headers(request.headers)
        around = HttpRequest(
            method=request.method,
            url=self.url(request.url),
            headers=with_length(headers, len(body.raw), body.size),
        )
        return self._call(call, around)

    def response(self, response: HttpResponse) -> HttpResponse:
        """Return a response redacted, in as many chunks, at the same times.

        A chunk boundary inside a secret goes to the end of its pseudonym.
        """
        if not self.policy.enabled:
            return response
        old = response.body
        headers = self.headers(response.headers)
        stops = list(accumulate(len(chunk.data) for chunk in response.chunks))
        with _FailingClosed("A body"):
            content_type = header(response.headers, _CONTENT_TYPE)
            new, stops = settled_body(self._documents, old, content_type, stops)
        if new == old:
            chunks = response.chunks
        else:
            chunks = tuple(
                Chunk(data=new[start:stop], at_ns=chunk.at_ns)
                for chunk, (start, stop) in zip(
                    response.chunks,
                    pairwise([0, *stops]),
                    strict=True,
                )
            )
        return HttpResponse(
            status=response.status,
            reason=self.text(response.reason),
            headers=with_length(headers, len(old), len(new)),
            chunks=chunks,
        )

    def call(self, call: Call) -> Call:
        """Return a call redacted: name, inputs, request, attributes."""
        if not self.policy.enabled:
            return call
        return self._call(call, self.request(call.request) if call.request else None)

    def _call(self, call: Call, request: HttpRequest | None) -> Call:
        """Return a call redacted, with its request, which is."""
        tool = call.name if call.kind == "tool" else None
        inputs = call.inputs
        if inputs is not None:
            inputs = as_json(self.value(inputs, tool=tool))
        with _FailingClosed("An attribute"):
            attributes = self._redacted_attributes(call.attributes)
        # Not `replace`, which takes three times as long.
        return Call(
            kind=call.kind,
            # With a request it is the route: a URL without scheme and query.
            name=self.url(call.name) if call.request else self.text(call.name),
            inputs=inputs,
            request=request,
            effect=call.effect,
            attributes=as_json(attributes),
        )

    def outcome(self, outcome: Outcome, kind: Kind) -> Outcome:
        """Return what came of a call of a kind, redacted: value, items, response, error.

        What was read of the clock or drawn at random stays as it is.
        """
        if not self.policy.enabled:
            return outcome
        value, items = outcome.value, outcome.items
        response, error = outcome.response, outcome.error
        plain = value is None or kind in MEASURED_KINDS
        return Outcome(
            value=value if plain else self.value(value),
            items=None if items is None else tuple(self.value(item) for item in items),
            response=None if response is None else self.response(response),
            error=None if error is None else self._error(error),
            ended=outcome.ended,
            served_from=outcome.served_from,
        )

    def _error(self, error: RecordedException) -> RecordedException:
        args = error.args
        return replace(
            error,
            message=self.text(error.message),
            args=None if args is None else tuple(self.value(item) for item in args),
            attributes=as_json(self.value(error.attributes)),
            stacktrace=self.text(error.stacktrace),
        )

    def attributes(self, attributes: Mapping[str, AttrValue]) -> dict[str, AttrValue]:
        """Return attributes redacted: of a span, event, link or resource.

        The last segment of a dotted name says what a value is; ids and token
        counts of the conventions stay.
        """
        if not self.policy.enabled:
            return dict(attributes)
        with _FailingClosed("An attribute"):
            return {**self._redacted_attributes(attributes)}

    def _redacted_attributes(
        self, attributes: Mapping[str, AttrValue]
    ) -> dict[str, AttrValue]:
        """Return attributes redacted; the same dict for the same texts and numbers."""
        if not _SCALARS.issuperset(map(type, attributes.values())):
            return redacted_attributes(self._documents, attributes)
        memo = repr([*attributes.items()])
        known = self._attributes.get(memo)
        if known is None:
            known = redacted_attributes(self._documents, attributes)
            self._attributes.put(memo, known)
        return known


def _in_url(text: str) -> Iterator[Found]:
    scheme = text.find("://")
    offset = scheme + 3 if scheme >= 0 else 0
    return url_secrets(text[offset:], offset)


class _FailingClosed:
    """Whatever goes wrong inside drops the payload; its text is not passed on."""

    __slots__ = ("_part",)

    def __init__(self, part: str) -> None:
        self._part = part

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, RedactionError):
            raise RedactionError(self._part, type(error).__name__) from None
