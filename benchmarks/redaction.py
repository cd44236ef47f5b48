"""Redaction speed beside plain regular expressions tried in turn, in one run.

    python benchmarks/redaction.py [FOLDER]

reads the strings of every JSON file below the folder (default: the corpus that
AGENT_REPLAY_CORPUS names). Absolute numbers vary with the machine; read the ratio.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from otel_agent_replay.model.payload import JsonValue, parse_json
from otel_agent_replay.redact import Policy, Redactor
from otel_agent_replay.redact.keys import KEY_SHAPES

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


def strings(value: JsonValue) -> Iterator[str]:
    """Yield the strings of a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from strings(item)


def in_turn(text: str) -> str:
    """Redact as most tools do."""
    for pattern in IN_TURN:
        text = pattern.sub("<redacted>", text)
    return text


def megabytes_a_second(redact: Callable[[str], str], texts: list[str]) -> float:
    """Return how fast a function goes through the texts."""
    start = time.perf_counter()
    for text in texts:
        redact(text)
    return sum(map(len, texts)) / 1e6 / (time.perf_counter() - start)


def main() -> None:
    """Print a table."""
    default = os.environ.get("AGENT_REPLAY_CORPUS", "../shared/corpus")
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else default)
    found = {
        text
        for path in folder.rglob("*.json")
        for text in strings(parse_json(path.read_bytes()))
    }
    sizes = {
        "short (< 100)": (0, 100),
        "messages (100 to 2000)": (100, 2000),
        "bodies (> 2000)": (2000, 10**9),
    }
    print(f"{'MB/s':24}{'in turn':>9}{'ours':>9}{'ratio':>7}{'again':>9}{'ratio':>7}")
    for name, (least, most) in sizes.items():
        texts = sorted(text for text in found if least <= len(text) < most)
        if not texts:
            continue
        redactor = Redactor(Policy.default(), b"key")
        slow = megabytes_a_second(in_turn, texts)
        fast = megabytes_a_second(redactor.text, texts)
        again = megabytes_a_second(redactor.text, texts)
        print(
            f"{name:24}{slow:9.1f}{fast:9.1f}{fast / slow:7.1f}"
            f"{again:9.1f}{again / slow:7.0f}",
        )


if __name__ == "__main__":
    main()
