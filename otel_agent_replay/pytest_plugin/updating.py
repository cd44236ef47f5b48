"""`--golden-update`: goldens written by the tests that use them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest
from _pytest.runner import runtestprotocol

from otel_agent_replay._setup.golden_files import (
    golden_names,
    orphans,
    pending,
    read_golden,
    write_golden,
)
from otel_agent_replay._setup.golden_making import in_ci, made_golden
from otel_agent_replay._setup.golden_recording import LiveRecording
from otel_agent_replay.errors import AgentReplayError
from otel_agent_replay.model.payload import JsonObject, dump_json
from otel_agent_replay.pytest_plugin.markers import MARKERS
from otel_agent_replay.pytest_plugin.playing import PLAYING, RECORD, Wanted, wanted
from otel_agent_replay.replay.golden import Golden

__all__ = ["CATEGORIES", "install"]

CATEGORIES: Final = ("create", "fix", "update", "trim")


def install(config: pytest.Config) -> None:
    """Have goldens written in this session, as the options say.

    Raises:
        pytest.UsageError: A category is none, this is continuous integration, or the
            tests run in several processes.
    """
    given = str(config.getoption("golden_update"))
    asked = [each.strip() for each in given.split(",") if each.strip()]
    chosen = frozenset(CATEGORIES if "all" in asked else asked)
    if not chosen or chosen - set(CATEGORIES):
        message = (
            f"--golden-update={given}: name some of {', '.join(CATEGORIES)}, or all"
        )
        raise pytest.UsageError(message)
    dry_run = bool(config.getoption("golden_dry_run"))
    if in_ci() and not dry_run:
        message = (
            "--golden-update: CI is set, and a golden is never written there. Write it "
            "where you work, look at its diff, and commit it."
        )
        raise pytest.UsageError(message)
    if getattr(config.option, "numprocesses", None):
        message = (
            "--golden-update: several processes would write the same files; use -n 0"
        )
        raise pytest.UsageError(message)
    report = config.getoption("golden_report")
    updating = Updating(
        chosen, dry_run=dry_run, report=Path(report) if report else None
    )
    config.pluginmanager.register(updating, "agent_replay_updating")


class Updating:
    """What a session writes, or would write: noted as it goes, said at its end."""

    def __init__(
        self, categories: frozenset[str], *, dry_run: bool, report: Path | None
    ) -> None:
        self._categories = categories
        self._dry_run = dry_run
        self._report = report
        self._used: defaultdict[Path, set[str]] = defaultdict(set)
        self._written: set[Path] = set()
        self._changes: list[JsonObject] = []
        self._whole = True

    def _note(self, category: str, path: Path, why: str) -> bool:
        """Note a change; return whether it is to be made."""
        done = category in self._categories and not self._dry_run
        self._changes.append(
            {"category": category, "path": str(path), "why": why, "written": done}
        )
        return done

    # --- which tests there are ------------------------------------------------------

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """Note that some tests do not run."""
        self._whole = self._whole and not items

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note that a module or folder could not be collected, or skips itself."""
        self._whole = self._whole and report.passed

    @pytest.hookimpl(wrapper=True)
    def pytest_ignore_collect(
        self, collection_path: Path
    ) -> Generator[None, bool | None, bool | None]:
        """Note that a module is left out, as `collect_ignore` and `--ignore` do."""
        ignored = yield
        if ignored and collection_path.suffix == ".py":
            self._whole = False
        return ignored

    # --- one test -----------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> bool | None:
        """Run a test; where its golden is to be made or made anew, live."""
        if not any(item.get_closest_marker(each) for each in MARKERS):
            return None
        try:
            named = wanted(item)
        except pytest.UsageError:
            return None  # the test says it
        self._used[named.folder].add(named.name)
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in self._reports(item, nextitem, named):
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def _reports(
        self, item: pytest.Item, nextitem: pytest.Item | None, named: Wanted
    ) -> list[pytest.TestReport]:
        reports: list[pytest.TestReport] = []
        if named.path.is_file():
            reports = runtestprotocol(item, log=False, nextitem=nextitem)
            category, why = "fix", self._why_fix(item, reports)
        else:
            category, why = "create", "a test names it, and it is not there"
        if why is None or named.path in self._written:
            return reports  # as it was recorded for another test, or is right
        if category not in self._categories or self._dry_run:
            self._note(category, named.path, why)
            return reports or runtestprotocol(item, log=False, nextitem=nextitem)
        item.stash[RECORD] = True
        if reports:
            item._initrequest()  # type: ignore[attr-defined] # noqa: SLF001 - as rerunfailures does
        return self._recorded(item, nextitem, named, (category, why))

    def _why_fix(
        self, item: pytest.Item, reports: list[pytest.TestReport]
    ) -> str | None:
        """Return why the golden should be recorded again; None if it should not."""
        opened = item.stash.get(PLAYING, None)
        failed = any(each.failed for each in reports)
        if opened is None or not failed or not opened.stage.failures:
            return None
        if getattr(opened.stage, "golden").expect:  # noqa: B009 - not of a recording
            return None  # the recording of a bad run stays; the agent is to be fixed
        return opened.stage.failures[0]

    def _recorded(
        self,
        item: pytest.Item,
        nextitem: pytest.Item | None,
        named: Wanted,
        change: tuple[str, str],
    ) -> list[pytest.TestReport]:
        """Run the test live, and write the golden if it passes."""
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        stage = item.stash[PLAYING].stage if PLAYING in item.stash else None
        recording = stage.recording if isinstance(stage, LiveRecording) else None
        if recording is None or any(each.failed for each in reports):
            return reports
        try:
            golden = made_golden(recording, named.name)
        except AgentReplayError as error:
            reports[-1].outcome = "failed"
            reports[-1].longrepr = str(error)
            return reports
        if self._note(change[0], named.path, change[1]):
            write_golden(named.folder, golden)
            self._written.add(named.path)
        return reports

    # --- the end ------------------------------------------------------------------

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Rewrite what is written otherwise, and delete what nothing uses."""
        ran = exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}
        whole = ran and self._whole and _is_whole(session)
        for folder in sorted(self._used):
            goldens = [*_readable(folder)]
            for golden in goldens:
                self._rewrite(folder, golden)
            self._trim(folder, goldens, whole=whole)
        if self._report is not None:
            self._report.write_text(dump_json([*self._changes]), encoding="utf-8")

    def _rewrite(self, folder: Path, golden: Golden) -> None:
        if pending(folder, golden):
            path = folder / f"{golden.name}.json"
            why = "it is not written as this version writes it"
            if self._note("update", path, why):
                write_golden(folder, golden)

    def _trim(self, folder: Path, goldens: list[Golden], *, whole: bool) -> None:
        unused = [g for g in goldens if whole and g.name not in self._used[folder]]
        if len(goldens) != len(golden_names(folder)):
            return  # one cannot be read: whose the bodies are is not known
        for golden in unused:
            path = folder / f"{golden.name}.json"
            if self._note("trim", path, "no test uses it"):
                path.unlink()
        left = [each for each in goldens if each not in unused]
        for path in orphans(folder, left):
            if self._note("trim", path, "no golden has it"):
                path.unlink()

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> None:
        """Say what was written, or would be."""
        if not self._changes:
            return
        terminalreporter.section("goldens")
        for each in self._changes:
            said = "written" if each["written"] else "not written"
            line = f"{each['category']} {each['path']} ({said}): {each['why']}"
            terminalreporter.write_line(line)


def _is_whole(session: pytest.Session) -> bool:
    """Return whether all tests of the folders ran: whole directories, none left out."""
    failed_only = getattr(session.config.option, "lf", False)
    paths = [str(each) for each in session.config.args]
    stopped = session.shouldstop or session.shouldfail
    return not (failed_only or stopped) and all(Path(each).is_dir() for each in paths)


def _readable(folder: Path) -> Iterator[Golden]:
    for name in golden_names(folder):
        with suppress(AgentReplayError):
            yield read_golden(folder, name)
