"""Writes ahead what a write with an idempotency key is about to do.

Sits behind the recorder on the seam. It is the one place where capture may stop the
agent's call: a write whose intention cannot be stored must not run, for nobody could
tell later whether it did.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Final, NoReturn, TypeAlias

from otel_agent_replay import intercept, semconv
from otel_agent_replay.capture.attempts import is_alive, this_process
from otel_agent_replay.capture.guard import LOGGER
from otel_agent_replay.errors import (
    StoreError,
    WriteChangedError,
    WriteInDoubtError,
    WriteNotBegunError,
)
from otel_agent_replay.intercept import OpenCall
from otel_agent_replay.model.call import Outcome
from otel_agent_replay.model.exceptions import record_exception
from otel_agent_replay.model.intention import (
    STOP,
    WRITE_AHEAD,
    Decide,
    Intention,
    IntentionLog,
    outcome_of,
    outcome_text,
)
from otel_agent_replay.model.key import key_of
from otel_agent_replay.model.payload import content_hash
from otel_agent_replay.redact import RedactionError, Redactor

__all__ = ["Intentions", "Stop"]

_FIRST_WAITS: Final = 60.0
"""Seconds that a call waits for the one that is at the same write."""
_SCOPE: Final = contextlib.nullcontext()
_DIGITS: Final = 32

_Place: TypeAlias = tuple[str, str, str]
"""Run, tool, key."""

Stop: TypeAlias = Callable[[WriteInDoubtError], NoReturn]
"""Ends the agent at a write in doubt."""


def _raise(error: WriteInDoubtError) -> NoReturn:
    raise error


class Intentions:
    """An interceptor that gives each write with a key its gate; safe from any thread."""

    def __init__(
        self,
        log: Callable[[], IntentionLog],
        redactor: Callable[[], Redactor],
        run_id_of: Callable[[OpenCall], str | None],
        spool: Callable[[], object],
    ) -> None:
        """Make the interceptor.

        Args:
            log: Opens the store's intentions; asked once, at the first such write.
            redactor: Makes the redactor; asked once, too.
            run_id_of: Returns the run that a call is inside.
            spool: Has what was recorded before written where it outlives the process:
                a write of a run that nobody knows could not be resumed.
        """
        self._open_log = log
        self._make_redactor = redactor
        self.run_id_of = run_id_of
        self.spool = spool
        self.decide: Decide = lambda _: STOP
        """Says what becomes of a write in doubt."""
        self.stop: Stop = _raise
        """Ends the agent at one."""
        self.known: Mapping[tuple[str, str], Intention] = {}
        """Writes by tool and key that are done, whatever the store says; of a fork,
        those that it shares with its parent."""
        self._start()

    def _start(self) -> None:
        self._pid = os.getpid()
        self._opening = threading.Lock()
        self._log: IntentionLog | None = None
        self._redactor: Redactor | None = None
        self._turns = _Turns()
        self.unsaved: dict[_Place, Intention] = {}
        """Outcomes that the store did not take."""

    # --- the interceptor -----------------------------------------------------------

    def before(self, opened: OpenCall) -> None:
        """Give the call its gate."""
        if semconv.STEP_WRITE_ID in opened.call.attributes:
            opened.notes[WRITE_AHEAD] = _Gate(self, opened)

    def after(self, opened: OpenCall, outcome: Outcome) -> None:
        """Let others at the write; what it is without an outcome is theirs to see."""
        del outcome
        gate = opened.notes.get(WRITE_AHEAD)
        if isinstance(gate, _Gate):
            gate.release()

    def scope(self, opened: OpenCall) -> AbstractContextManager[None]:
        """Surround nothing."""
        del opened
        return _SCOPE

    def close(self) -> None:
        """Release connections."""
        log, self._log = self._log, None
        if log is not None and self._pid == os.getpid():
            log.close()

    # --- for its gates -----------------------------------------------------------------

    @property
    def turns(self) -> _Turns:
        """Who is at which write, in this process."""
        if self._pid != os.getpid():  # forked: what was under way is the parent's
            self._start()
        return self._turns

    def log(self) -> IntentionLog:
        """Return the store's intentions.

        Raises:
            StoreError: It cannot be opened.
        """
        with self._opening:
            if self._log is None:
                self._log = self._open_log()
            return self._log

    def redactor(self) -> Redactor:
        """Return the redactor.

        Raises:
            StoreError: Its key is in the store, which cannot be opened.
        """
        with self._opening:
            if self._redactor is None:
                self._redactor = self._make_redactor()
            return self._redactor


class _Turns:
    """Lets one thread at a write at a time."""

    def __init__(self) -> None:
        self._busy: set[_Place] = set()
        self._changed = threading.Condition()

    def take(self, place: _Place, seconds: float) -> bool:
        """Wait for the place to be free; return whether it has become ours."""
        with self._changed:
            if not self._changed.wait_for(lambda: place not in self._busy, seconds):
                return False
            self._busy.add(place)
            return True

    def give(self, place: _Place) -> None:
        """Let the next one at it."""
        with self._changed:
            self._busy.discard(place)
            self._changed.notify_all()


@dataclass(frozen=True, slots=True)
class _Write:
    """A write as the store knows it, redacted."""

    run_id: str
    tool: str
    key: str
    digest: str

    @property
    def place(self) -> _Place:
        return self.run_id, self.tool, self.key

    @property
    def name(self) -> str:
        return f"{self.tool}:{self.key}"

    def begun(self) -> Intention:
        """Return the intention of a new attempt."""
        return Intention(
            run_id=self.run_id,
            tool=self.tool,
            key=self.key,
            digest=self.digest,
            token=secrets.token_hex(8),
            process=this_process(),
            began_ns=time.time_ns(),
        )


class _Gate:
    """The gate of one call; see `model.intention.Gate`."""

    def __init__(self, owner: Intentions, opened: OpenCall) -> None:
        self._owner = owner
        self._opened = opened
        self._write: _Write | None = None
        self._attempt: Intention | None = None
        self._holds = False

    @property
    def remote_key(self) -> str:
        with intercept.suppressed(), _safely(self._opened.call.name):
            write = self._write or self._read()
        return content_hash("\n".join(write.place).encode())[:_DIGITS]

    def enter(self) -> Outcome | None:
        owner = self._owner
        turns = owner.turns
        with intercept.suppressed(), _safely(self._opened.call.name):
            write = self._write = self._read()
            if not turns.take(write.place, _FIRST_WAITS):
                problem = f"a call in this process is at it for {_FIRST_WAITS:.0f} s"
                owner.stop(WriteInDoubtError(write.name, problem))
            self._holds = True
            try:
                before = self._before(write)
            except BaseException:
                self.release()
                raise
            if before is not None:
                self.release()
            return before

    def leave(self, outcome: Outcome) -> None:
        attempt, write = self._attempt, self._write
        if attempt is None or write is None:
            return
        self._attempt = None
        with intercept.suppressed():
            try:
                redacted = self._owner.redactor().outcome(
                    outcome, self._opened.call.kind
                )
                ended = _ended(attempt, redacted)
                self._owner.unsaved[write.place] = ended
                self._owner.log().settle(ended)
                self._owner.unsaved.pop(write.place, None)
            except Exception as error:  # noqa: BLE001 - the write has happened
                LOGGER.warning(
                    "What came of %s could not be stored (%s): should this process be "
                    "killed before its spans are stored, it will be in doubt.",
                    write.name,
                    error,
                )
        self.release()

    def withdraw(self) -> None:
        error = WriteNotBegunError(self._opened.call.name, "its caller gave up before.")
        self.leave(Outcome(error=record_exception(error)))

    def release(self) -> None:
        """Let others at the write; safe to call twice."""
        if self._holds and self._write is not None:
            self._holds = False
            self._owner.turns.give(self._write.place)

    # --- inside ----------------------------------------------------------------------

    def _read(self) -> _Write:
        call = self._owner.redactor().call(self._opened.call)
        run_id = self._owner.run_id_of(self._opened)
        if run_id is None:
            raise WriteNotBegunError(call.name, "it is not known in which run it is.")
        return _Write(
            run_id=run_id,
            tool=call.name,
            key=str(call.attributes[semconv.STEP_WRITE_ID]),
            digest=key_of(call),
        )

    def _before(self, write: _Write) -> Outcome | None:
        """Return what the write returned before; None if this attempt is in force."""
        owner = self._owner
        unsaved = owner.unsaved.get(write.place)
        known = unsaved or owner.known.get(write.place[1:])
        if known is not None and known.state == "done":
            return self._again(write, known)
        if unsaved is not None:
            owner.log().settle(unsaved)
            owner.unsaved.pop(write.place)
        owner.spool()
        new = write.begun()
        found = owner.log().intend(new)
        while found.token != new.token:
            if found.state == "done":
                return self._again(write, found)
            _check_same(write, found)
            if found.state == "open":
                answer = self._in_doubt(write, found)
                if answer is not None:
                    return answer
            self._say(semconv.RETRIED)
            found = owner.log().intend(new, instead_of=found.token)
        self._attempt = new
        return None

    def _again(self, write: _Write, found: Intention) -> Outcome:
        _check_same(write, found)
        self._say(semconv.REPEATED)
        try:
            return outcome_of(found)
        except ValueError as error:
            problem = "it is done, but what the store has of its outcome does not read"
            raise WriteInDoubtError(write.name, problem) from error

    def _in_doubt(self, write: _Write, found: Intention) -> Outcome | None:
        """Return what is assumed of a write in doubt; None to run it again."""
        owner = self._owner
        host, number, _ = found.process.rsplit(" ", 2)
        who = f"process {number} on {host}"
        mine = found.process == this_process()
        if is_alive(found.process) and not mine:
            owner.stop(WriteInDoubtError(write.name, f"{who} is at it now"))
        decision = owner.decide(found)
        if decision.action == "retry":
            return None
        if decision.action == "assume_done":
            assumed = Outcome(value=decision.result)
            owner.log().settle(_ended(found, assumed))
            self._say(semconv.ASSUMED)
            return assumed
        problem = f"{'this process' if mine else who} began it, and did not say its end"
        return owner.stop(WriteInDoubtError(write.name, problem))

    def _say(self, what: str) -> None:
        """Have the step say what became of the write."""
        call = self._opened.call
        attributes = {**call.attributes, semconv.STEP_WRITE_AS: what}
        self._opened.call = replace(call, attributes=attributes)


def _ended(attempt: Intention, outcome: Outcome) -> Intention:
    return replace(
        attempt,
        state="failed" if outcome.failed else "done",
        outcome=outcome_text(outcome),
        ended_ns=time.time_ns(),
    )


def _check_same(write: _Write, found: Intention) -> None:
    if found.digest != write.digest:
        raise WriteChangedError(write.name)


@contextlib.contextmanager
def _safely(tool: str) -> Iterator[None]:
    """Turn what keeps an intention from being stored into what to do about it."""
    try:
        yield
    except (StoreError, RedactionError) as error:
        raise WriteNotBegunError(tool, str(error)) from error
