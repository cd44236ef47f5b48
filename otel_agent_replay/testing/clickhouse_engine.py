"""The engine of `testing.clickhouse`: a script for a process of its own.

It imports nothing of this package, and nothing may import it: the engine starts
threads that a fork does not survive. Usage: clickhouse_engine.py DIRECTORY. The
directory holds clickhouse-local.xml. It ends when its standard input does, so it
does not outlive the process that started it.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

POLL_SECONDS = 0.2
STOP_SECONDS = 10.0


def main(directory: Path) -> None:
    """Serve until standard input ends."""
    from chdb import _chdb  # noqa: PLC0415 - starts threads; only ever here

    pipe = directory / "stop.fifo"
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe, 0o600)
    # The last statement ends when every writer of the pipe has closed it.
    wait = f"SELECT * FROM file('{pipe}', 'LineAsString')"  # noqa: S608 - our own path
    statement = f"SYSTEM START LISTEN HTTP; SYSTEM START LISTEN TCP; {wait}"
    # A private binding of chdb-core: the public ones cannot listen.
    query = getattr(_chdb, "query")  # noqa: B009 - it has no type
    engine = threading.Thread(
        target=query,
        args=(statement, "TabSeparated"),
        kwargs={"path": str(directory / "data")},
        daemon=True,
    )
    engine.start()
    ended = threading.Event()
    threading.Thread(target=_await_end, args=(pipe, ended), daemon=True).start()
    while engine.is_alive() and not ended.wait(POLL_SECONDS):
        pass
    engine.join(STOP_SECONDS)
    os._exit(0)


def _await_end(pipe: Path, ended: threading.Event) -> None:
    with pipe.open("w"):
        while sys.stdin.buffer.read(1):
            pass
    ended.set()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
