"""The replayer: an interceptor that answers calls from a recorded run."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Final, Literal, cast

from otel_agent_replay.errors import RecordedStreamEndedError, ResultTypeError
from otel_agent_replay.intercept import CUT_SHORT, STORED_SPAN, OpenCall
from otel_agent_replay.model.call import FRAME_KINDS, Call, Outcome
from otel_agent_replay.model.divergence import Divergence, differences
from otel_agent_replay.model.native_classes import class_name, same_class
from otel_agent_replay.model.natives import awaited, what_is_awaited
from otel_agent_replay.model.payload import JsonValue
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step
from otel_agent_replay.replay.differing import (
    differing,
    listed,
    names_above,
    names_of,
    state_of,
)
from otel_agent_replay.replay.log import SessionLog
from otel_agent_replay.replay.plan import UNCHANGED, Plan, changed_state
from otel_agent_replay.replay.stubs import Stubs

__all__ = ["ReplayStopped", "Replayer", "Tools"]


class ReplayStopped(BaseException):
    """Leaves the agent when a replay cannot go on, at every call from then on.

    Not an `Exception`: agent frameworks catch those and feed them to the model. The
    session turns it into a `DivergenceError` or `WriteBlockedError` outside.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What the replayer needs and does not know itself.

    Attributes:
        redact: Redacts a live call by the recording's policy.
        redact_outcome: The same for an outcome.
        rewrite: Applies a fork's changes to a live model call.
        render_answer: Gives the outcome of a model step with another text.
    """

    redact: Callable[[Call], Call]
    redact_outcome: Callable[[Outcome], Outcome]
    rewrite: Callable[[Call], Call] = field(default=lambda call: call)
    render_answer: Callable[[Step, str], Outcome] = field(
        default=lambda step, _: step.outcome,
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an open call stands in the recording.

    Attributes:
        step: Its recorded step, None for the run itself.
        live: Whether it has no place: it and all inside it run live.
        root: Whether it is the agent's own call.
        covers: What of a live call's doing is its own: HTTP requests of a tool, all
            that a write does that was allowed.
    """

    step: int | None = None
    live: bool = False
    root: bool = False
    covers: Literal["nothing", "http", "all"] = "nothing"


_ROOT: Final = _Place()
_UNUSABLE: Final = {
    class_name(each) for each in (ResultTypeError, RecordedStreamEndedError)
}
_CUT_SHORT: Final = {"asyncio.exceptions:CancelledError", "builtins:KeyboardInterrupt"}


