"""A real ClickHouse server for tests and for trying things, without Docker.

`ClickHouseServer` runs the engine of the `chdb-core` package (extra
`clickhouse-server`) as a child process, with HTTP and native TCP on loopback:

    with ClickHouseServer() as server, server.database() as url:
        store = open_store(url)

`python -m otel_agent_replay.testing.clickhouse` does the same until it is
interrupted. With AGENT_REPLAY_TEST_CLICKHOUSE=clickhouse://user:password@host:port
that server is used instead, and only databases made here are dropped.

The engine never runs inside the calling process: importing it starts threads
that a fork does not survive. It ends when its parent does.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote, unquote, urlsplit

from otel_agent_replay.errors import ConfigurationError, StoreUnavailableError

__all__ = ["ABSENT", "ClickHouseServer", "available"]

ABSENT: Final = (
    "no ClickHouse server: install otel-agent-replay[clickhouse-server], or set "
    "AGENT_REPLAY_TEST_CLICKHOUSE=clickhouse://user:password@host:8123"
)
"""Why a test is skipped where `available()` is False."""

_VARIABLE: Final = "AGENT_REPLAY_TEST_CLICKHOUSE"
_ENGINE: Final = Path(__file__).with_name("clickhouse_engine.py")
_READY_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 20.0
_PAUSE_SECONDS: Final = 0.05
_TRIES: Final = 3
_WRITER: Final = "writer"
_READER: Final = "reader"

_CONFIG: Final = """<clickhouse>
  <http_port>{http}</http_port><tcp_port>{tcp}</tcp_port>
  <listen_host>127.0.0.1</listen_host>
  <users_config>{directory}/users.xml</users_config>
  <logger><level>warning</level><log>{directory}/clickhouse.log</log></logger>
  {more}
</clickhouse>
"""
# The engine's own session is user `default`: with a password it does not start.
_USERS: Final = """<clickhouse>
  <profiles>
    <default/>
    <reading>
      <readonly>1</readonly>
      <constraints><max_execution_time><changeable_in_readonly/></max_execution_time></constraints>
    </reading>
  </profiles>
  <quotas><default/></quotas>
  <users>
    <default><password/><networks><ip>127.0.0.1</ip></networks>
      <profile>default</profile><quota>default</quota></default>
    <writer><password>{password}</password><networks><ip>127.0.0.1</ip></networks>
      <profile>default</profile><quota>default</quota></writer>
    <reader><password>{password}</password><networks><ip>127.0.0.1</ip></networks>
      <profile>reading</profile><quota>default</quota></reader>
  </users>
</clickhouse>
"""


def available(environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether a server can be had here: an external one, or the package's."""
    return bool(environment.get(_VARIABLE)) or (
        importlib.util.find_spec("chdb") is not None
    )


