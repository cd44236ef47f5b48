"""`AgentReplaySaver`: LangGraph's checkpointer over a store of ours."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from types import TracebackType
from typing import Any, Final, Literal, Self

import orjson
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_id,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from otel_agent_replay import intercept
from otel_agent_replay._setup.configure import recorded_run_id
from otel_agent_replay._setup.stores import RunStore, open_store
from otel_agent_replay._setup.thread_states import states_in_force
from otel_agent_replay.errors import ConfigurationError, StoreUnavailableError
from otel_agent_replay.langgraph.awaited import AwaitedSaver
from otel_agent_replay.langgraph.drafts import Draft, KnownThread, Memory
from otel_agent_replay.langgraph.pages import Pages
from otel_agent_replay.langgraph.pruning import kept
from otel_agent_replay.langgraph.reading import Head, config_of, head_of, tuples_of
from otel_agent_replay.langgraph.serializing import checked
from otel_agent_replay.model.run import Run
from otel_agent_replay.store.states import (
    SavedCheckpoint,
    SavedWrite,
    StateBatch,
    StateFilter,
    States,
)

__all__ = ["AgentReplaySaver"]

_PARTS: Final = ("channel_values", "channel_versions")
_ATTEMPTS: Final = 5

Allowed = Collection[tuple[str, ...] | type] | Literal[True] | None


class AgentReplaySaver(AwaitedSaver):
    """Keeps the checkpoints of LangGraph's threads in a store of runs.

    Checkpoints hold the state of a graph as it is, unredacted: without that it could
    not go on. Making a saver is asking for that; protect the store, or give an
    `EncryptedSerializer`. What is recorded of runs is redacted as ever.

    A checkpoint costs what is new in it: each message is stored once a thread.
    Sync and async; safe from several threads and processes.

    Args:
        store: URL of a store, `sqlite:///path` or `clickhouse://…`, or an open one.
        serde: What makes bytes of values; LangGraph's own by default. One that
            falls back to pickle is refused.
        allowed_msgpack_modules: Types that may be made from stored data besides
            LangGraph's safe ones, as for its `JsonPlusSerializer`; True allows all.
            A state that holds another one is refused when it is saved.

    Raises:
        ConfigurationError: The URL names no store, or the serializer uses pickle.
        StoreUnavailableError: The store cannot be reached or opened.
        StoreAccessError: It refuses this user.
    """

    def __init__(
        self,
        store: str | RunStore,
        *,
        serde: SerializerProtocol | None = None,
        allowed_msgpack_modules: Allowed = None,
    ) -> None:
        if serde is not None and allowed_msgpack_modules is not None:
            problem = "say it to the serializer that you give"
            raise ConfigurationError("allowed_msgpack_modules", problem)
        serde = serde or JsonPlusSerializer(
            allowed_msgpack_modules=allowed_msgpack_modules
        )
        super().__init__(serde=checked(serde))
        runs = store if isinstance(store, RunStore) else open_store(store)
        self._opened = None if runs is store else runs
        with intercept.suppressed():
            self._stored = runs.states()
        self._memory = Memory()

    def close(self) -> None:
        """Release the store, if the saver opened it."""
        if self._opened is not None:
            self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def _states(self) -> States:
        return states_in_force(self._stored)

    # --- reading ---------------------------------------------------------------

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return the checkpoint that is named, else the latest; None if there is none.

        Raises:
            StateDamagedError: A part of it is missing.
            StateTypeError: It holds a type that may not be made from stored data.
        """
        thread, namespace = _place(config)
        where = StateFilter(
            thread=thread,
            namespace=namespace,
            checkpoint_id=get_checkpoint_id(config),
            limit=1,
        )
        known = self._memory.of(thread)
        with intercept.suppressed(), known.lock:
            heads = self._heads(where)
            found = tuples_of(self._states, self.serde, heads, known)
        return found[0] if found else None

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - LangGraph's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Yield the checkpoints that fit, the latest first.

        Args:
            config: Of which thread, and namespace and id if it names them.
            filter: What their metadata must be equal to.
            before: Only those older than this one.
            limit: At most so many.
        """
        pages = Pages(config, filter, before, limit)
        while not pages.ended:
            yield from self.page(pages)

    def page(self, pages: Pages) -> Sequence[CheckpointTuple]:
        """Return the next checkpoints of a listing."""
        with intercept.suppressed():
            heads = self._heads(pages.where)
            return [
                each
                for _, group in groupby(pages.fitting(heads), _thread_of)
                for each in tuples_of(self._states, self.serde, [*group])
            ]

    def config_before(
        self, run: Run, step: int, *, thread_id: str | None = None
    ) -> RunnableConfig | None:
        """Return the configuration of the checkpoint from which a run made a step.

        It is the last one of the graph itself, not of a subgraph, that the run had
        written when the step began. `graph.invoke(None, config)` goes on from there:
        the node in which the step was made runs again. None if there is none, as with
        `durability="exit"`.

        Args:
            run: A run, of this store.
            step: The step's index.
            thread_id: Which thread, if the run worked on several at a time.

        Raises:
            StepNotFoundError: The run has no such step.
        """
        began_ns = run.step(step).start_ns
        where = StateFilter(thread=thread_id, namespace="", recorded_by=run.run_id)
        with intercept.suppressed():
            heads = [each for each in self._heads(where) if each.made_ns <= began_ns]
        if not heads:
            return None
        saved = max(heads, key=lambda each: each.made_ns).saved
        return config_of(saved.thread, saved.namespace, saved.checkpoint_id)

    def _heads(self, where: StateFilter) -> Sequence[Head]:
        found = self._states.checkpoints(where)
        return [head_of(self.serde, each) for each in found]

    # --- writing ---------------------------------------------------------------

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint; return the configuration that names it.

        Raises:
            StateTypeError: It holds a type that could not be read back.
        """
        thread, namespace = _place(config)
        about = get_checkpoint_metadata(config, metadata)
        rest = {key: v for key, v in checkpoint.items() if key not in _PARTS}
        form, body = self.serde.dumps_typed((rest, about))
        with intercept.suppressed():
            saved = SavedCheckpoint(
                thread=thread,
                namespace=namespace,
                checkpoint_id=checkpoint["id"],
                parent_id=get_checkpoint_id(config) or "",
                framework_run=str(about.get("run_id") or ""),
                recorded_by=recorded_run_id(),
                versions=orjson.dumps(checkpoint["channel_versions"]).decode(),
                form=form,
                body=bytes(body),
            )
            values = checkpoint["channel_values"]

            def fill(draft: Draft) -> dict[str, Any]:
                for channel, version in new_versions.items():
                    if channel in values:
                        place = (namespace, channel)
                        draft.value(place, str(version), values[channel])
                return {"checkpoints": [saved]}

            self._add(thread, fill)
        return config_of(thread, namespace, checkpoint["id"])

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Store what a task wrote, for the checkpoint that it started from.

        Raises:
            StateTypeError: It holds a type that could not be read back.
        """
        thread, namespace = _place(config)
        checkpoint_id = str(config["configurable"]["checkpoint_id"])
        with intercept.suppressed():
            recorded_by = recorded_run_id()

            def fill(draft: Draft) -> dict[str, Any]:
                found = []
                for position, (channel, value) in enumerate(writes):
                    is_list, entries = draft.entries(value)
                    found.append(
                        SavedWrite(
                            namespace=namespace,
                            checkpoint_id=checkpoint_id,
                            task_id=task_id,
                            position=WRITES_IDX_MAP.get(channel, position),
                            channel=channel,
                            path=task_path,
                            is_list=is_list,
                            entries=entries,
                            recorded_by=recorded_by,
                        )
                    )
                return {"writes": found}

            self._add(thread, fill)

    def _add(self, thread: str, fill: Callable[[Draft], dict[str, Any]]) -> None:
        """Store what `fill` makes of a draft, anew if what it builds on is gone."""
        known = self._memory.of(thread)
        with known.lock:
            for _ in range(_ATTEMPTS):
                draft = Draft(known, self.serde)
                rows = fill(draft)
                batch = StateBatch(
                    thread=thread,
                    values=draft.values,
                    lists=draft.lists,
                    contents=[*draft.contents.values()],
                    builds_on=frozenset(draft.builds_on),
                    **rows,
                )
                if self._states.add(batch):
                    draft.keep()
                    return
                known.forget()
        problem = f"thread {thread!r} is deleted again and again while it is written"
        raise StoreUnavailableError(self._states.url, problem)

    def get_next_version(
        self,
        current: str | None,
        channel: None,  # noqa: ARG002 - LangGraph gives it, and nothing in it
    ) -> str:
        """Return a version after `current`; two branches never make the same one."""
        number = int(str(current).partition(".")[0]) if current is not None else 0
        with intercept.suppressed():
            return f"{number + 1:010}.{secrets.token_hex(6)}"

    # --- keeping ---------------------------------------------------------------

    def delete_thread(self, thread_id: str) -> None:
        """Delete all of a thread."""
        with intercept.suppressed(), self._forgotten(thread_id).lock:
            self._states.delete_thread(str(thread_id))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Delete the checkpoints that LangGraph made in these runs of its own."""
        with intercept.suppressed():
            self._states.delete_framework_runs([*map(str, run_ids)])

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy all of a thread to another one."""
        target = str(target_thread_id)
        with intercept.suppressed():
            source = self._states.whole(str(source_thread_id))
            if not source.checkpoints:
                return
            copied = [replace(each, thread=target) for each in source.checkpoints]
            self._states.add(replace(source, thread=target, checkpoints=copied))

    def prune(
        self, thread_ids: Sequence[str], *, strategy: str = "keep_latest"
    ) -> None:
        """Delete checkpoints of threads.

        Args:
            thread_ids: The threads.
            strategy: `keep_latest` keeps the latest checkpoint of each namespace, and
                what a `DeltaChannel` in it needs; `delete` keeps none.

        Raises:
            ValueError: There is no such strategy.
        """
        if strategy not in {"keep_latest", "delete"}:
            raise ValueError(f"strategy is keep_latest or delete, not {strategy!r}")
        for thread in map(str, thread_ids):
            if strategy == "delete":
                self.delete_thread(thread)
                continue
            with intercept.suppressed():
                heads = self._heads(StateFilter(thread=thread))
                keep = kept(self._states, heads)
                places = [each.saved.place for each in heads]
                gone = [place for place in places if place not in keep]
                self._states.delete(thread, gone)

    def _forgotten(self, thread: str) -> KnownThread:
        known = self._memory.of(str(thread))
        with known.lock:
            known.forget()
        return known


def _place(config: RunnableConfig) -> tuple[str, str]:
    """Return thread and namespace."""
    named = config["configurable"]
    return str(named["thread_id"]), str(named.get("checkpoint_ns") or "")


def _thread_of(head: Head) -> str:
    return head.saved.thread