class Replayer:
    """Answers calls from a run; safe from any thread.

    Each live call is redacted as the recording was, then looked up by its kind, name
    and arguments under the same parent; equal calls get their steps in order. So
    parallel calls cannot swap answers, whatever order they come in.
    """

    def __init__(
        self,
        run: Run,
        plan: Plan,
        tools: Tools,
        *,
        base: int | None = None,
    ) -> None:
        """Make a replayer.

        Args:
            run: The recorded run.
            plan: What to answer and what to let through.
            tools: What it needs from other layers.
            base: The step that this process was started in; None for the run.
        """
        self._run = run
        self._plan = plan
        self._tools = tools
        self._base = _Place(step=base)
        self._stubs = Stubs(run)
        self._lock = threading.Lock()
        self._begun = False
        self.log = SessionLog()

    # --- the interceptor -------------------------------------------------------

    def before(self, opened: OpenCall) -> Outcome | Call | None:
        """Answer the call from the run, let it through, or stop the agent."""
        call = self._redacted(opened.call)
        with self._lock:
            if self.log.stopped:  # an agent that swallowed it must not go on
                raise ReplayStopped
            above = self._above(opened)
            if above is None and call.kind == "agent":
                opened.notes[self] = self._root(call)
                return None
            place = above or self._base
            if place.live:
                return self._live(opened, call, inside=place)
            step = self._stubs.take(place.step, call)
            if step is None:
                return self._not_recorded(opened, call, place)
            self.log.asked.add(step.index)
            return self._recorded(opened, call, step)

    def after(self, opened: OpenCall, outcome: Outcome) -> None:
        """Compare what the run returned with what it returned then.

        Of an answered call, note if its answer was of no use.
        """
        place = opened.notes.get(self)
        if not isinstance(place, _Place) or self.log.stopped:
            return
        if not place.root:
            self._note_unusable(opened, place, outcome)
        elif self._plan.mode == "replay":
            now = self._tools.redact_outcome(outcome)
            with self._lock:
                self._compare_end(now)

    def scope(self, opened: OpenCall) -> AbstractContextManager[None]:
        """Surround nothing."""
        del opened
        return contextlib.nullcontext()

    def place_of(self, opened: OpenCall | None) -> int | None:
        """Return the recorded step that a call stands for; None for the run."""
        if opened is None:
            return self._base.step
        place = opened.notes.get(self) or self._above(opened) or self._base
        return place.step if isinstance(place, _Place) else None

    # --- inside ------------------------------------------------------------------

    def _redacted(self, call: Call) -> Call:
        try:
            return self._tools.redact(call)
        except Exception as error:  # whatever a rule raises, the call must not go live
            with self._lock:
                self.log.notes.append(f"{call.name} could not be redacted: {error}")
                self._diverge(Divergence(kind="unexpected", name=call.name), fatal=True)
            raise

    def _note_unusable(self, opened: OpenCall, place: _Place, outcome: Outcome) -> None:
        """An answer that could not be given back is a difference, whoever catches it."""
        error, answer = outcome.error, opened.answer
        if error is None or answer is None or error.type_name not in _UNUSABLE:
            return
        was = answer.error.message if answer.error else None
        fields = differences(was, error.message, "answer")
        with self._lock:
            self._diverge(
                Divergence(
                    kind="changed",
                    name=opened.call.name,
                    step=place.step,
                    parent=names_above(opened),
                    fields=fields,
                ),
                fatal=False,
            )

    def _above(self, opened: OpenCall) -> _Place | None:
        for above in opened.ancestors():
            place = above.notes.get(self)
            if isinstance(place, _Place):
                return place
        return None

    def _root(self, call: Call) -> _Place:
        """Take the agent's own call for the run; say where its input differs."""
        if self._begun:
            self._diverge(
                Divergence(kind="unexpected", name=call.name),
                fatal=True,
            )
        self._begun = True
        fields = differences(self._run.agent_name, call.name, "agent")
        if self._run.root_span_id is not None:  # else it was cut before it was told
            fields += differing(self._run.input, call.inputs, "input")
        if fields and self._plan.mode == "replay":
            self._diverge(
                Divergence(kind="changed", name=call.name, fields=fields),
                fatal=False,
            )
        return replace(_ROOT, root=True)

    def _recorded(
        self, opened: OpenCall, call: Call, step: Step
    ) -> Outcome | Call | None:
        frame = call.kind in FRAME_KINDS
        if frame:
            opened.notes[self] = _Place(step=step.index)
            if self._plan.mode == "resume" and step.index in self._plan.shared:
                opened.notes[STORED_SPAN] = step.span_id
            return None
        if call.kind == "checkpoint":
            return self._checkpoint(opened, call, step)
        if step.index not in self._plan.shared:
            return self._live(opened, call)
        opened.notes[self] = _Place(step=step.index)
        opened.notes[CUT_SHORT] = self._was_cut_short()
        self.log.served.add(step.index)
        return replace(self._answer(step), served_from=step.span_id)

    def _was_cut_short(self) -> bool:
        error = self._run.outcome.error
        cut = error is not None and error.type_name in _CUT_SHORT
        return cut or self._run.status == "interrupted"

    def _answer(self, step: Step) -> Outcome:
        changes = self._plan.changes
        if step.index != self._plan.at:
            return step.outcome
        if changes.answer is not None:
            return self._tools.render_answer(step, changes.answer)
        if changes.result is not UNCHANGED:
            value = cast("JsonValue", changes.result)
            was_awaited = what_is_awaited(step.outcome.value) is not None
            return Outcome(value=awaited(value) if was_awaited else value)
        return step.outcome

    def _checkpoint(
        self,
        opened: OpenCall,
        call: Call,
        step: Step | None,
    ) -> Outcome | None:
        """Compare the state, or give back the changed one.

        A checkpoint of the live part passes: the recorder behind has to see it.
        """
        opened.notes[self] = _Place(step=step.index if step else None)
        shared = step if step is not None and step.index in self._plan.shared else None
        if shared is not None:
            self.log.served.add(shared.index)
            self._compare_state(call, shared)
        state = (opened.call.inputs or {}).get("state")
        if shared is not None and shared.outcome.value != state_of(shared):
            state = shared.outcome.value  # changed by the fork that made this run
        change = self._plan.changes.state and not self.log.state_changed
        if change and self._past_fork(step):
            state = changed_state(state, self._plan.changes.state)
            self.log.state_changed = True
        elif shared is None:
            return None
        return Outcome(value=state, served_from=shared.span_id if shared else None)

    def _compare_state(self, call: Call, step: Step) -> None:
        fields = differing(step.call.inputs, call.inputs)
        if fields:
            self._diverge(
                Divergence(
                    kind="changed",
                    name=call.name,
                    step=step.index,
                    fields=fields,
                ),
                fatal=False,
            )

    def _past_fork(self, step: Step | None) -> bool:
        at = self._plan.at
        return at is not None and (step is None or step.index >= at)

    def _not_recorded(
        self,
        opened: OpenCall,
        call: Call,
        place: _Place,
    ) -> Outcome | Call | None:
        if self._plan.mode != "replay" and self._prefix_used_up():
            if call.kind == "checkpoint":
                return self._checkpoint(opened, call, None)
            return self._live(opened, call)
        closest = self._stubs.closest(place.step, call.kind, call.name)
        same_name = closest is not None and closest.call.name == call.name
        self._diverge(
            Divergence(
                kind="changed" if same_name else "unexpected",
                name=call.name,
                step=closest.index if closest else None,
                parent=names_above(opened),
                fields=differing(closest.call.arguments, call.arguments)
                if closest is not None and same_name
                else (),
            ),
            fatal=True,
        )
        return None

    def _prefix_used_up(self) -> bool:
        """Whether every shared step that could answer has been asked for."""
        covered = self._stubs.covered(self.log.served)
        return all(
            index in self.log.asked or index in covered for index in self._plan.shared
        )

    def _live(
        self,
        opened: OpenCall,
        call: Call,
        *,
        inside: _Place = _ROOT,
    ) -> Outcome | Call | None:
        """Let a call through; stop before a write that nobody allowed.

        HTTP requests inside a live tool are that tool's doing and covered by its
        effect; a tool inside it has an effect of its own. What an allowed write does
        is allowed.
        """
        covers = inside.covers
        if call.kind == "checkpoint":
            return self._checkpoint(opened, call, None)
        if call.effect == "write" and call.kind != "model":
            own = covers == "all" or (covers == "http" and call.kind == "http")
            if not own and not self._plan.may_write(names_of(call)):
                self.log.blocked.append(call.name)
                self._stop()
            covers = "all" if call.kind != "http" else covers
        elif call.kind == "tool" and covers == "nothing":
            covers = "http"
        opened.notes[self] = _Place(live=True, covers=covers)
        if call.kind not in FRAME_KINDS:
            self.log.live.append(call.name)
        if call.kind == "model" and self._plan.changes.rewrites_requests:
            return self._tools.rewrite(opened.call)
        return None

    def _compare_end(self, now: Outcome) -> None:
        then = self._run.outcome
        fields = differing(then.value, now.value, "output")
        fields += differing(listed(then.items), listed(now.items), "items")
        errors = [e.type_name if e else None for e in (then.error, now.error)]
        if not same_class(errors[0] or "", errors[1] or ""):
            fields += differences(errors[0], errors[1], "error")
        if fields:
            name = self._run.agent_name
            self._diverge(
                Divergence(kind="changed", name=name, fields=fields),
                fatal=False,
            )

    def _diverge(self, divergence: Divergence, *, fatal: bool) -> None:
        self.log.divergences.append(divergence)
        if fatal:
            self._stop()

    def _stop(self) -> None:
        self.log.stopped = True
        said = [*map(str, self.log.divergences[-1:]), *self.log.blocked[-1:]]
        raise ReplayStopped(*said[-1:])
