"""HTTP clients on the seam: httpx2, httpx, urllib3 (requests, botocore), aiohttp."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Final

from otel_agent_replay.instrument.http.exchange import forget_plans
from otel_agent_replay.instrument.http.settings import (
    HttpSettings,
    in_force,
    put_in_force,
)
from otel_agent_replay.instrument.http.stream import close_streams
from otel_agent_replay.instrument.on_import import forget_import, when_imported

__all__ = ["HttpSettings", "close_streams", "install", "uninstall"]

_ADAPTERS: Final = {
    "httpx2": "httpx_family",
    "httpx": "httpx_family",
    "urllib3": "urllib3_family",
    "aiohttp": "aiohttp_client",
}


def install(settings: HttpSettings) -> None:
    """Put every HTTP client on the seam; a second call replaces the settings.

    Clients that exist already are covered too. A library that is not imported yet is
    patched when it is; none is imported here.
    """
    put_in_force(settings)
    forget_plans()
    for library, patch in _PATCHES.items():
        when_imported(library, patch)


def uninstall() -> None:
    """Take the HTTP clients off the seam; harmless if they are not on it."""
    put_in_force(None)
    forget_plans()
    for library, patch in _PATCHES.items():
        forget_import(library, patch)
        adapter = _loaded(_ADAPTERS[library])
        if adapter is not None:
            adapter.unpatch()


def _patch(adapter: str, module: ModuleType) -> None:
    settings = in_force()
    if settings is None:
        return
    try:
        importlib.import_module(f"{__name__}.{adapter}").patch(module)
        _imported.add(adapter)
    except Exception as error:  # noqa: BLE001 - an unknown version of the library
        settings.on_failure(f"Putting {module.__name__} on the seam", error)


def _loaded(adapter: str) -> ModuleType | None:
    if adapter not in _imported:
        return None
    return importlib.import_module(f"{__name__}.{adapter}")


_imported: Final[set[str]] = set()
_PATCHES: Final[dict[str, Callable[[ModuleType], None]]] = {
    library: functools.partial(_patch, adapter)
    for library, adapter in _ADAPTERS.items()
}
