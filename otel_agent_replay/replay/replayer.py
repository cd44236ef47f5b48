"""The replayer: an interceptor that answers calls from a recorded run."""

from __future__ import annotations

import contextlib
import threading
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Final, NoReturn

from otel_agent_replay.errors import WriteInDoubtError
from otel_agent_replay.intercept import CUT_SHORT, STORED_SPAN, OpenCall, current
from otel_agent_replay.lanes import Lane, here
from otel_agent_replay.model.call import EFFECT_KINDS, FRAME_KINDS, Call, Outcome
from otel_agent_replay.model.divergence import Divergence
from otel_agent_replay.model.native_classes import class_name
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step
from otel_agent_replay.replay.answers import answer_of, was_cut_short
from otel_agent_replay.replay.differing import names_above, state_of
from otel_agent_replay.replay.finder import Finder, Hit
from otel_agent_replay.replay.instead import ended_alike, given_instead, stood_for
from otel_agent_replay.replay.log import SessionLog
from otel_agent_replay.replay.misses import miss
from otel_agent_replay.replay.place import Place, covers_of, may_run
from otel_agent_replay.replay.plan import Plan, changed_state
from otel_agent_replay.replay.semantic import is_semantic
from otel_agent_replay.replay.stubs import covered
from otel_agent_replay.replay.tools import Tools
from otel_agent_replay.replay.witness import ReplayStopped, Witness

__all__ = ["REDACTED", "NetworkClosedError", "ReplayStopped", "Replayer"]

REDACTED: Final = "redacted"
"""Key in `OpenCall.notes`: the call as it was looked up."""


class NetworkClosedError(ReplayStopped):
    """Leaves the agent where it reaches for a network that is closed to it."""


_ROOT: Final = Place()
_STOPPED: Final = class_name(ReplayStopped)


