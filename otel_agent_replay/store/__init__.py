"""Stores: one contract, one file per back end."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from otel_agent_replay.errors import ConfigurationError
from otel_agent_replay.model.intention import IntentionLog
from otel_agent_replay.store.base import SpanWriter, Store, StoreCheck

__all__ = [
    "SpanWriter",
    "Store",
    "StoreCheck",
    "check_url",
    "open_intentions",
    "open_store",
]

_ALLOWED: Final = (
    "use sqlite:///relative/path, sqlite:////absolute/path, a file path, or "
    "clickhouse://user:password@host:8123/database?secure=true"
)


def check_url(url: str) -> None:
    """Check that a URL names a store, without opening it.

    Raises:
        ConfigurationError: It names none.
    """
    scheme, separator, rest = url.partition("://")
    if separator and scheme not in {"sqlite", "clickhouse"}:
        raise ConfigurationError("store", f"{scheme}:// is not known; {_ALLOWED}")
    if scheme == "clickhouse" and separator:
        _check_server(url)
        return
    if separator and not rest.startswith("/"):
        raise ConfigurationError("store", f"sqlite://{rest} has no path; {_ALLOWED}")
    path = rest.removeprefix("/") if separator else url
    if not path:
        raise ConfigurationError("store", f"the path is empty; {_ALLOWED}")
    try:
        Path(path).absolute()
    except FileNotFoundError:
        raise ConfigurationError(
            "store",
            f"{path} is relative to a working directory that is gone; {_ALLOWED}",
        ) from None


def _check_server(url: str) -> None:
    try:
        parts = urlsplit(url)
        good = bool(parts.hostname) and parts.port != 0 and not parts.query
    except ValueError:
        good = False
    if not good:
        # It says what is wrong; importing it takes a tenth of a second and more.
        from otel_agent_replay.store.clickhouse_client import address  # noqa: PLC0415

        address(url)


def open_store(url: str, *, create: bool = True) -> Store:
    """Return the store at a URL, its schema brought up to date.

    With `create`, a store that does not exist yet is made, directories and
    database included; without, it is an error.

    Raises:
        ConfigurationError: The URL names no store.
        StoreUnavailableError: It cannot be reached or opened, or is not there.
        StoreAccessError: It refuses this user.
        StoreSchemaError: It was made by a newer version of this package.
    """
    check_url(url)
    scheme, separator, rest = url.partition("://")
    if not separator:
        return _sqlite(url, create=create)
    if scheme == "sqlite":
        return _sqlite(rest[1:], create=create)
    # Importing the client takes a tenth of a second and more.
    from otel_agent_replay.store.clickhouse import ClickHouseStore  # noqa: PLC0415

    return ClickHouseStore(url, create=create)


def open_intentions(url: str) -> IntentionLog:
    """Return the intentions of the store at a URL, which `open_store` has made.

    Raises:
        ConfigurationError: The URL names no store.
        StoreUnavailableError: It cannot be reached or opened, or is not there.
        StoreAccessError: It refuses this user.
    """
    check_url(url)
    scheme, separator, rest = url.partition("://")
    if scheme == "clickhouse" and separator:
        # Importing the client takes a tenth of a second and more.
        from otel_agent_replay.store.clickhouse_intentions import (  # noqa: PLC0415
            ClickHouseIntentions,
        )

        return ClickHouseIntentions(url)
    from otel_agent_replay.store.sqlite_intentions import (  # noqa: PLC0415
        SqliteIntentions,
    )

    path = rest[1:] if separator else url
    return SqliteIntentions(Path(path).expanduser(), create=False)


def _sqlite(path: str, *, create: bool) -> Store:
    from otel_agent_replay.store.sqlite import SqliteStore  # noqa: PLC0415

    return SqliteStore(Path(path).expanduser(), create=create)
