"""Names of the script itself, seen as soon as they are there.

The script cannot be asked to say when it has defined something, so it is watched by
a trace function that sees the script's own frame only and goes away when all names
have come, or the script has ended. A debugger's or coverage's own trace function goes
on meanwhile, and is left in charge after it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import FrameType, ModuleType
from typing import Any, Final, TypeAlias, cast

__all__ = ["MAIN", "watch_main"]

MAIN: Final = "__main__"

_Callback: TypeAlias = "Callable[[ModuleType], None]"
_Local: TypeAlias = "Callable[[FrameType, str, Any], Any]"


def watch_main(callbacks: Mapping[str, _Callback]) -> None:
    """Call back with the script's module once it has a function or class of a name.

    Called back at once if it is there, otherwise as soon as it is, at the latest when
    the script's own code has ended.
    """
    watch = _Watch(callbacks)
    if not watch.look(vars(sys.modules[MAIN])):
        watch.start()


class _Watch:
    """Waits for names; stands before a trace function that was set already."""

    def __init__(self, callbacks: Mapping[str, _Callback]) -> None:
        self._waiting = dict(callbacks)
        self._before: _Local | None = None
        self._hook = self._on_call

    def look(self, names: Mapping[str, object], *, is_end: bool = False) -> bool:
        """Call back for what is there; return whether nothing is left to wait for."""
        for name in [*self._waiting]:
            if is_end or callable(names.get(name)):
                self._waiting.pop(name)(sys.modules[MAIN])
        return not self._waiting

    def start(self) -> None:
        """Trace, beside whoever traces already."""
        self._before = cast("_Local | None", sys.gettrace())
        frame: FrameType | None = sys._getframe()  # noqa: SLF001 - no other way
        while frame is not None and not _is_script(frame):
            frame = frame.f_back
        if frame is not None:
            frame.f_trace = self._beside(frame.f_trace)
        sys.settrace(self._hook)

    def _stop(self) -> None:
        if sys.gettrace() is self._hook:
            sys.settrace(self._before)

    def _on_call(self, frame: FrameType, event: str, argument: object) -> _Local | None:
        before = self._before
        local = before(frame, event, argument) if before is not None else None
        # Tracers written in C put themselves in place when they are called.
        if before is not None and sys.gettrace() is not self._hook:
            sys.settrace(self._hook)
        return self._beside(local) if _is_script(frame) else local

    def _beside(self, local: _Local | None) -> _Local:
        def on_line(frame: FrameType, event: str, argument: object) -> _Local | None:
            nonlocal local
            if local is not None:
                local = local(frame, event, argument) or local
            if not self.look(frame.f_globals, is_end=event == "return"):
                return on_line
            self._stop()
            frame.f_trace = local
            return local

        return on_line


def _is_script(frame: FrameType) -> bool:
    is_module = frame.f_code.co_name == "<module>"
    return is_module and frame.f_globals is vars(sys.modules[MAIN])
