"""Whose code reads: the agent's own, or a library's."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from types import FrameType
from typing import Final

__all__ = ["is_own", "own_caller", "place_of"]

_PACKAGE: Final = os.path.dirname(  # noqa: PTH120 - file names of code are plain texts
    os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
)
_LIBRARIES: Final = ("site-packages", "dist-packages")
_TYPED: Final = ("<string>", "<stdin>")
"""File names of code with no file: `python -c`, a prompt, what `exec` was given."""
_FROZEN: Final = "<frozen"
_INLINED: Final = (
    ".<locals>.<listcomp>",
    ".<locals>.<setcomp>",
    ".<locals>.<dictcomp>",
)
"""Functions of their own in some versions of Python only."""
_AT_MOST: Final = 30

_own_files: dict[str, bool] = {}


def _standard() -> tuple[str, ...]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    found = {sysconfig.get_path(name) for name in names}
    found |= {*getattr(site, "getsitepackages", list)(), _PACKAGE}
    return tuple(each + os.sep for each in found if each)


_STANDARD: Final = _standard()


def own_caller(frame: FrameType | None, through: frozenset[str]) -> FrameType | None:
    """Return the frame of the agent's code that asks; None if it is a library's.

    Args:
        frame: Who called.
        through: Names of modules that only pass on what their caller asks for.
    """
    for _ in range(_AT_MOST):
        if frame is None:
            return None
        name = frame.f_code.co_filename
        own = _own_files.get(name)
        if own is None:
            own = _judged(frame, name)
        if own:
            return frame
        generated = name[:1] == "<" and name not in _TYPED and name[:7] != _FROZEN
        if not generated and frame.f_globals.get("__name__") not in through:
            return None
        frame = frame.f_back
    return None


def _judged(frame: FrameType, name: str) -> bool:
    if name in _TYPED:  # which module's it is differs from one to the next
        return is_own(frame.f_globals.get("__file__"))
    found = name[:1] != "<" and is_own(name)
    _own_files[name] = found
    return found


def is_own(file: object) -> bool:
    """Return whether a file is neither a library's nor this package's; None is own."""
    if not isinstance(file, str):
        return True
    path = file if os.path.isabs(file) else os.path.abspath(file)  # noqa: PTH100, PTH117
    if path.startswith(_STANDARD):
        return False
    return not any(f"{os.sep}{each}{os.sep}" in path for each in _LIBRARIES)


def place_of(frame: FrameType) -> str:
    """Return `module:function` of a frame: what tells equal reads apart.

    The module is named by its file alone, as a script is `__main__` or not; there is no
    line number, as a comment above must not change it.
    """
    folder, name = os.path.split(frame.f_code.co_filename)
    module = name.removesuffix(".py")
    if module == "__init__":
        module = os.path.basename(folder)  # noqa: PTH119
    function = frame.f_code.co_qualname
    for inlined in _INLINED:
        function = function.replace(inlined, "")
    return f"{sys.intern(module)}:{function}"
