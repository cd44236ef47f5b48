"""What the processes of a session leave for the one that reports."""

from __future__ import annotations

from otel_agent_replay.model.call import Call, Outcome
from otel_agent_replay.model.divergence import Divergence, FieldDifference
from otel_agent_replay.model.run import Run
from otel_agent_replay.model.step import Step
from otel_agent_replay.replay.log import SessionLog, dump_log, load_log, report_of
from otel_agent_replay.replay.plan import Changes, plan_of

DIVERGENCE = Divergence(
    kind="changed",
    name="f",
    step=2,
    parent=("run", "part"),
    fields=(FieldDifference(path="a[0]", expected={"b": None}, actual="\ud800"),),
)
FULL = SessionLog(
    asked={3, 1},
    served={1},
    live=["f", "f"],
    blocked=["pay"],
    divergences=[DIVERGENCE],
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
