"""A ClickHouse server over HTTP: its address, its errors, its connection."""

from __future__ import annotations

import logging
import os
import re
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from otel_agent_replay.errors import (
    ConfigurationError,
    StoreAccessError,
    StoreUnavailableError,
)

__all__ = ["Address", "ClickHouse", "address"]

# Server error codes, ErrorCodes.cpp of ClickHouse.
_DENIED: Final = frozenset({164, 192, 193, 194, 497, 516})
_NO_DATABASE: Final = 81
_OUR_MISTAKE: Final = frozenset({42, 43, 46, 47, 53, 62})
_PLAIN_PORT: Final = 8123
_TLS_PORT: Final = 8443
_SECONDS: Final = frozenset({"connect_timeout", "send_receive_timeout"})
_SWITCHES: Final = frozenset({"secure", "verify"})
_TEXTS: Final = frozenset(
    {"ca_cert", "client_cert", "client_cert_key", "server_host_name", "http_proxy"}
)
_FALSE: Final = frozenset({"0", "false", "no", "off"})

# It logs errors that it raises too; without this they are printed in programs that
# have not configured logging.
logging.getLogger("clickhouse_connect").addHandler(logging.NullHandler())
_BY_CHANCE: Final = 4
_READ_ONLY: Final = re.compile(r"Setting \w+ is readonly")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """What a `clickhouse://` URL says.

    Attributes:
        shown: The URL with `***` for the password.
        options: Further arguments of `clickhouse_connect.get_client`.
    """

    shown: str
    host: str
    port: int
    user: str
    password: str
    database: str
    options: Mapping[str, str | int | bool]


