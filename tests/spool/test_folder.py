"""A process's folder: who may read it, who may take it, and when files go."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from otel_agent_replay.capture.spool.backlog import Backlog, Limits
from otel_agent_replay.capture.spool.folder import Folder, dead_folders, spool_bytes
from otel_agent_replay.capture.spool.frames import MAGIC, framed
from otel_agent_replay.capture.spool.recovery import Recovered, recover
from otel_agent_replay.capture.spool.sending import read_sent, said_done, said_plan
from tests.spool.shelves import TokenShelf, packed, root, send

ROOT = Path(__file__).parents[2]
EAGER = Limits(rows=10, seconds=0.0)


def child(source: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a program that has our modules."""
    return subprocess.Popen(
        [sys.executable, "-c", source, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    )


HOLDER = """
import sys
from pathlib import Path
from otel_agent_replay.capture.spool.backlog import Backlog, Limits
from tests.spool.shelves import packed, root
backlog = Backlog(Path(sys.argv[1]), Limits())
assert backlog.put([packed(n) for n in range(3)], [root(99)])
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds a folder with three spans and an open run."""
    process = child(HOLDER, tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.communicate()


def test_only_its_owner_may_read_it(tmp_path):
    """Folders are 0700 and files 0600, whatever the umask; also renewed ones."""
    before = os.umask(0)
    try:
        backlog = Backlog(tmp_path / "spool", Limits(segment=100))
        for number in range(4):
            backlog.put([packed(number)])
        send(backlog, TokenShelf())
        folder = Folder.make(tmp_path / "spool")
        for number in range(60_000):
            folder.say_sent(said_done(number), said_done(number))
    finally:
        os.umask(before)

    modes: Counter[tuple[bool, str]] = Counter(
        (each.is_dir(), oct(each.stat().st_mode & 0o777))
        for each in [tmp_path / "spool", *(tmp_path / "spool").rglob("*")]
    )
    assert set(modes) == {(True, "0o700"), (False, "0o600")}


def test_a_living_process_keeps_its_folder(tmp_path, holder):
    """Neither another process takes it, nor the one that has it, twice."""
    mine = Backlog(tmp_path, Limits())
    mine.put([packed(7)])
    shelf = TokenShelf()

    assert recover(tmp_path, shelf.write_packed) == Recovered()
    assert recover(tmp_path, shelf.write_packed) == Recovered()

    assert not shelf.names
    assert len([*tmp_path.glob("[0-9]*")]) == 2


def test_a_dead_process_leaves_it(tmp_path, holder):
    """All that was in it comes once, then what was open; then it is gone."""
    holder.kill()
    holder.wait()
    shelf = TokenShelf()

    found = recover(tmp_path, shelf.write_packed)

    assert shelf.names == Counter(["span 0", "span 1", "span 2", "span 99"])
    assert found == Recovered(processes=1, spans=3, opened=1, runs=("ab" * 16,))
    assert [*tmp_path.iterdir()] == []
    assert recover(tmp_path, shelf.write_packed) == Recovered()


def test_a_forked_child_has_a_folder_of_its_own(tmp_path):
    """It leaves the parent's to it, even if the parent is dead before it."""
    backlog = Backlog(tmp_path, Limits())
    backlog.put([packed(1)])
    (of_parent,) = tmp_path.iterdir()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            backlog.put([packed(2)])
            code = 0 if len([*tmp_path.iterdir()]) == 2 else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    shelf = TokenShelf()

    recover(tmp_path, shelf.write_packed)

    assert shelf.names == Counter(["span 2"])
    assert [*tmp_path.iterdir()] == [of_parent]
    assert Folder.take(of_parent) is None


FORKER = """
import os, sys
from pathlib import Path
from otel_agent_replay.capture.spool.backlog import Backlog, Limits
from tests.spool.shelves import packed
backlog = Backlog(Path(sys.argv[1]), Limits())
backlog.put([packed(1)])
if os.fork() == 0:
    print("ready", flush=True)
    sys.stdin.read()
    os._exit(0)
os._exit(0)
"""


def test_a_child_that_lives_on_does_not_hold_its_dead_parents_folder(tmp_path):
    """The lock ends with the process that took it, not with those it forked."""
    process = child(FORKER, tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.wait()
    shelf = TokenShelf()
    try:
        recover(tmp_path, shelf.write_packed)
    finally:
        process.communicate()

    assert shelf.names == Counter(["span 1"])


def test_files_go_when_their_spans_are_stored(tmp_path):
    """Older ones at once; what is open stands in the newest too."""
    opened = [root(99)]
    backlog = Backlog(tmp_path, Limits(segment=2000, rows=1, seconds=0.0))
    backlog.carry(lambda: opened)
    for number in range(20):
        backlog.put([packed(number, text="x" * 200)])
    many = len([*tmp_path.rglob("*.segment")])
    shelf = TokenShelf()
    for _ in range(20):
        backlog.done(send(backlog, shelf).last)

    assert many > 3
    (left,) = tmp_path.rglob("*.segment")
    assert b"span 99" in left.read_bytes()
    assert backlog.left() == 0
    assert left.stat().st_size < 4000


def test_what_was_noted_of_sending_is_renewed(tmp_path):
    """It stays small, and still says what is stored and what is on its way."""
    folder = Folder.make(tmp_path)
    for number in range(1, 40_000):
        folder.say_sent(said_plan(number, number), said_done(number - 1))
        folder.say_sent(said_done(number), said_done(number))
    folder.say_sent(said_plan(40_000, 40_007), said_done(39_999))

    assert len(folder.sent()) < 2 << 20
    found = read_sent(folder.sent())
    assert (found.done, found.planned) == (39_999, (40_000, 40_007))
    folder.close(remove=True)


def test_a_spool_that_is_full_refuses_and_keeps_room_for_ends(tmp_path):
    """Nothing of what is refused is written; room comes back with what is stored."""
    backlog = Backlog(tmp_path, Limits(disk=64_000, segment=8_000, seconds=0.0))
    taken = 0
    while backlog.put([packed(taken, text=f"{taken} " + "x" * 1000)]):
        taken += 1
    full = spool_bytes(tmp_path)

    assert 20 < taken < 64
    assert not backlog.put([packed(taken, text="y" * 1000)])
    assert spool_bytes(tmp_path) == full
    assert backlog.put([root(1000)], spare=True)
    assert spool_bytes(tmp_path) <= 64_000

    shelf = TokenShelf()
    while backlog.left():
        backlog.done(send(backlog, shelf).last)
    assert backlog.put([packed(2000)])
    assert sum(shelf.names.values()) == taken + 1


def test_folders_of_others_count(tmp_path, holder):
    """The limit is the spool's, not the process's."""
    folder = Folder.make(tmp_path)
    folder.append(framed("open", 0, b"x" * 50_000))

    backlog = Backlog(tmp_path, Limits(disk=50_000))

    assert not backlog.put([packed(1)])


def test_a_half_made_folder_is_no_folder(tmp_path):
    """A process that is cut off between making and naming it leaves nothing."""
    hidden = tmp_path / ".77-abc"
    hidden.mkdir()
    (hidden / "lock").touch()
    (tmp_path / "99-nothing").mkdir()
    (tmp_path / "98-magic").mkdir()
    (tmp_path / "98-magic" / "00000000.segment").write_bytes(MAGIC)
    (tmp_path / "97-empty").mkdir()
    (tmp_path / "97-empty" / "00000000.segment").write_bytes(b"")

    found = recover(tmp_path, TokenShelf().write_packed)

    assert (found.processes, found.spans, found.opened) == (0, 0, 0)
    assert not [*tmp_path.glob("9*")]


def test_there_may_be_no_spool(tmp_path):
    """Then there is nothing to take over."""
    assert [*dead_folders(tmp_path / "none")] == []
    assert recover(tmp_path / "none", TokenShelf().write_packed) == Recovered()
