"""An event that signal handlers may use on the thread they interrupt."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading

from otel_agent_replay.capture.flag import Flag

PROGRAM = """
import signal, sys
from otel_agent_replay.capture.flag import Flag

flag, heard = Flag(), 0

def handler(*_):
    global heard
    heard += 1
    flag.set()
    flag.wait(0.001)
    flag.clear()

signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
while heard < 2000:
    flag.set()
    flag.clear()
    flag.wait(0.0001)
signal.setitimer(signal.ITIMER_REAL, 0)
print("done")
"""


def test_a_flag_wakes_those_who_wait():
    """It is seen from another thread, stays set, and can be taken back."""
    flag, seen = Flag(), []
    waiting = threading.Thread(target=lambda: seen.append(flag.wait(30)))
    waiting.start()
    flag.set()
    waiting.join()

    assert seen == [True]
    assert flag.is_set()
    assert flag.wait(0)
    flag.clear()
    assert not flag.wait(0)


def test_a_handler_may_interrupt_any_use():
    """A lock that is not reentrant would stop this program within a second."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "done\n"
