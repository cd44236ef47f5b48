"""Redaction speed and recall beside other tools, in one run.

    python benchmarks/redaction.py [FOLDER]

reads the strings of every JSON file below the folder (default: the corpus that
AGENT_REPLAY_CORPUS names). Speed is text by text, each seen for the first time;
where a class is larger than the sample, evenly spaced ones are taken. Processor
time is counted, so other work on the machine counts less; read the ratios.

Peers have other rules: `benchmarks/requirements-redaction.txt` says how to install
them, those that are not there are named with the reason. "found" is how many of a
small planted set are gone, "spoilt" how many texts without a secret changed.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from redaction_peers import Redact, peers

from otel_agent_replay.model.payload import JsonValue, dump_json, parse_json
from otel_agent_replay.redact import Policy, Redactor

SAMPLE = 200_000
BODY = 20_000
CLASSES = {
    "short (< 100)": (0, 100),
    "100 to 2000": (100, 2000),
    "longer": (2000, 10**9),
}
PLANTED = {
    "OpenAI key": "sk-proj-abc123DEF456ghi789JKL012",
    "Anthropic key": "sk-ant-api03-AAAAbbbbCCCCdddd1111-xyz_AA",
    "Google key": "AIzaSyA1234567890abcdefghijklmnopqrstuv",
    "AWS key id": "AKIAIOSFODNN7EXAMPLF",
    "GitHub token": "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "Slack token": "xoxb-123456789012-abcdefGHIJKL",
    "Stripe key": "sk_live_abcdefghijklmnop1234",
    "JWT": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.abcDEF123_-x",
    "bearer token": "Bearer abcDEF123456ghiJKL",
    "basic credentials": "Basic dXNlcjpwYXNzd29yZA==",
    "password=": "password=hunter2hunter",
    "password in JSON": '{"password": "hunter2hunter"}',
    "password in prose": "my password is hunter2hunter.",
    "URL password": "https://bob:hunter2hunter@db.example.org/x",
    "URL signature": "https://example.org/x?sig=hunter2hunter12345",
    "private key": "-----BEGIN PRIVATE KEY-----\nMIIEow\n-----END PRIVATE KEY-----",
    "e-mail": "alice.jones@mail.example.com",
    "US phone": "(415) 555-2671",
    "UK phone": "+44 20 7946 0958",
    "card": "4111 1111 1111 1111",
    "US SSN": "536-22-1234",
    "IBAN": "GB82 WEST 1234 5698 7654 32",
    "CPF": "529.982.247-25",
    "IPv4": "203.0.113.77",
    "IPv6": "2001:db8:85a3::8a2e:370:7334",
}
"""What must not be left, or the text that holds `hunter2hunter` or `MIIEow`."""
CORES = ("hunter2hunter", "MIIEow", "dXNlcjpwYXNzd29yZA==", "abcDEF123456ghiJKL")
HARMLESS = [
    "max_tokens: 1024, total_tokens=12",
    "chatcmpl-AbCdEf0123456789 call_abcDEF0123456789abcdef",
    "created 1700000000 at 2024-05-06T07:08:09.123456Z",
    "version 10.20.30.40 at 127.0.0.1:8080",
    "std::vector<int> a::b::c 12:34:56",
    "password=get_password() api_key=settings.API_KEY",
    "The password is required. Your token is invalid.",
    "sk-chasing-dots-container icon@2x.png git@github.com:owner/name",
    "HAT001 4J7Q2X ref 123-456 order 12345678 zip 94103-1234",
    "f3a1b2c4-0000-4000-8000-123456789abc d41d8cd98f00b204e9800998ecf8427e",
]


class Row(NamedTuple):
    """A tool: how it is got afresh, and what it does to a text."""

    name: str
    make: Callable[[], Redact]


def strings(value: JsonValue) -> Iterator[str]:
    """Yield the strings of a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from strings(item)


def request_bodies(folder: Path) -> list[str]:
    """Return a request of about 20 KB from each run that gets so far."""
    bodies: list[str] = []
    for path in sorted(folder.glob("trajectories/*.json")):
        for run in parse_json(path.read_bytes()):
            messages = run["traj"]
            for count in range(1, len(messages) + 1):
                request = {"model": "gpt-4o", "messages": messages[:count]}
                text = dump_json(request)
                if len(text) >= BODY:
                    bodies.append(text)
                    break
    return bodies