def address(url: str) -> Address:
    """Read a URL `clickhouse://user:password@host:8123/database?secure=true`.

    Raises:
        ConfigurationError: It cannot be read; the password is not in the message.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        problem = "the clickhouse:// URL has no valid host and port"
        raise ConfigurationError("store", problem) from None
    if not parts.hostname:
        raise ConfigurationError("store", "the clickhouse:// URL names no host")
    options = dict(_option(*pair) for pair in parse_qsl(parts.query))
    usual = _TLS_PORT if options.get("secure") else _PLAIN_PORT
    return Address(
        shown=_shown(parts),
        host=parts.hostname,
        port=port or usual,
        user=unquote(parts.username or "default"),
        password=unquote(parts.password or ""),
        database=unquote(parts.path.strip("/")) or "default",
        options=options,
    )


def _option(name: str, value: str) -> tuple[str, str | int | bool]:
    if name in _SWITCHES:
        return name, value.lower() not in _FALSE
    if name in _SECONDS and value.isdigit():
        return name, int(value)
    if name in _TEXTS:
        return name, value
    allowed = ", ".join(sorted(_SWITCHES | _SECONDS | _TEXTS))
    raise ConfigurationError(
        "store", f"clickhouse:// does not take {name}={value}; it takes {allowed}"
    )


def _shown(parts: SplitResult) -> str:
    host = parts.netloc.rpartition("@")[2]
    user = quote(unquote(parts.username or ""))
    secret = ":***" if parts.password else ""
    at = f"{user}{secret}@" if user else ""
    return f"clickhouse://{at}{host}{parts.path}"


class ClickHouse:
    """Runs statements; safe from several threads, and after a fork."""

    def __init__(self, where: Address, *, create: bool) -> None:
        self.address = where
        self._create = create
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._pid = 0
        self._settings: dict[str, str | int] = {}

    def use(self, **settings: str | int) -> None:
        """Give every statement from now on these settings."""
        self.close()
        self._settings = dict(settings)

    def rows(
        self, statement: str, **parameters: str | float | Sequence[str]
    ) -> Sequence[Sequence[Any]]:
        """Return the rows of a query; `{name:Type}` in it takes a parameter."""
        with self._mapped():
            return self._connected().query(statement, parameters).result_rows

    def columns(
        self, statement: str, **parameters: str | float | Sequence[str]
    ) -> Sequence[Sequence[Any]]:
        """Return the columns of a query; none at all if it has no rows."""
        with self._mapped():
            client = self._connected()
            return client.query(
                statement, parameters, column_oriented=True
            ).result_columns

    def command(self, statement: str, **settings: str | int) -> None:
        """Run a statement that returns nothing."""
        with self._mapped():
            self._connected().command(statement, settings=dict(settings))

    def command_with(self, statement: str, **parameters: str | Sequence[str]) -> None:
        """Run a deletion or an update; when it returns, every reader sees it."""
        with self._mapped():
            self._connected().command(
                statement,
                parameters,
                settings={"lightweight_deletes_sync": 2, "mutations_sync": 2},
            )

    def insert(
        self,
        table: str,
        columns: Mapping[str, str],
        values: Sequence[Sequence[Any]],
        token: str = "",
    ) -> None:
        """Insert one batch, given column by column; `columns` are types by name.

        It is stored once however often the client has to send it. Batches with
        equal tokens count as the same batch.
        """
        with self._mapped():
            self._connected().insert(
                table,
                values,
                column_names=[*columns],
                column_type_names=[*columns.values()],
                column_oriented=True,
                settings={
                    "async_insert": 0,
                    "insert_deduplication_token": token or secrets.token_hex(16),
                    "max_partitions_per_insert_block": 0,
                    "distributed_foreground_insert": 1,
                },
            )

    def close(self) -> None:
        """Close the connection, if there is one."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None and self._pid == os.getpid():
            client.close()

    def _connected(self) -> Client:
        if self._pid != os.getpid():
            # A fork: sockets are the parent's, and a thread that is gone here may
            # hold the lock.
            self._lock = threading.Lock()
            self._client = None
            self._pid = os.getpid()
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def _connect(self) -> Client:
        try:
            return self._open(self.address.database)
        except ClickHouseError as error:
            if _code(error) != _NO_DATABASE or not self._create:
                raise
        with self._open(None) as client:
            name = self.address.database.replace("`", "``")
            client.command(f"CREATE DATABASE IF NOT EXISTS `{name}`")
        return self._open(self.address.database)

    def _open(self, database: str | None) -> Client:
        where = self.address
        options: dict[str, Any] = {**where.options}
        if database is not None:
            options["database"] = database
        client = clickhouse_connect.get_client(
            host=where.host,
            port=where.port,
            username=where.user,
            password=where.password,
            autogenerate_session_id=False,
            client_name="otel-agent-replay",
            settings=self._settings,
            **options,
        )
        # The usual lz4 sees 64 KB of a batch, in which much comes again after more.
        client.write_compression = "zstd"
        return client

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        """Turn the client's errors into the store's, the password taken out."""
        try:
            yield
        except ClickHouseError as error:
            code = _code(error)
            if code in _OUR_MISTAKE:
                raise
            problem = self._safe(str(error))
            if _READ_ONLY.match(problem):
                # Said by the client, of a setting that comes with each change.
                problem = "this user may only read"
                raise StoreAccessError(self.address.shown, problem) from None
            if code in _DENIED:
                raise StoreAccessError(self.address.shown, problem) from None
            raise StoreUnavailableError(self.address.shown, problem) from None
        except OSError as error:
            problem = self._safe(str(error))
            raise StoreUnavailableError(self.address.shown, problem) from None

    def _safe(self, text: str) -> str:
        for secret in (self.address.password, quote(self.address.password)):
            # A short one stands by chance in any text; in a URL it is one for sure.
            shown = secret if len(secret) > _BY_CHANCE else f":{secret}@"
            if secret:
                text = text.replace(shown, shown.replace(secret, "***"))
        return re.sub(r"\s+", " ", text)[:500]


def _code(error: ClickHouseError) -> int:
    """Return the server's error code; 0 where it did not answer.

    Older clients keep it in the text only.
    """
    code = getattr(error, "code", None)
    if isinstance(code, int):
        return code
    found = re.search(r"\bCode: (\d+)|error code (\d+)", str(error))
    return int(found[1] or found[2]) if found else 0
