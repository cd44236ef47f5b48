"""Files: those that were declared, read as they were when recorded."""

from __future__ import annotations

import io
import json
import mmap
import os
import threading
from pathlib import Path

import pytest

import otel_agent_replay
from otel_agent_replay import record
from otel_agent_replay.errors import ConfigurationError, RunIncompleteError
from tests.effects.agents import divergence, recorded, replayed

DECLARED = ("data/*",)


@pytest.fixture
def data() -> Path:
    folder = Path("data")
    folder.mkdir()
    (folder / "prices.json").write_text('{"tea": 3}')
    (folder / "lines.txt").write_bytes("ä\r\nb\n".encode())
    (folder / "raw.bin").write_bytes(bytes(range(256)))
    return folder


def reads():
    with open("data/prices.json") as file:
        prices = json.load(file)
    lines = Path("data/lines.txt").read_text(encoding="utf-8")
    with open("data/lines.txt", newline="", encoding="utf-8") as file:
        exact = file.readlines()
    with Path("data/raw.bin").resolve().open("rb") as file:
        first = file.read(10)
    missing = None
    try:
        with open("data/none.txt"):
            pass
    except FileNotFoundError as error:
        missing = error.errno, error.filename
    return [prices, lines, exact, first, Path("data/raw.bin").read_bytes(), missing]


def test_declared_files_come_back_as_they_were(data):
    """By `open` and `pathlib`, text and bytes, and one that was not there."""
    first, run = recorded(reads, files=DECLARED)
    assert [step.call.kind for step in run.steps] == ["file"] * 6
    for each in data.iterdir():
        each.unlink()
    (data / "none.txt").write_text("here now")
    assert replayed(run, reads) == first


def test_recording_changes_nothing_that_is_read(data):
    """What the agent gets while it is recorded is what it gets without us."""
    bare = reads()
    first, _ = recorded(reads, files=DECLARED)
    assert first == bare


def test_a_file_is_recorded_as_it_is_opened(data):
    """A descriptor, a map, an opener of the agent's own; and what `open` refuses."""

    def opened_elsewhere(path: str, flags: int) -> int:
        return os.open(path.replace("none.txt", "raw.bin"), flags)

    def code():
        told = []
        with open("data/raw.bin", "rb") as file:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                told.append(mapped[:3])
            told += [os.fstat(file.fileno()).st_size, type(file).__name__]
        with open("data/none.txt", "rb", opener=opened_elsewhere) as file:
            told.append(file.read(5))
        for mode, options in (("q", {}), ("rb", {"encoding": "utf-8"})):
            with pytest.raises(ValueError, match="mode") as raised:
                Path("data/raw.bin").open(mode, **options)  # noqa: SIM115 - refused
            told.append(str(raised.value))
        return told

    bare = code()
    first, run = recorded(code, files=DECLARED)

    assert first == bare
    assert [step.outcome.error is None for step in run.steps] == [True] * 2 + [
        False
    ] * 2


def test_a_file_is_read_in_every_way(data):
    """In pieces, back and forth, ahead, unbuffered, by lines; in another encoding."""

    def code():
        with open("data/raw.bin", "rb") as file:
            told = [file.peek(2)[:2], file.read(3), file.seek(-2, 2), file.read()]
            into = bytearray(4)
            told += [file.seek(5), file.readinto(into), bytes(into), file.readline()]
            told += [file.mode, file.name, type(file).__name__]
        with open("data/raw.bin", "rb", buffering=0) as file:
            told += [file.read(2), file.readall()]
        for options in ({"encoding": "latin-1"}, {"errors": "replace"}):
            with open("data/raw.bin", **options) as file:
                told += [*file, file.newlines, file.mode, file.buffer.tell()]
        with pytest.raises(UnicodeDecodeError) as raised:
            Path("data/raw.bin").read_text(encoding="utf-8")
        return [*told, str(raised.value)]

    bare = code()
    first, run = recorded(code, files=DECLARED)
    (data / "raw.bin").unlink()

    assert first == bare
    assert replayed(run, code) == first


def test_what_can_be_read_only_once_is_the_agents(data):
    """It is not recorded, and the run says so."""
    os.mkfifo(data / "pipe")
    writer = threading.Thread(target=(data / "pipe").write_text, args=("once",))

    def code():
        return Path("data/pipe").read_text()

    writer.start()
    first, run = recorded(code, files=DECLARED)
    writer.join()

    assert first == "once"
    with pytest.raises(RunIncompleteError):
        replayed(run, code)


def test_a_file_in_a_replay_has_no_descriptor(data):
    """It is not on the disk; asking for one is refused, not answered with another."""

    def code():
        with open("data/raw.bin", "rb") as file:
            return file.fileno() > 0

    _, run = recorded(code, files=DECLARED)

    with pytest.raises(io.UnsupportedOperation, match="fileno"):
        replayed(run, code)


def test_other_files_are_read_as_ever(data):
    """What was not declared, and what is written, stays off the run."""
    Path("other.txt").write_text("x")

    def code():
        with open("data/new.txt", "w") as file:
            file.write("new")
        return Path("other.txt").read_text()

    first, run = recorded(code, files=DECLARED)
    assert first == "x"
    assert not run.steps


def test_another_file_is_reported(data):
    """A declared file that was not read is not answered."""

    def code(name):
        return len(Path(f"data/{name}").read_bytes()) > 0

    _, run = recorded(lambda: code("raw.bin"), files=DECLARED)
    assert "lines.txt" in divergence(run, lambda: code("lines.txt"))


def test_a_file_too_large_is_a_loss_that_is_counted(data):
    """It is read as ever, and the run says that it has a gap."""
    (data / "huge.bin").write_bytes(b"x" * (5 * 1024 * 1024))

    def code():
        return len(Path("data/huge.bin").read_bytes())

    first, run = recorded(code, files=DECLARED)
    assert first == 5 * 1024 * 1024
    assert run.dropped["file_size"] == 1
    with pytest.raises(RunIncompleteError):
        replayed(run, code)


def test_secrets_in_files_are_redacted(data):
    """A file's content is redacted as everything is."""
    (data / "key.env").write_text("API_KEY=sk-proj-abcdefghijklmnopqrstuvwxyz012345\n")

    def code():
        return len(Path("data/key.env").read_text())

    _, run = recorded(code, files=DECLARED)
    assert "abcdefghijklmnop" not in repr(run)


def test_files_need_patterns():
    """`file` without patterns would record nothing, and is a mistake."""
    with pytest.raises(ConfigurationError, match="files"), record(effects=("file",)):
        pass
    with pytest.raises(ConfigurationError, match="weather"):
        otel_agent_replay.configure(effects=("weather",))
