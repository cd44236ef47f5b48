"""What the processes of a session leave for the one that reports."""

from __future__ import annotations

from dataclasses import replace

from otel_agent_replay import semconv
from otel_agent_replay.model.call import Call, Outcome
from otel_agent_replay.model.divergence import (
    Candidate,
    Divergence,
    FieldDifference,
    Normalised,
)
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.span import SpanRecord
from otel_agent_replay.model.step import Step
from otel_agent_replay.replay.log import SessionLog, dump_log, load_log
from otel_agent_replay.replay.matching import matching_of
from otel_agent_replay.replay.plan import Changes, plan_of
from otel_agent_replay.replay.report import report_of

DIVERGENCE = Divergence(
    kind="changed",
    name="f",
    step=2,
    parent=("run", "part"),
    fields=(FieldDifference(path="a[0]", expected={"b": None}, actual="\ud800"),),
    cause="clock",
    candidates=(
        Candidate(step=1, name="f", used=True, fields=(FieldDifference(path="x"),)),
    ),
    reason="asked again",
    follows=True,
)
FULL = SessionLog(
    asked={3, 1},
    served={1},
    live=["f", "f"],
    blocked=["pay"],
    divergences=[DIVERGENCE],
    replaced={4},
    altered=["model"],
    ends=[DIVERGENCE],
    lines=[[1, 0], [2]],
    moved_at=0,
    normalised=[Normalised(step=None, normaliser="uuids", path="input")],
    notes=["a note"],
    stopped=True,
    state_changed=True,
)


def a_run(*parents: int | None, kinds: dict[int, str] | None = None) -> Run:
    steps = tuple(
        Step(
            index=number,
            span_id=str(number),
            parent=parent,
            call=Call(
                kind=(kinds or {}).get(number, "tool"), name=f"t{number}", inputs={}
            ),
            outcome=Outcome(),
        )
        for number, parent in enumerate(parents)
    )
    return Run(run_id="r", trace_id="t", steps=steps)


def test_a_log_survives_its_file():
    """Whatever is in it."""
    assert load_log(dump_log(FULL)) == FULL
    assert load_log(dump_log(SessionLog())) == SessionLog()


def test_logs_add_up():
    """Sets are joined, lists follow each other, what happened in one has happened."""
    log = SessionLog(asked={0}, live=["g"])

    log.add(FULL)
    log.add(SessionLog())

    assert log.asked == {0, 1, 3}
    assert log.live == ["g", "f", "f"]
    assert (log.stopped, log.state_changed) == (True, True)
    assert log.divergences == [DIVERGENCE]
    assert (log.lines, log.moved_at, log.replaced) == ([[1, 0], [2]], 0, {4})


def test_a_call_that_moved_in_another_process_keeps_its_place():
    """After what had been found before, in this process and in that one."""
    log = SessionLog(divergences=[DIVERGENCE])

    log.add(SessionLog(divergences=[DIVERGENCE], lines=[[3, 2]], moved_at=1))
    log.add(SessionLog(lines=[[5, 4]], moved_at=0))

    assert (log.lines, log.moved_at) == ([[3, 2], [5, 4]], 2)


def test_steps_that_nobody_asked_for_are_missing():
    """Those inside an answered call need not be asked for; a frame stands for its own."""
    run = a_run(None, 0, None, 2, 2, kinds={2: "step"})
    log = SessionLog(asked={0}, served={0})

    report = report_of(run, plan_of(run, "replay"), log)

    assert report.unused == (2, 3, 4)
    assert [str(each) for each in report.divergences] == ["missing: t2 (step 2)"]
    assert not report.ok


def test_after_a_stop_nothing_is_missing():
    """What would have come is not known."""
    run = a_run(None, None)
    log = SessionLog(asked={0}, served={0}, stopped=True)

    report = report_of(run, plan_of(run, "replay"), log)

    assert (report.unused, report.divergences) == ((1,), ())


