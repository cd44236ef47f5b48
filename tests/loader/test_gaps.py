"""What a run should have and has not."""

from __future__ import annotations

from dataclasses import replace

from otel_agent_replay import semconv
from otel_agent_replay.loader import load
from otel_agent_replay.model.call import Call
from tests.loader.runs import texts


class TestGaps:
    """What is missing has a name."""

    def test_a_step_lost_in_the_middle(self, spans, tool):
        """The number of the lost step is told, and where it would stand."""
        steps = [spans.step(tool(n=n)) for n in range(4)]

        run = load([*steps[:1], *steps[2:], spans.root()], spans.run_id)

        (gap,) = run.gaps
        assert "1 of the 4 steps" in gap.text
        assert "number 1" in gap.text
        assert gap.step == 1

    def test_steps_lost_at_the_end(self, spans, tool):
        """The root's count shows a loss that no later step would show."""
        steps = [spans.step(tool(n=n)) for n in range(9)]

        run = load([steps[0], spans.root()], spans.run_id)

        assert texts(run) == [
            "8 of the 9 steps that process p started are missing: number 1, 2, 3, 4, 5, …"
        ]

    def test_a_count_that_nobody_can_have_is_no_trouble(self, spans, tool):
        """Damaged numbers make a gap, not a loop without end."""
        run = load([spans.step(tool()), spans.root(count=10**17)], spans.run_id)

        assert "missing" in texts(run)[0]

    def test_a_step_lost_in_a_child_process(self, spans, tool):
        """Each process numbers and counts its own steps."""
        steps = [spans.step(tool(n=n), parent="proc", process="c") for n in range(2)]
        process = spans.process("c", span_id="proc")
        rest = [spans.step(tool()), process, spans.root()]

        assert load([*steps, *rest], spans.run_id).gaps == ()
        assert "process c" in texts(load([steps[0], *rest], spans.run_id))[0]

    def test_a_process_span_that_is_numbered_counts_the_steps_below_it(
        self, spans, tool
    ):
        """A process may be a step of its parent and still count its own."""
        call = Call(kind="process", name="child", inputs={})
        process = spans.step(
            call, span_id="proc", attributes={semconv.RUN_STEP_COUNT: 2}
        )
        steps = [spans.step(tool(n=n), parent="proc", process="c") for n in range(2)]
        root = spans.root()

        assert load([process, *steps, root], spans.run_id).gaps == ()
        assert len(load([process, steps[0], root], spans.run_id).gaps) == 1

    def test_a_child_process_that_never_ended(self, spans, tool):
        """Without its count nobody knows what a killed child had started."""
        inner = spans.step(tool(), parent="proc", process="c")

        run = load([inner, spans.root()], spans.run_id)

        assert any("never said" in text for text in texts(run))
        assert any("proc" in text and "missing" in text for text in texts(run))

    def test_what_the_recorder_counted_as_lost(self, spans, tool):
        """The counters of all processes are added up."""
        lost = {semconv.RUN_DROPPED + "queue": 2, semconv.RUN_DROPPED + "limit": 0}
        step = spans.step(tool())

        run = load([step, spans.root(attributes=lost)], spans.run_id)

        assert run.dropped == {"queue": 2}
        assert texts(run) == ["2 lost while recording: queue"]

    def test_a_payload_that_redaction_dropped(self, spans, tool):
        """The step is there, its reason too; the run cannot be replayed unseen."""
        dropped = {semconv.STEP_DROPPED: "redaction", semconv.TOOL_NAME: "search"}
        step = replace(spans.step(tool(), attributes=dropped), events=())

        run = load([step, spans.root()], spans.run_id)

        assert run.steps[0].dropped == "redaction"
        assert texts(run) == ["step 0 (search) has no payload: redaction"]

    def test_the_span_around_a_step(self, spans, tool):
        """Where a step stood is not known without the span it ran inside."""
        run = load([spans.step(tool(), parent="gone"), spans.root()], spans.run_id)

        assert texts(run) == ["the span gone, which search ran inside, is missing"]
