"""A store of runs: what a store keeps as spans, loaded as `Run`s."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from otel_agent_replay import intercept, loader, store
from otel_agent_replay._setup.erasing import (
    Erased,
    erase_runs,
    files_holding,
    remember_export,
)
from otel_agent_replay._setup.launch import sqlite_path
from otel_agent_replay._setup.redaction import known_key_of_store, redactor_for
from otel_agent_replay._setup.spools import recover_into, spooled_files
from otel_agent_replay.capture.spool.recovery import Recovered
from otel_agent_replay.config import Settings, load_settings
from otel_agent_replay.errors import ConfigurationError, StoreError
from otel_agent_replay.model.intention import Intention
from otel_agent_replay.model.run import (
    Recording,
    Retention,
    Run,
    RunClass,
    RunFilter,
    RunMark,
    RunSource,
    RunStatus,
    RunSummary,
)
from otel_agent_replay.store.base import Pruned, Store, StoreCheck, StoreStats
from otel_agent_replay.store.states import HoldsStates, States

__all__ = ["RunStore", "flush_before_reading", "made_store", "open_store"]

_LOGGER: Final = logging.getLogger("otel_agent_replay")
_ALL: Final = 1 << 31
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
        parent: str | None = None,
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

        `run_id` may be a prefix; `parent` is the whole id of the run that they are
        replays or forks of. `user` and `text` are redacted as the store's
        contents are, so that a secret or an address finds its pseudonym. Times are
        Unix nanoseconds.
        """
        with _reading():
            where = RunFilter(
                run_id_prefix=run_id,
                parent_run_id=parent,
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

    def writes(self, run_id: str) -> tuple[Intention, ...]:
        """Return what a run's writes with an idempotency key intended, in order.

        Raises:
            RunNotFoundError: No such run.
            AmbiguousRunError: The prefix fits several.
        """
        with _reading():
            whole = self._spans.resolve(run_id)
            log = store.open_intentions(self.url)
            try:
                return log.of_run(whole)
            finally:
                log.close()

    def add(self, recording: Recording) -> None:
        """Store a recording; what is stored already stays as it is."""
        with intercept.suppressed():
            self._spans.write(recording.spans)

    def remember_export(self, run_id: str, path: Path) -> None:
        """Note that a file holds a run, so that erasing the run deletes the file."""
        with intercept.suppressed():
            remember_export(self._spans, run_id, path)

    def erase(self, *run_ids: str) -> Erased:
        """Delete runs, and every file that they were exported to.

        Raises:
            RunNotFoundError: No such run; nothing is erased.
            AmbiguousRunError: A prefix fits several; nothing is erased.
        """
        with _reading():
            whole = dict.fromkeys(map(self._spans.resolve, run_ids))
            return erase_runs(self._spans, [*whole])

    def erase_user(self, user: str) -> Erased:
        """Delete all runs for a user, as `erase` does.

        The user is looked for as given, and as the store's contents are redacted.
        """
        with _reading():
            return erase_runs(
                self._spans,
                [run.run_id for run in self.runs_of_user(user)],
                users=self._stored_as(user),
            )

    def runs_of_user(self, user: str) -> list[RunSummary]:
        """Return all runs for a user, as `erase_user` finds them."""
        with _reading():
            return [
                run
                for stored in self._stored_as(user)
                for run in self._spans.runs(RunFilter(user=stored, limit=_ALL))
            ]

    def _stored_as(self, user: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys((user, self._redacted(user) or user)))

    def flag(self, run_id: str) -> None:
        """Make `flagged` the class of a run.

        Raises:
            RunNotFoundError: No such run.
            AmbiguousRunError: The prefix fits several.
        """
        self._mark(run_id, "flagged", on=True)

    def unflag(self, run_id: str) -> None:
        """Give a run its own class again.

        Raises:
            RunNotFoundError: No such run.
            AmbiguousRunError: The prefix fits several.
        """
        self._mark(run_id, "flagged", on=False)

    def keep_golden(self, run_id: str, *, on: bool = True) -> None:
        """Keep a run from ever being pruned, or no longer.

        Raises:
            RunNotFoundError: No such run.
            AmbiguousRunError: The prefix fits several.
        """
        self._mark(run_id, "golden", on=on)

    def _mark(self, run_id: str, mark: RunMark, *, on: bool) -> None:
        with _reading():
            self._spans.mark(self._spans.resolve(run_id), mark, on=on)

    def prune(self, keep: Retention | None = None, *, dry_run: bool = False) -> Pruned:
        """Delete the runs that are past their days; without `keep`, the settings'."""
        with _reading():
            return self._spans.prune(
                keep or self.retention, now_ns=time.time_ns(), dry_run=dry_run
            )

    @property
    def retention(self) -> Retention:
        """How long the settings say that runs are kept."""
        settings = self._settings
        return Retention(
            success=settings.keep_success_days,
            failed=settings.keep_failed_days,
            flagged=settings.keep_flagged_days,
            test=settings.keep_test_days,
        )

    def purge(self) -> None:
        """Rewrite the store's files, so that nothing deleted is left in them."""
        with _reading():
            self._spans.purge()

    def files_holding(self, words: Sequence[str]) -> tuple[Path, ...] | None:
        """Return the files here in which a word stands; None if none can be searched.

        They are those of a SQLite store, and of living processes that still hold
        spans for the store: what they hold is stored, or gone, when they have.
        """
        held = spooled_files(self._settings, self.url)
        path = sqlite_path(self.url)
        if path is None:
            return files_holding(held, words) or None
        files = [each for each in path.parent.glob(f"{path.name}*") if each.is_file()]
        return files_holding([*sorted(files), *held], words)

    def stats(self) -> StoreStats:
        """Return what the store costs."""
        with _reading():
            return self._spans.stats()

    def states(self) -> States:
        """Return the states of threads that are kept beside the runs.

        Raises:
            ConfigurationError: This store keeps none.
        """
        if not isinstance(self._spans, HoldsStates):
            problem = f"{self.shown_url} keeps runs only, no states of threads"
            raise ConfigurationError("store", problem)
        return self._spans.states()

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


def made_store(
    url: str, *, cluster: str | None = None, text_index: bool = False
) -> RunStore:
    """Return a store with the tables that were asked for, made or brought up to date.

    Args:
        url: As for `open_store`.
        cluster: Name of a ClickHouse cluster that gets the tables.
        text_index: Whether payloads are indexed for text search, in ClickHouse.

    Raises:
        ConfigurationError: The URL names no store, or one that has no such choice.
        StoreUnavailableError: It cannot be reached or opened.
        StoreAccessError: It refuses this user.
        StoreSchemaError: It was made by a newer version of this package.
    """
    if sqlite_path(url) is None and url.startswith("clickhouse://"):
        # Importing the client takes a tenth of a second and more.
        from otel_agent_replay.store.clickhouse import ClickHouseStore  # noqa: PLC0415

        with intercept.suppressed():
            made = ClickHouseStore.init(url, cluster=cluster, text_index=text_index)
        return RunStore(url, made, load_settings())
    if cluster or text_index:
        problem = "a cluster and a text index are for clickhouse:// stores only"
        raise ConfigurationError("store", problem)
    return open_store(url)
