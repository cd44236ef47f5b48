"""A store of runs: what a store keeps as spans, loaded as `Run`s."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Final, Self

from otel_agent_replay import intercept, loader, store
from otel_agent_replay._setup.redaction import known_key_of_store, redactor_for
from otel_agent_replay._setup.spools import recover_into
from otel_agent_replay.capture.spool.recovery import Recovered
from otel_agent_replay.config import Settings, load_settings
from otel_agent_replay.errors import StoreError
from otel_agent_replay.model.run import (
    Recording,
    Run,
    RunClass,
    RunFilter,
    RunSource,
    RunStatus,
    RunSummary,
)
from otel_agent_replay.store.base import Store, StoreCheck

__all__ = ["RunStore", "flush_before_reading", "open_store"]

_LOGGER: Final = logging.getLogger("otel_agent_replay")
_flush: Callable[[], object] | None = None


def flush_before_reading(flush: Callable[[], object]) -> None:
    """Have what this process recorded written before it reads a store."""
    global _flush  # noqa: PLW0603 - the one recording of the process
    _flush = flush


@contextmanager
def _reading() -> Generator[None]:
    """See what this process recorded, and do not record the reading itself."""
    if _flush is not None:
        _flush()
    with intercept.suppressed():
        yield


class RunStore:
    """The runs of a store. A context manager; safe from several threads."""

    def __init__(self, url: str, spans: Store, settings: Settings) -> None:
        self.url = url
        self._spans = spans
        self._settings = settings
        self.recovered = Recovered()
        """What was taken over from dead processes since it was opened."""

    def runs(  # noqa: PLR0913 - one keyword a filter
        self,
        *,
        run_id: str | None = None,
        agent: str | None = None,
        status: RunStatus | None = None,
        run_class: RunClass | None = None,
        user: str | None = None,
        tag: str | None = None,
        text: str | None = None,
        since_ns: int | None = None,
        until_ns: int | None = None,
        min_cost_usd: float | None = None,
        max_cost_usd: float | None = None,
        limit: int = 50,
    ) -> list[RunSummary]:
        """Return the runs that fit every filter given, newest first.

        `run_id` may be a prefix. `user` and `text` are redacted as the store's
        contents are, so that a secret or an address finds its pseudonym. Times are
        Unix nanoseconds.
        """
        with _reading():
            where = RunFilter(
                run_id_prefix=run_id,
                agent=agent,
                status=status,
                run_class=run_class,
                user=self._redacted(user),
                tag=tag,
                text=self._redacted(text),
                since_ns=since_ns,
                until_ns=until_ns,
                min_cost_usd=min_cost_usd,
                max_cost_usd=max_cost_usd,
                limit=limit,
            )
            return self._spans.runs(where)

    def _redacted(self, text: str | None) -> str | None:
        key = self._key()
        if text is None or key is None:
            return text  # without a key nothing here was redacted
        return redactor_for(self._settings, key).text(text)

    def _key(self) -> bytes | None:
        own = self._settings.redaction_key
        return own.encode() if own else known_key_of_store(self._spans)

    def load(self, run_id: str) -> Run:
        """Return a run, rebuilt from its spans; a unique prefix of the id will do.

        Raises:
            RunNotFoundError: No such run.
            AmbiguousRunError: The prefix fits several.
        """
        recording = self.recording(run_id)
        run = loader.load(recording.spans, recording.run_id)
        with _reading():
            source = RunSource(store_url=self.url, pseudonym_key=self._key())
        return replace(run, source=source)

    @property
    def shown_url(self) -> str:
        """Where the store is; a password is shown as `***`."""
        return self._spans.url

    def resolve(self, prefix: str) -> str:
        """Return the one run id that starts so.

        Raises:
            RunNotFoundError: No run id starts so.
            AmbiguousRunError: Several do.
        """
        with _reading():
            return self._spans.resolve(prefix)

    def recording(self, run_id: str) -> Recording:
        """Return a run in portable form.

        Raises:
            RunNotFoundError: No such run.
            AmbiguousRunError: The prefix fits several.
        """
        with _reading():
            whole = self._spans.resolve(run_id)
            spans = loader.spans_of(self._spans.spans(whole), whole)
        return Recording(run_id=whole, spans=spans)

    def add(self, recording: Recording) -> None:
        """Store a recording; what is stored already stays as it is."""
        with intercept.suppressed():
            self._spans.write(recording.spans)

    def erase(self, run_id: str) -> int:
        """Delete a run; return how many spans it had.

        Raises:
            RunNotFoundError: No such run.
            AmbiguousRunError: The prefix fits several.
        """
        with _reading():
            return self._spans.erase(self._spans.resolve(run_id))

    def recover(self) -> Recovered:
        """Store what dead processes of this machine left in the spool; count it.

        What a living process holds is left alone. Opening a store does it too.

        Raises:
            StoreError: The store does not take it; it stays in the spool.
        """
        with intercept.suppressed():
            found = recover_into(self._spans, self._settings, self.url)
        self.recovered += found
        return found

    def check(self) -> StoreCheck:
        """Return what is there and what is wrong with it."""
        with _reading():
            return self._spans.check()

    def close(self) -> None:
        """Release connections."""
        self._spans.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_store(url: str | None = None, *, create: bool = True) -> RunStore:
    """Return the store at a URL; without one, the store of the settings.

    Args:
        url: `sqlite:///path` or `clickhouse://user:password@host:8123/database`.
        create: Whether to make a store that is not there.

    Raises:
        ConfigurationError: The URL names no store.
        StoreUnavailableError: It cannot be reached or opened.
        StoreAccessError: It refuses this user.
        StoreSchemaError: It was made by a newer version of this package.
    """
    settings = load_settings()
    where = url or settings.store
    with intercept.suppressed():
        opened = RunStore(where, store.open_store(where, create=create), settings)
    try:
        opened.recover()
    except StoreError as error:  # whoever only reads may not write
        _LOGGER.info("What is in the spool stays there: %s", error)
    return opened
