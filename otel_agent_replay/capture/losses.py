"""What was lost, counted by run and reason, so that no loss goes unseen."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict

from otel_agent_replay.capture.forks import in_forked_child

__all__ = ["Losses"]


class Losses:
    """Counts losses; safe from any thread and from finalizers.

    Reasons: `queue` (full), `redaction` (a rule failed), `encoding` (a span could
    not be read), `sdk_limit` (attributes,
    events or links over the SDK's limits), `spool` (full), `store` (the store refused for too long), `capture`
    (our own code failed). What a killed process leaves half written is `torn`.
    """

    def __init__(self) -> None:
        self._forget()
        in_forked_child(self._forget)

    def _forget(self) -> None:
        self._lock = threading.RLock()
        self._by_run: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._told: Counter[str] = Counter()

    def count(self, run_id: str, reason: str, number: int = 1) -> None:
        """Add to a run's losses; the empty run id is for losses outside any run."""
        with self._lock:
            self._by_run[run_id][reason] += number

    def note(self, reason: str) -> None:
        """Add a loss that its own step tells of: that of a payload."""
        with self._lock:
            self._told[reason] += 1

    def take(self, run_id: str) -> dict[str, int]:
        """Return a run's losses by reason, for the span that tells of them.

        They are told once: a later span of the run tells of later ones.
        """
        with self._lock:
            found = self._by_run.pop(run_id, Counter())
            self._told.update(found)
            return dict(found)

    def total(self) -> dict[str, int]:
        """Return all losses by reason."""
        with self._lock:
            return dict(sum(self._by_run.values(), Counter(self._told)))