class Replayer:
    """Answers calls from a run; safe from any thread.

    Each live call is redacted as the recording was, then looked up by its kind, name
    and arguments, under the same parent unless the plan says else; equal calls get
    their steps in order. So parallel calls cannot swap answers.
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
        self._base = Place(step=base)
        self._finder = Finder(run, plan.matching, tools.read, cut_off=plan.cut_off)
        self._used_up = False
        # A finalizer that runs while it is held may read the clock, which is a call.
        self._lock = threading.RLock()
        self._begun = False
        self._reached_ns = run.start_ns
        self.log = SessionLog()
        self.log.notes += self._finder.notes
        self._witness = Witness(run, plan, self.log)

    # --- the interceptor -------------------------------------------------------

    def before(self, opened: OpenCall) -> Outcome | Call | None:
        """Answer the call from the run, let it through, or stop the agent."""
        call = self._redacted(opened.call)
        opened.notes[REDACTED] = call
        lane = here()
        with self._lock:
            if self.log.stopped:  # an agent that swallowed it must not go on
                raise ReplayStopped
            above = self._above(opened)
            if above is None and call.kind == "agent":
                opened.notes[self] = self._root(call)
                return given_instead(self._run, self._plan, call)
            place = above or self._base
            if place.live and self._is_its_own(place):
                return self._live(opened, call, inside=place)
            hit = self._found(call, place, lane) if place.is_recorded else None
            if hit is None:
                return self._not_recorded(opened, call, place)
            self._note(hit)
            return self._recorded(opened, call, hit.step)

    def after(self, opened: OpenCall, outcome: Outcome) -> None:
        """Compare what the run returned with what it returned then.

        Of an answered call, note if its answer was of no use.
        """
        place = opened.notes.get(self)
        if not isinstance(place, Place) or self.log.stopped:
            return
        if outcome.error is not None and outcome.error.type_name == _STOPPED:
            self.log.stopped = True  # by a worker process, whose log says why
            return
        if opened.answer is not None and opened.call.kind not in FRAME_KINDS:
            outcomes = opened.answer, outcome
            with self._lock:
                self._witness.unusable(
                    opened.call.name, place.step, names_above(opened), outcomes
                )
        elif (place.root or place.instead) and self._plan.mode == "replay":
            now = self._tools.redact_outcome(outcome, opened.call.kind)
            with self._lock:
                self._ended(opened, place, now)

    def scope(self, opened: OpenCall) -> AbstractContextManager[None]:
        """Surround nothing."""
        del opened
        return contextlib.nullcontext()

    def place_of(self, opened: OpenCall | None) -> int | None:
        """Return the recorded step that a call stands for; None for the run."""
        if opened is None:
            return self._base.step
        place = opened.notes.get(self) or self._above(opened) or self._base
        return place.step if isinstance(place, Place) else None

    @property
    def reached_ns(self) -> int:
        """The time to which the recording has been followed: its last step asked for."""
        return self._reached_ns

    def is_live(self, opened: OpenCall | None) -> bool:
        """Return whether a call, or one that it is inside, was let through."""
        place = opened and (opened.notes.get(self) or self._above(opened))
        return isinstance(place, Place) and place.live

    def refuse(self, what: str, why: str) -> NoReturn:
        """Stop the agent at something it does past the seam.

        Raises:
            NetworkClosedError: Always.
        """
        opened = current()
        above = () if opened is None else (*names_above(opened), opened.call.name)
        with self._lock:
            self.log.divergences.append(
                Divergence(kind="unexpected", name=what, parent=above, reason=why)
            )
            self.log.stopped = True
        raise NetworkClosedError(f"{what}: {why}")

    def stop_at(self, doubt: WriteInDoubtError) -> NoReturn:
        """Stop the agent at a write of which nobody knows whether it happened.

        Raises:
            ReplayStopped: Always.
        """
        with self._lock:
            self.log.in_doubt.append((doubt.name, doubt.problem))
            self.log.stopped = True
        raise ReplayStopped(str(doubt)) from doubt

    # --- inside ------------------------------------------------------------------

    def _reach(self, step: Step) -> None:
        is_frame = step.call.kind in FRAME_KINDS
        at = step.start_ns if is_frame else step.end_ns
        self._reached_ns = max(self._reached_ns, at)

    def _redacted(self, call: Call) -> Call:
        try:
            return self._tools.redact(call)
        except Exception as error:  # whatever a rule raises, the call must not go live
            with self._lock:
                self.log.notes.append(f"{call.name} could not be redacted: {error}")
                found = Divergence(kind="unexpected", name=call.name)
                self._witness.diverge(found, fatal=True)
            raise

    def _above(self, opened: OpenCall) -> Place | None:
        for above in opened.ancestors():
            place = above.notes.get(self)
            if isinstance(place, Place):
                return place
        return None

    def _root(self, call: Call) -> Place:
        """Take the agent's own call for the run; say where its input differs."""
        if self._begun:
            again = "the agent was called once more than recorded"
            found = Divergence(kind="unexpected", name=call.name, reason=again)
            self._witness.diverge(found, fatal=True)
        self._begun = True
        if self._plan.mode == "replay":
            self._witness.given(call)
        return replace(_ROOT, root=True)

    def _ended(self, opened: OpenCall, place: Place, now: Outcome) -> None:
        if place.root:
            self._witness.end(now)
        elif place.instead and not ended_alike(place.instead.outcome, now):
            self.log.altered.append(opened.call.kind)

    def _found(self, call: Call, place: Place, lane: Lane) -> Hit | None:
        try:
            hit = self._finder.find(place.step, call, lane)
        except Exception as error:  # the user's function; the call must not go live
            self.log.notes.append(f"{call.name} could not be matched: {error}")
            self.log.divergences.append(Divergence(kind="unexpected", name=call.name))
            self.log.stopped = True
            raise
        self.log.notes += self._finder.new_doubts()
        return hit

    def _note(self, hit: Hit) -> None:
        step = hit.step
        self.log.asked.add(step.index)
        self.log.replaced.discard(step.index)
        self.log.normalised += hit.normalised
        self._reach(step)
        if hit.late and step.index in self._plan.shared:
            self.log.moved(self._finder.lines)

    def _recorded(
        self, opened: OpenCall, call: Call, step: Step
    ) -> Outcome | Call | None:
        frame = call.kind in FRAME_KINDS
        if frame:
            opened.notes[self] = Place(step=step.index)
            if self._plan.mode == "resume" and step.index in self._plan.shared:
                opened.notes[STORED_SPAN] = step.span_id
            return None
        if call.kind == "checkpoint":
            return self._checkpoint(opened, call, step)
        if step.index in self._plan.shared or self._plan.answers_read(step):
            return self._served(opened, step)
        return self._live(opened, call)

    def _served(self, opened: OpenCall, step: Step) -> Outcome:
        opened.notes[self] = Place(step=step.index)
        opened.notes[CUT_SHORT] = was_cut_short(self._run)
        self.log.served.add(step.index)
        answer = answer_of(step, self._plan, self._tools)
        if is_semantic(step) and opened.call.request is not None:
            answer = self._synthesised(step, opened.call)
        return replace(answer, served_from=step.span_id)

    def _synthesised(self, step: Step, call: Call) -> Outcome:
        answer = self._tools.synthesise(step, call)
        if answer is None:
            problem = "what was recorded of its answer cannot be written for this API"
            found = Divergence(
                kind="unexpected", name=call.name, step=step.index, reason=problem
            )
            self._witness.diverge(found, fatal=True)
            raise ReplayStopped(problem)
        self.log.notes.append(
            f"step {step.index} was recorded without bytes: its answer was written "
            "anew from what was said"
        )
        return answer

    def _checkpoint(
        self,
        opened: OpenCall,
        call: Call,
        step: Step | None,
    ) -> Outcome | None:
        """Compare the state, or give back the changed one.

        A checkpoint of the live part passes: the recorder behind has to see it.
        """
        opened.notes[self] = Place(step=step.index if step else None)
        shared = step if step is not None and step.index in self._plan.shared else None
        if shared is not None:
            self.log.served.add(shared.index)
            self._witness.state(call, shared)
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

    def _past_fork(self, step: Step | None) -> bool:
        at = self._plan.at
        return at is not None and (step is None or step.index >= at)

    def _not_recorded(
        self,
        opened: OpenCall,
        call: Call,
        place: Place,
    ) -> Outcome | Call | None:
        if self._plan.mode != "replay" and self._prefix_used_up():
            if call.kind == "checkpoint":
                return self._checkpoint(opened, call, None)
            return self._live(opened, call)
        anywhere = not self._plan.matching.has_parents
        if anywhere and call.kind in FRAME_KINDS:
            opened.notes[self] = Place(step=place.step)
            return None
        if self._plan.mode == "replay" and call.kind == "process":
            worker = self._finder.stubs.worker_like(place.step, call)
            opened.notes[self] = Place(step=worker, unknown=worker is None)
            return None
        if self._plan.mode == "replay" and self._may_go_live(call, place):
            return self._live_instead(opened, call, place)
        found = miss(
            self._run,
            self._finder.stubs,
            call,
            inside=place.step,
            above=names_above(opened),
            anywhere=anywhere,
        )
        self._witness.diverge(found, fatal=True, call=call)
        return None

    def _may_go_live(self, call: Call, place: Place) -> bool:
        """Whether a call that no step answers is named, or a live tool's own doing."""
        own = place.live and (call.kind in FRAME_KINDS or call.kind == "http")
        return own or self._plan.may_go_live(call)

    def _is_its_own(self, place: Place) -> bool:
        """Whether all that a live call does is let through with it."""
        return self._plan.mode != "replay" or place.covers == "all"

    def _live_instead(
        self, opened: OpenCall, call: Call, place: Place
    ) -> Outcome | Call | None:
        """Let a call through in a replay; the step it stands for is then not missing."""
        step = stood_for(self._finder.stubs, self.log.replaced, call, place)
        answer = self._live(opened, call, inside=place)
        if step is not None:
            self.log.replaced.add(step.index)
            here = opened.notes[self]
            if isinstance(here, Place):
                opened.notes[self] = replace(here, step=step.index, instead=step)
        return answer

    def _prefix_used_up(self) -> bool:
        """Whether every shared step that could answer has been asked for.

        Of what a killed run did side by side, the last moments are not lost evenly:
        there what is left may be for others to ask for.
        """
        if not self._used_up:
            found = self.log.asked | covered(self._run, self.log.served)
            if not self._plan.matching.has_parents:  # then frames are not looked at
                found |= {
                    s.index for s in self._run.steps if s.call.kind in FRAME_KINDS
                }
            self._used_up = self._plan.shared <= found
        others = self._plan.cut_off and self._finder.stubs.may_wait_for_others
        return self._used_up or bool(others and others(here()))

    def _live(
        self,
        opened: OpenCall,
        call: Call,
        *,
        inside: Place = _ROOT,
    ) -> Outcome | Call | None:
        """Let a call through; stop before a write that nobody allowed."""
        if call.kind == "checkpoint":
            return self._checkpoint(opened, call, None)
        read = self._finder.read_like(call, self._plan.answers_read)
        if read is not None:
            return self._served(opened, read)
        if not may_run(self._plan, call, inside.covers):
            self.log.blocked.append(call.name)
            self._witness.stop()
        opened.notes[self] = Place(live=True, covers=covers_of(call, inside.covers))
        if call.kind not in FRAME_KINDS | EFFECT_KINDS:
            self.log.live.append(call.name)
        if call.kind == "model" and self._plan.changes.rewrites_requests:
            return self._tools.rewrite(opened.call)
        return None