class ClickHouseServer:
    """A ClickHouse server as long as the context lasts.

    Attributes:
        base_url: `clickhouse://writer:password@127.0.0.1:port`, without database.
        reader_url: The same for a user who may only read.
        tcp_port: Port of the native protocol; None for an external server.
    """

    def __init__(
        self,
        *,
        directory: Path | None = None,
        http_port: int = 0,
        environment: Mapping[str, str] = os.environ,
        configuration: str = "",
    ) -> None:
        """Prepare a server; nothing runs before the context is entered.

        Args:
            directory: Where its data is kept; by default a temporary directory
                that is removed in the end.
            http_port: Its HTTP port; 0 takes a free one.
            environment: Where AGENT_REPLAY_TEST_CLICKHOUSE is looked up.
            configuration: More XML for its configuration; `TCP_PORT` in it stands
                for the port of the native protocol. Users may be added by files in
                `users.d` of the directory.
        """
        url, _, self._query = environment.get(_VARIABLE, "").partition("?")
        self.base_url = self.reader_url = url.rstrip("/")
        self.tcp_port: int | None = None
        self._external = bool(self.base_url)
        self._directory = directory
        self._http_port = http_port
        self._environment = environment
        self._configuration = configuration
        self._temporary: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        if not self._external:
            if not available(self._environment):
                raise ConfigurationError("ClickHouseServer", ABSENT)
            self._start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    @contextmanager
    def database(self) -> Iterator[str]:
        """Give the URL of an empty database, dropped in the end."""
        name = f"agent_replay_{secrets.token_hex(8)}"
        self.execute(f"CREATE DATABASE {name}")
        try:
            yield f"{self.base_url}/{name}{'?' if self._query else ''}{self._query}"
        finally:
            self.execute(f"DROP DATABASE IF EXISTS {name} SYNC")

    def execute(self, statement: str) -> str:
        """Run one SQL statement as the writing user; return what it prints."""
        parts = urlsplit(self.base_url)
        scheme = "https" if "secure=true" in self._query else "http"
        request = urllib.request.Request(  # noqa: S310 - http or https, see above
            f"{scheme}://{parts.hostname}:{parts.port}/",
            data=statement.encode(),
            headers={
                "X-ClickHouse-User": unquote(parts.username or "default"),
                "X-ClickHouse-Key": unquote(parts.password or ""),
            },
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            text: bytes = answer.read()
        return text.decode()

    def _start(self) -> None:
        for attempt in range(_TRIES):
            try:
                self._start_once()
            except StoreUnavailableError:
                self._stop()
                if attempt == _TRIES - 1:
                    raise
            else:
                return

    def _start_once(self) -> None:
        if self._directory is None:
            self._temporary = Path(tempfile.mkdtemp(prefix="agent-replay-clickhouse-"))
        directory = (self._temporary or self._directory or Path()).absolute()
        http, tcp = self._http_port or _free_port(), _free_port()
        password = secrets.token_hex(8)
        more = self._configuration.replace("TCP_PORT", str(tcp))
        _write_config(
            directory,
            _CONFIG.format(http=http, tcp=tcp, directory=directory, more=more),
            password,
        )
        self.tcp_port = tcp
        self.base_url = f"clickhouse://{_WRITER}:{quote(password)}@127.0.0.1:{http}"
        self.reader_url = self.base_url.replace(_WRITER, _READER, 1)
        with (directory / "engine.log").open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-P", str(_ENGINE), str(directory)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=directory,
                start_new_session=True,  # an interrupt is for the parent alone
            )
        self._wait(self._process, http, directory)

    def _wait(self, process: subprocess.Popen[bytes], port: int, where: Path) -> None:
        """Return when the server answers."""
        until = time.monotonic() + _READY_SECONDS
        while time.monotonic() < until and process.poll() is None:
            with suppress(OSError, urllib.error.URLError):
                ping = f"http://127.0.0.1:{port}/ping"
                with urllib.request.urlopen(ping, timeout=5):
                    return
            time.sleep(_PAUSE_SECONDS)
        told = (where / "engine.log").read_text(errors="replace")[-2000:]
        problem = f"the engine did not start: {told.strip() or 'it says nothing'}"
        raise StoreUnavailableError(f"clickhouse://127.0.0.1:{port}", problem)

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            if process.stdin:
                with suppress(OSError):
                    process.stdin.close()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary = None


def _write_config(directory: Path, config: str, password: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    # The engine reads clickhouse-local.xml from its working directory.
    (directory / "clickhouse-local.xml").write_text(config, encoding="utf-8")
    users = directory / "users.xml"
    users.touch(mode=0o600)
    users.write_text(_USERS.format(password=password), encoding="utf-8")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m otel_agent_replay.testing.clickhouse",
        description="Run a ClickHouse server for tests until interrupted.",
    )
    parser.add_argument("--directory", type=Path, help="keep the data here")
    parser.add_argument("--port", type=int, default=0, help="HTTP port")
    chosen = parser.parse_args()
    with ClickHouseServer(
        directory=chosen.directory, http_port=chosen.port, environment={**os.environ}
    ) as server:
        sys.stdout.write(f"{server.base_url}/agent_replay\n")
        sys.stdout.flush()
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    _main()
