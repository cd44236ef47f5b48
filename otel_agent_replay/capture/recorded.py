"""What the recorder keeps about an open call."""

from __future__ import annotations

from collections.abc import Callable

from opentelemetry import trace
from opentelemetry.sdk.trace import Span

from otel_agent_replay.capture.genai import Plain
from otel_agent_replay.capture.runs import RunState

__all__ = ["Recorded"]


class Recorded:
    """A call's span and what belongs to it.

    Attributes:
        run: The run it is a step of, or the root of.
        span: Its span; None for a step that is stored already.
        shown: What stands for the span in the context.
        marks: Our own attributes of it.
        extra: Its other attributes.
        is_root: Whether it is the run itself.
        joined: Whether another instrumentation opened the span, and ends it.
        made_in: The process it was made in, by `OpenRuns.process_id`.
    """

    __slots__ = (
        "_lost",
        "extra",
        "is_root",
        "joined",
        "made_in",
        "marks",
        "run",
        "shown",
        "span",
    )

    def __init__(  # noqa: PLR0913 - a plain record, made in hot paths
        self,
        run: RunState,
        span: Span | None,
        shown: trace.Span,
        *,
        marks: dict[str, Plain],
        extra: dict[str, Plain],
        is_root: bool = False,
        joined: bool = False,
    ) -> None:
        self.run = run
        self.span = span
        self.shown = shown
        self.marks = marks
        self.extra = extra
        self.is_root = is_root
        self.joined = joined
        self.made_in = ""
        self._lost: Callable[[Recorded], None] | None = None

    @property
    def span_id(self) -> int:
        """The id of its span."""
        return self.shown.get_span_context().span_id

    def open_in(self, process_id: str, lost: Callable[[Recorded], None]) -> None:
        """Say where it is open, and what to do if its call is forgotten unended."""
        self.made_in = process_id
        self._lost = lost

    def close(self) -> None:
        """Say that its call has ended."""
        self._lost = None

    def __del__(self) -> None:
        if self._lost is not None:
            self._lost(self)
