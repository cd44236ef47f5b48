"""Runs that were cut short, and those that went on."""

from __future__ import annotations

from otel_agent_replay.loader import load
from otel_agent_replay.model.call import Call, Outcome
from tests.loader.runs import texts, tree


class TestInterrupted:
    """A run whose process was killed."""

    def test_finished_steps_are_there_and_no_gap(self, spans, tool):
        """A run without its root can be replayed up to where it ends."""
        run = load([spans.step(tool(n=n)) for n in range(3)], spans.run_id)

        assert run.status == "interrupted"
        assert run.run_class == "failed"
        assert len(run.steps) == 3
        assert run.gaps == ()

    def test_frames_that_were_open_are_no_gap(self, spans, tool):
        """A step that others ran inside was not lost: it had not ended."""
        first = spans.step(tool(n=0))
        spans.step(Call(kind="step", name="open", inputs={}), span_id="open")
        inner = spans.step(tool(n=1), parent="open")

        run = load([first, inner], spans.run_id)

        assert run.gaps == ()
        assert tree(run) == [("search", None), ("search", None)]

    def test_a_number_that_is_missing_in_between_is_a_gap(self, spans, tool):
        """A lost step and one that was under way look alike: it is said."""
        steps = [spans.step(tool(n=n)) for n in range(3)]

        run = load([steps[0], steps[2]], spans.run_id)

        assert "number 1" in texts(run)[0]


class TestResumed:
    """A run that went on in another process."""

    def test_both_parts_are_one_run(self, spans, tool):
        """Steps of both; status, input and answer of the later."""
        first = [spans.step(tool(n=n)) for n in range(2)]
        late = [spans.step(tool(n=n), parent="root2", process="q") for n in (2, 3)]
        root2 = spans.root(
            process="q",
            span_id="root2",
            parent="root",
            start_ns=late[0].start_ns - 1,
            outcome=Outcome(value="at last"),
        )

        run = load([*first, *late, root2], spans.run_id)

        assert [step.call.inputs["n"] for step in run.steps] == [0, 1, 2, 3]
        assert {step.parent for step in run.steps} == {None}
        assert (run.status, run.output, run.gaps) == ("success", "at last", ())

    def test_two_roots(self, spans, tool):
        """A run that failed and was resumed has the later root's word."""
        first = spans.step(tool(n=0))
        root1 = spans.root(status="failed")
        late = spans.step(tool(n=1), parent="root2", process="q")
        root2 = spans.root(
            process="q", span_id="root2", parent="root", start_ns=late.start_ns - 1
        )

        run = load([root2, late, root1, first], spans.run_id)

        assert (run.status, len(run.steps), run.gaps) == ("success", 2, ())
        assert run.start_ns == root1.start_ns
        assert run.root_span_id == "root2"

    def test_killed_again_after_an_end(self, spans, tool):
        """Steps after the last root's end say that the run was cut off again."""
        first = spans.step(tool(n=0))
        root1 = spans.root(status="failed")
        late = spans.step(
            tool(n=1), parent="root2", process="q", start_ns=root1.end_ns + 9
        )

        run = load([first, root1, late], spans.run_id)

        assert run.status == "interrupted"
        assert len(run.steps) == 2

    def test_a_step_that_was_answered_from_the_run_itself_counts_once(
        self, spans, tool
    ):
        """The earlier step takes the place of the one that it answered."""
        first = spans.step(tool("outer"), span_id="outer")
        nested = spans.step(tool("nested"), parent="outer")
        late = {"process": "q", "parent": "frame2"}
        again = spans.step(tool("outer"), Outcome(value=1, served_from="outer"), **late)
        new = spans.step(tool("new"), **late)
        frame = spans.step(
            Call(kind="step", name="again", inputs={}),
            parent="root2",
            process="q",
            span_id="frame2",
            start_ns=again.start_ns - 2,
        )
        root2 = spans.root(
            process="q", span_id="root2", parent="root", start_ns=frame.start_ns - 1
        )

        run = load([first, nested, again, new, frame, root2], spans.run_id)

        assert tree(run) == [("again", None), ("outer", 0), ("nested", 1), ("new", 0)]
        assert run.steps[1].span_id == "outer"
        assert run.gaps == ()


def test_a_step_answered_from_another_run_stays(spans, tool):
    """A replay's own recording has every step that was served."""
    step = spans.step(tool(), Outcome(value=1, served_from="elsewhere"))

    run = load([step, spans.root()], spans.run_id)

    assert run.steps[0].outcome.served_from == "elsewhere"