def sampled(texts: list[str], limit: int = SAMPLE) -> list[str]:
    """Return evenly spaced texts of about so many characters in all."""
    step = max(1, sum(map(len, texts)) // limit)
    return texts[::step]


def megabytes_a_second(make: Callable[[], Redact], texts: list[str]) -> float:
    """Return how fast a tool goes through texts it has not seen; best of three."""
    best = float("inf")
    for _ in range(3):
        redact = make()
        start = time.process_time()
        for text in texts:
            redact(text)
        best = min(best, time.process_time() - start)
        if best > 1:
            break
    return sum(map(len, texts)) / 1e6 / best


def afresh(texts: list[str]) -> float:
    """Return our speed where each text has a redactor that has seen no other."""
    spent = 0.0
    for text in texts:
        redact = ours()
        start = time.process_time()
        redact(text)
        spent += time.process_time() - start
    return sum(map(len, texts)) / 1e6 / spent


def found(redact: Redact) -> list[str]:
    """Return the kinds of planted secrets that are gone."""
    gone: list[str] = []
    for kind, secret in PLANTED.items():
        core = next((core for core in CORES if core in secret), secret)
        if core not in redact(f"Note: {secret} and more"):
            gone.append(kind)
    return gone


def ours() -> Redact:
    """Return our redactor as a function of a text."""
    return Redactor(Policy.default(), b"key").text


def together() -> Redact:
    """Return our redactor for many texts of one document, as they come in a body."""
    redactor = Redactor(Policy.default(), b"key")
    return lambda text: "\0".join(redactor.value(text.split("\0")))


def classes_in(folder: Path) -> dict[str, list[str]]:
    """Return samples of the texts below a folder, by size."""
    every = sorted(
        {
            text
            for path in folder.rglob("*.json")
            for text in strings(parse_json(path.read_bytes()))
        },
    )
    classes = {
        name: sampled([text for text in every if least <= len(text) < most])
        for name, (least, most) in CLASSES.items()
    }
    classes["20 KB requests"] = sampled(request_bodies(folder))
    classes["all of them"] = [text for each in classes.values() for text in each]
    return classes


def tools() -> tuple[list[Row], list[str]]:
    """Return what is there, and what is not with its reason."""
    rows, absent = [Row("ours", ours)], list[str]()
    for peer in peers():
        if peer.redact is None:
            absent.append(f"{peer.name}: {peer.reason}")
        else:
            rows.append(Row(peer.name, lambda redact=peer.redact: redact))
    return rows, absent


def recall(redact: Redact) -> str:
    """Return what a tool finds and what it spoils."""
    gone = found(redact)
    spoilt = sum(redact(text) != text for text in HARMLESS)
    left = ", ".join(kind for kind in PLANTED if kind not in gone) or "none"
    return (
        f"  found {len(gone)}/{len(PLANTED)}, spoilt {spoilt}/{len(HARMLESS)}"
        f"\n    left: {left}"
    )


def main() -> None:
    """Print a table."""
    logging.disable()
    default = os.environ.get("AGENT_REPLAY_CORPUS", "../shared/corpus")
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else default)
    classes = classes_in(folder)
    rows, absent = tools()
    print(
        f"{'MB/s (ours is x times)':22}", *(f"{name:>17}" for name in classes), sep=""
    )
    base = {name: megabytes_a_second(ours, texts) for name, texts in classes.items()}
    for row in rows:
        print(f"{row.name:22}", end="")
        for name, texts in classes.items():
            own = row.make is ours
            speed = base[name] if own else megabytes_a_second(row.make, texts)
            print(f"{speed:10.2f} {base[name] / speed:5.1f}x", end="", flush=True)
        print(recall(row.make()))
    short = "\0".join(classes[next(iter(CLASSES))])
    joined = megabytes_a_second(together, [short])
    print(f"short ones as the strings of one document, ours: {joined:.1f} MB/s")
    bodies = classes["20 KB requests"]
    speed = max(afresh(bodies) for _ in range(3))
    print(f"20 KB requests, each by a redactor of its own: {speed:.1f} MB/s")
    for line in absent:
        print("not here:", line)


if __name__ == "__main__":
    main()
