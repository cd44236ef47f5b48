"""Run something once a module has been imported, without importing it."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Final, TypeAlias

__all__ = ["forget_import", "when_imported", "whenever_imported"]

_LOGGER: Final = logging.getLogger(__name__)
_Callback: TypeAlias = Callable[[ModuleType], None]

_waiting: Final[dict[str, list[_Callback]]] = {}
_lasting: Final[dict[str, list[_Callback]]] = {}
_lock: Final = threading.RLock()


def when_imported(module_name: str, callback: _Callback) -> None:
    """Call back with a module: now if it is there, else right after its import.

    Each callback is called once; asking twice with an equal one is asking once. It
    runs on the importing thread. What it raises is logged, and the import succeeds.
    A module that is being imported at this moment counts as there.
    """
    with _lock:
        module = sys.modules.get(module_name)
        if module is None:
            callbacks = _waiting.setdefault(module_name, [])
            if callback not in callbacks:
                callbacks.append(callback)
            _look_out()
            return
    _call(callback, module)


def whenever_imported(module_name: str, callback: _Callback) -> None:
    """As `when_imported`, and again each time the module is executed again."""
    with _lock:
        callbacks = _lasting.setdefault(module_name, [])
        if callback not in callbacks:
            callbacks.append(callback)
        _look_out()
    when_imported(module_name, callback)


def _look_out() -> None:
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)


def forget_import(module_name: str, callback: _Callback) -> None:
    """Take back a `when_imported` that has not happened yet, if there is one."""
    with _lock:
        callbacks = _waiting.get(module_name, [])
        if callback in callbacks:
            callbacks.remove(callback)


def _call(callback: _Callback, module: ModuleType) -> None:
    try:
        callback(module)
    except Exception:
        # The agent's import must succeed whatever we wanted of the module.
        _LOGGER.exception("Preparing %s failed", module.__name__)


def _imported(module_name: str, module: ModuleType) -> None:
    with _lock:
        callbacks = _waiting.pop(module_name, [])
        callbacks += [c for c in _lasting.get(module_name, []) if c not in callbacks]
    for callback in callbacks:
        _call(callback, module)


class _Finder(MetaPathFinder):
    """Finds what the other finders find, and has a say when it is loaded."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if not (_waiting.get(fullname) or _lasting.get(fullname)):
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            if finder is self or find is None:
                continue
            spec: ModuleSpec | None = find(fullname, path, target)
            if spec is not None:
                return _announced(spec)
        return None


_FINDER: Final = _Finder()


def _announced(spec: ModuleSpec) -> ModuleSpec:
    if spec.loader is not None and hasattr(spec.loader, "exec_module"):
        spec.loader = _AnnouncingLoader(spec.name, spec.loader)
    return spec


class _AnnouncingLoader(Loader):
    """Stands for a loader until the module's code runs, then is gone."""

    def __init__(self, module_name: str, loader: Loader) -> None:
        self._module_name = module_name
        self._loader = loader

    def __getattr__(self, name: str) -> object:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # Module code may look at its loader (resources, `runpy`): it sees its own.
        if module.__loader__ is self:
            module.__loader__ = self._loader
        if module.__spec__ is not None and module.__spec__.loader is self:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        _imported(self._module_name, sys.modules.get(self._module_name, module))
