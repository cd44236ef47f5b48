"""What a launched program recorded, said in a line a run."""

from __future__ import annotations

from rich.text import Text

from otel_agent_replay._setup.launch import Finished
from otel_agent_replay._setup.stores import RunStore
from otel_agent_replay.cli.run_page import STATUS_STYLES
from otel_agent_replay.cli.terminal import Screen, text
from otel_agent_replay.cli.wording import count, money, short_id
from otel_agent_replay.model.run import RunSummary

__all__ = ["NOT_CAPTURED", "print_recorded", "runs_of", "why_none"]

NOT_CAPTURED = (
    "the program did not take up recording. It must be Python with otel-agent-replay "
    "installed beside it, and run without -S, -E and -I."
)


def runs_of(store: RunStore, finished: Finished, since_ns: int) -> list[RunSummary]:
    """Return the runs that a launched program began, in order.

    Those of processes that were killed are found by their time, so runs that another
    program records meanwhile may be among them.
    """
    if finished.run_ids or set(finished.processes) <= set(finished.ended):
        found = (store.runs(run_id=each, limit=1) for each in finished.run_ids)
        return [run for runs in found for run in runs]
    return store.runs(since_ns=since_ns)[::-1]


def why_none(finished: Finished) -> str:
    """Return why a launched program has no run in the store that it was given."""
    if finished.run_ids:
        began = count(len(finished.run_ids), "run")
        return (
            f"{began} began, but not in this store: the program sets another one with "
            "configure(store=…), or what it recorded waits in the spool."
        )
    if set(finished.processes) - set(finished.ended):
        return (
            "Nothing was recorded: the program ended without a word, as by os._exit or "
            "SIGKILL, before anything was written. flush() before os._exit keeps it."
        )
    return "Nothing was recorded: no model, tool or HTTP call was made."


def print_recorded(screen: Screen, runs: list[RunSummary], verb: str) -> None:
    """Print a line a run: what it is, how it ended, how to look at it."""
    for run in runs:
        screen.print(_line(run, verb))


def _line(run: RunSummary, verb: str) -> Text:
    agent = f"{run.agent_name} {run.agent_version or ''}".strip()
    cost = f", {money(run.cost_usd)}" if run.cost_usd is not None else ""
    return Text.assemble(
        f"{verb} ",
        (short_id(run.run_id), "cyan"),
        "  ",
        text(agent),
        "  ",
        (run.status, STATUS_STYLES.get(run.status, "")),
        f", {count(run.step_count, 'step')}{cost}  ",
        (f"agent-replay show {short_id(run.run_id)}", "dim"),
    )
