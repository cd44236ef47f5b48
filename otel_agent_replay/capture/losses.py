"""What was lost, counted by run and reason, so that no loss goes unseen."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict

__all__ = ["Losses"]


class Losses:
    """Counts losses; safe from any thread.

    Reasons: `queue` (full), `redaction` (a rule failed), `encoding` (a payload
    could not be read), `store` (the store refused for too long), `capture` (our own
    code failed).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_run: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def count(self, run_id: str, reason: str, number: int = 1) -> None:
        """Add to a run's losses; the empty run id is for losses outside any run."""
        with self._lock:
            self._by_run[run_id][reason] += number

    def of(self, run_id: str) -> dict[str, int]:
        """Return a run's losses by reason."""
        with self._lock:
            return dict(self._by_run.get(run_id, {}))

    def total(self) -> dict[str, int]:
        """Return all losses by reason."""
        with self._lock:
            return dict(sum(self._by_run.values(), Counter()))
