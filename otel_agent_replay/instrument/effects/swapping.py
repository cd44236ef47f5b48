"""Functions replaced, also in the modules that took them by name before."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Final

from otel_agent_replay.instrument.effects.callers import is_own

__all__ = ["set_on_type", "swap", "swap_in_modules"]

_PLAIN: Final = (int, str, float, bool, type(None))


def swap(module: ModuleType, name: str, replacement: Any) -> dict[int, tuple[Any, Any]]:
    """Replace a module's function; return what was replaced by what, by identity."""
    original = getattr(module, name)
    setattr(module, name, replacement)
    return {id(original): (original, replacement)}


def swap_in_modules(swapped: Mapping[int, tuple[Any, Any]]) -> None:
    """Replace functions in the agent's modules that did `from … import …` before."""
    for module in [*sys.modules.values()]:
        names = getattr(module, "__dict__", None)
        file = getattr(module, "__file__", None)
        main = getattr(module, "__name__", None) == "__main__"
        if not isinstance(names, dict) or not (main or (file and is_own(file))):
            continue
        for name, value in [*names.items()]:
            found = None if isinstance(value, _PLAIN) else swapped.get(id(value))
            if found is not None and found[0] is value:
                names[name] = found[1]


def set_on_type(cls: type, name: str, value: object) -> None:
    """Set an attribute of a class that is written in C.

    So the class stays itself: for `isinstance`, `pickle`, `is`, and for all who took it
    by name before. A subclass in its place would be another class for each of these.

    Raises:
        TypeError: This interpreter does not let a class be changed.
    """
    found = gc.get_referents(cls.__dict__)
    if len(found) != 1 or not isinstance(found[0], dict):
        raise TypeError(cls.__qualname__)
    found[0][name] = value
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(cls))
