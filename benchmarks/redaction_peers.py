"""What other tools do to a text, each as a function; those not installed say why.

Each is used as its documentation says, with its default rules. What only detects
(presidio's recognisers, detect-secrets) is timed without replacing anything.
"""

from __future__ import annotations

import re
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeAlias

from otel_agent_replay.redact.keys import KEY_SHAPES

Redact: TypeAlias = Callable[[str], str]
"""Gives a text in which what was found is replaced."""


class Peer(NamedTuple):
    """A tool; `redact` is None where it cannot be used, for the reason given."""

    name: str
    redact: Redact | None
    reason: str = ""


IN_TURN = [
    *(
        re.compile(rf"\b(?:{'|'.join(map(re.escape, shape.starts))})[\w-]{{16,}}")
        for shape in KEY_SHAPES
    ),
    re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"),
    re.compile(r"(?i)\bbearer\s+[\w.~+/-]{8,}"),
    re.compile(r"(?i)\bbasic\s+[A-Za-z0-9+/]{6,}={0,2}"),
    re.compile(r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*-----"),
    re.compile(r"://[^\s/@]+:[^\s/@]+@"),
    re.compile(
        r"(?i)\b\w*(?:password|passwd|secret|api_?key|token)\w*[\"']?\s*[:=]\s*\S+"
    ),
    re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b"),
    re.compile(r"(?:\+\d{1,3}[ .-]?)?\(?\b\d{3}\)?[ .-]\d{3}[ .-]\d{4}\b"),
    re.compile(r"\b(?:\d[ -]?){13,19}\b"),
    re.compile(r"\b\d{3}-\d{2}-\d{4}\b"),
    re.compile(r"\b[A-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b"),
    re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}\b"),
    re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b"),
    re.compile(r"\b(?:[0-9a-fA-F]{1,4}:){2,7}[0-9a-fA-F]{0,4}\b"),
]


def in_turn(text: str) -> str:
    """Try one regular expression after the other, as simple tools do."""
    for pattern in IN_TURN:
        text = pattern.sub("<redacted>", text)
    return text


def _logfire() -> Redact:
    from logfire import ScrubbingOptions  # noqa: PLC0415 - may be absent
    from logfire._internal.scrubbing import Scrubber  # noqa: PLC0415 - may be absent

    scrubber = Scrubber(ScrubbingOptions().extra_patterns)

    def redact(text: str) -> str:
        new, _ = scrubber.scrub_value(("attributes", "message"), text)
        return str(new)

    return redact


def _presidio() -> Redact:
    from presidio_analyzer import predefined_recognizers as known  # noqa: PLC0415 - may be absent

    recognisers = [
        known.CreditCardRecognizer(),
        known.EmailRecognizer(),
        known.IbanRecognizer(),
        known.IpRecognizer(),
        known.UsSsnRecognizer(),
        known.CryptoRecognizer(),
    ]

    def redact(text: str) -> str:
        spans = [
            (found.start, found.end)
            for each in recognisers
            for found in each.analyze(text, each.supported_entities, None) or ()
        ]
        return _cut(text, spans)

    return redact


def _scrubadub() -> Redact:
    import scrubadub  # noqa: PLC0415 - may be absent

    scrubber = scrubadub.Scrubber()
    return lambda text: str(scrubber.clean(text))


def _detect_secrets() -> Redact:
    from detect_secrets.core.scan import scan_file  # noqa: PLC0415 - may be absent
    from detect_secrets.settings import default_settings  # noqa: PLC0415 - may be absent

    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name) / "text.txt"

    def redact(text: str) -> str:
        path.write_text(text, encoding="utf-8", errors="replace")
        with default_settings():
            for secret in scan_file(str(path)):
                if secret.secret_value:
                    text = text.replace(secret.secret_value, "<redacted>")
        return text

    weakref.finalize(redact, folder.cleanup)
    return redact


def _cut(text: str, spans: list[tuple[int, int]]) -> str:
    for start, end in sorted(spans, reverse=True):
        text = text[:start] + "<redacted>" + text[end:]
    return text


_MAKERS: dict[str, Callable[[], Redact]] = {
    "re in turn": lambda: in_turn,
    "logfire": _logfire,
    "presidio, 6 patterns": _presidio,
    "scrubadub": _scrubadub,
    "detect-secrets": _detect_secrets,
}


def peers() -> list[Peer]:
    """Return all of them, installed or not."""
    return [_peer(name, make) for name, make in _MAKERS.items()]


def _peer(name: str, make: Callable[[], Redact]) -> Peer:
    try:
        redact = make()
        redact("warm up: mia@example.com")
    except Exception as error:  # noqa: BLE001 - any peer may fail in any way
        return Peer(name, None, f"{type(error).__name__}: {error}".splitlines()[0])
    return Peer(name, redact)