def test_a_missing_step_names_its_place():
    """From the outermost call."""
    run = a_run(None, 0, 1, kinds={0: "step", 1: "step"})
    log = SessionLog(asked={0, 1})

    (missing,) = report_of(run, plan_of(run, "replay"), log).divergences

    assert str(missing) == "missing: t2 (step 2) in t0 > t1"


def test_a_state_that_was_never_changed_is_missing():
    """In a fork that was to change it."""
    run = a_run(None)
    plan = plan_of(run, "fork", at=0, changes=Changes(state={"a.b": 1}))
    log = SessionLog(asked={0}, served={0})

    (missing,) = report_of(run, plan, log).divergences

    assert (missing.kind, missing.name) == ("missing", "checkpoint")
    assert missing.fields[0].path == "state.a.b"
    log.state_changed = True
    assert report_of(run, plan, log).ok


def test_a_report_has_everything_in_order():
    """Numbers sorted, names as they came."""
    run = a_run(None, None, None, None)

    report = report_of(run, plan_of(run, "fork", at=1), FULL)

    assert report.run_id == "r"
    assert (report.served, report.unused) == ((1,), (0,))
    assert (report.live, report.blocked, report.notes) == (
        ("f", "f"),
        ("pay",),
        ("a note",),
    )
    assert not report.ok


def test_what_the_agent_returned_comes_last_and_follows():
    """All else leads to it; alone it stands for itself."""
    run = a_run(None)
    end = Divergence(kind="changed", name="run")

    report = report_of(run, plan_of(run, "replay"), SessionLog(ends=[end]))
    assert [(each.kind, each.follows) for each in report.divergences] == [
        ("missing", False),
        ("changed", True),
    ]
    alone = report_of(run, plan_of(run, "replay"), SessionLog(asked={0}, ends=[end]))
    assert alone.divergences == (end,)


def test_a_step_that_a_live_call_stood_for_is_not_missing():
    """Nor what was recorded inside it."""
    run = a_run(None, 0, None)
    log = SessionLog(asked={2}, replaced={0}, live=["t0"])

    report = report_of(run, plan_of(run, "replay"), log)

    assert (report.unused, report.divergences) == ((0,), ())


def test_frames_are_not_missing_where_parents_are_free():
    """What is inside one speaks for itself."""
    run = a_run(None, 0, kinds={0: "step"})
    free = plan_of(run, "replay", matching=matching_of("by_arguments"))

    report = report_of(run, free, SessionLog())

    assert [str(each) for each in report.divergences] == ["missing: t1 (step 1) in t0"]
    assert report_of(run, free, SessionLog(asked={1})).ok


def test_a_tool_that_others_recorded_is_said_to_be_off_the_seam():
    """A replay cannot answer it; how it could is told."""
    plain = a_run(None)
    span = SpanRecord(
        trace_id="t", span_id="0", name="execute_tool t0", start_ns=0, end_ns=0
    )
    run = replace(plain, spans=(span,))

    (missing,) = report_of(run, plan_of(run, "replay"), SessionLog()).divergences

    assert "--tool MODULE:FUNCTION" in missing.reason
    (own,) = report_of(plain, plan_of(plain, "replay"), SessionLog()).divergences
    assert own.reason == ""


def test_a_tool_that_runs_past_the_seam_is_noted():
    """Beside calls that are answered; inside one of these it does not run."""
    run = a_run(None, None, 0)
    own = SpanRecord(
        trace_id="t",
        span_id="0",
        name="execute_tool t0",
        start_ns=0,
        end_ns=0,
        attributes={semconv.STEP_KIND: "tool"},
    )
    others = [replace(own, span_id=each, attributes={}) for each in ("1", "2")]
    run = replace(run, spans=(own, *others))

    report = report_of(run, plan_of(run, "replay"), SessionLog(asked={0}, served={0}))

    assert report.ok
    (note,) = report.notes
    assert note.startswith("t1: only another instrumentation recorded it")
