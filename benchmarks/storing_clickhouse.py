"""The Collector's own layout on a ClickHouse server, and what is sent there."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from clickhouse_connect.driver.client import Client

from otel_agent_replay.model.span import SpanRecord
from otel_agent_replay.store.clickhouse_client import ClickHouse, address
from otel_agent_replay.store.clickhouse_sql import SPAN_COLUMNS
from otel_agent_replay.store.rows import Row, from_row, to_row
from otel_agent_replay.testing.clickhouse import ClickHouseServer

__all__ = [
    "LAYOUTS",
    "Counting",
    "StockTable",
    "disk",
    "disk_by_table",
    "merge",
    "raw_bytes",
]

LAYOUTS: Final = {
    path.stem: path
    for path in sorted(
        (Path(__file__).parents[1] / "tests/store/collector_tables").glob("*.sql")
    )
}
"""The Collector's `otel_traces` by version: bloom filters, later text indexes."""

_READ: Final = {
    "Timestamp": "toUnixTimestamp64Nano(Timestamp)",
    "Events.Timestamp": "arrayMap(t -> toUnixTimestamp64Nano(t), `Events.Timestamp`)",
}


class _Compressing(ClickHouse):
    """A server that is sent batches compressed in a way of one's choice."""

    def __init__(self, url: str, compression: str) -> None:
        super().__init__(address(url), create=True)
        self._compression = compression

    def _open(self, database: str | None) -> Client:
        client = super()._open(database)
        client.write_compression = self._compression
        return client


class StockTable:
    """`otel_traces` as a Collector makes it, payloads inline.

    Batches are compressed with lz4, as the Collector does it by default.
    """

    def __init__(self, url: str, layout: str, compression: str = "lz4") -> None:
        self._server = _Compressing(url, compression)
        self.database = self._server.address.database
        self._server.command(LAYOUTS[layout].read_text(encoding="utf-8"))

    def write(self, spans: Sequence[SpanRecord]) -> None:
        """Insert spans in the native format, column by column."""
        columns = [list(each) for each in zip(*map(to_row, spans), strict=True)]
        self._server.insert("otel_traces", SPAN_COLUMNS, columns)

    def spans(
        self, trace_id: str, within: tuple[int, int] | None = None
    ) -> tuple[SpanRecord, ...]:
        """Return the spans of a trace, decoded and in order.

        Args:
            trace_id: The trace.
            within: Its first and last start, where the reader knows them.
        """
        columns = ", ".join(_READ.get(name, f"`{name}`") for name in SPAN_COLUMNS)
        where = "TraceId = {trace:String}"
        known: dict[str, int] = {}
        if within is not None:
            known = {"first": within[0], "last": within[1]}
            where += """ AND otel_traces.Timestamp BETWEEN
                fromUnixTimestamp64Nano({first:Int64})
                AND fromUnixTimestamp64Nano({last:Int64})"""
        values = self._server.columns(
            f"SELECT {columns} FROM otel_traces WHERE {where}",  # noqa: S608
            trace=trace_id,
            **known,
        )
        found = [from_row(Row(*each)) for each in zip(*values, strict=True)]
        found.sort(key=lambda span: (span.start_ns, span.span_id))
        return tuple(found)

    def count(self) -> int:
        """Return how many spans are stored."""
        rows = self._server.rows("SELECT count() FROM otel_traces")
        return int(rows[0][0])

    def close(self) -> None:
        """Close the connection."""
        self._server.close()


def merge(server: ClickHouseServer, database: str) -> None:
    """Merge the parts of every table into one a partition, as time would."""
    tables = server.execute(
        f"""SELECT name FROM system.tables WHERE database = '{database}'
        AND engine LIKE '%MergeTree'"""  # noqa: S608
    )
    for table in tables.split():
        server.execute(f"OPTIMIZE TABLE {database}.`{table}` FINAL")


def raw_bytes(server: ClickHouseServer, database: str) -> int:
    """Return the bytes that a database has before compression."""
    text = server.execute(
        f"""SELECT sum(data_uncompressed_bytes) FROM system.parts
        WHERE database = '{database}' AND active"""  # noqa: S608
    )
    return int(text)


def disk_by_table(server: ClickHouseServer, database: str) -> dict[str, int]:
    """Return the bytes that each table takes on disk, indexes included."""
    rows = server.execute(
        f"""SELECT table, sum(bytes_on_disk) FROM system.parts
        WHERE database = '{database}' AND active GROUP BY table"""  # noqa: S608
    )
    pairs = (line.split("\t") for line in rows.splitlines())
    return {table: int(number) for table, number in pairs}


def disk(server: ClickHouseServer, database: str) -> int:
    """Return the bytes that a database takes on disk."""
    return sum(disk_by_table(server, database).values())


class Counting:
    """Passes connections on to a server and counts the bytes sent there.

    Attributes:
        sent: Bytes that clients sent, as they went over the socket.
    """

    def __init__(self, url: str) -> None:
        self.sent = 0
        self._parts = urlsplit(url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """The server's URL, by way of here."""
        port = self._listener.getsockname()[1]
        user = self._parts.netloc.rpartition("@")[0]
        return self._parts._replace(netloc=f"{user}@127.0.0.1:{port}").geturl()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # A thread that waits in accept() keeps the socket open.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            host, port = self._parts.hostname or "127.0.0.1", self._parts.port or 8123
            server = socket.create_connection((host, port))
            for pair in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, here: socket.socket, there: socket.socket, sends: bool) -> None:  # noqa: FBT001
        with _ending(there):
            while data := here.recv(1 << 16):
                there.sendall(data)
                if sends:
                    with self._lock:
                        self.sent += len(data)


@contextmanager
def _ending(there: socket.socket) -> Iterator[None]:
    """End a connection where the other side of it ended."""
    try:
        with suppress(OSError):
            yield
    finally:
        with suppress(OSError):
            there.shutdown(socket.SHUT_RDWR)
        there.close()
