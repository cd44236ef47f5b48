"""Stores: one contract, one file per back end."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from otel_agent_replay.errors import ConfigurationError
from otel_agent_replay.store.base import SpanWriter, Store, StoreCheck

__all__ = ["SpanWriter", "Store", "StoreCheck", "open_store"]

_ALLOWED: Final = (
    "use sqlite:///relative/path, sqlite:////absolute/path, a file path, or "
    "clickhouse://user:password@host:8123/database?secure=true"
)


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
    scheme, separator, rest = url.partition("://")
    if not separator:
        return _sqlite(url, create=create)
    if scheme == "sqlite":
        if not rest.startswith("/"):
            raise ConfigurationError(
                "store", f"sqlite://{rest} has no path; {_ALLOWED}"
            )
        return _sqlite(rest[1:], create=create)
    if scheme == "clickhouse":
        # Importing the client takes a tenth of a second and more.
        from otel_agent_replay.store.clickhouse import (  # noqa: PLC0415
            ClickHouseStore,
        )

        return ClickHouseStore(url, create=create)
    raise ConfigurationError("store", f"{scheme}:// is not known; {_ALLOWED}")


def _sqlite(path: str, *, create: bool) -> Store:
    from otel_agent_replay.store.sqlite import SqliteStore  # noqa: PLC0415

    if not path:
        raise ConfigurationError("store", f"the path is empty; {_ALLOWED}")
    return SqliteStore(Path(path).expanduser(), create=create)
