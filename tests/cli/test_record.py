"""`agent-replay record`."""

from __future__ import annotations

import signal
import sys

import pytest


def test_a_program_is_recorded_and_not_disturbed(desk):
    """Its output is its own; standard error says what was recorded and how to look."""
    done = desk.agent("record", "--", "one", "two")

    (run,) = desk.runs()
    assert (done.returncode, done.stdout) == (0, "noted page 1, page 2\n")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"recorded {run.run_id[:8]}  clerk 1  success, 4 steps")
    assert line.endswith(f"agent-replay show {run.run_id[:8]}")
    assert [step.call.name for step in run.steps] == ["state", *["look_up"] * 2, "note"]


def test_quiet_says_nothing(desk):
    """With -q standard error is the program's alone."""
    done = desk.agent("record", "-q", "--", "one")

    assert (done.returncode, done.stderr) == (0, "")
    assert len(desk.runs()) == 1


def test_settings_of_the_command_line_reach_the_run(desk):
    """Agent, user, prompt and tags stand in the run; redaction off is said."""
    words = ["--user", "ada", "--tag", "a", "--tag", "b", "--class", "flagged"]
    more = ["--prompt-name", "p", "--prompt-version", "2", "--conversation", "c"]

    done = desk.agent("record", *words, *more, "--no-redact", "--", "one")

    (run,) = desk.runs()
    assert (run.user, run.conversation, run.tags) == ("ada", "c", ("a", "b"))
    assert (run.prompt_name, run.prompt_version) == ("p", "2")
    assert run.run_class == "flagged"
    assert run.policy is not None
    assert run.policy.name == "off"
    assert "Redaction is off" in done.stderr


def test_a_word_with_a_comma_stays_one(desk):
    """Lists go to the program as they were given."""
    desk.agent("record", "--tag", "a, b", "--tag", "c", "--", "one")

    assert desk.runs()[0].tags == ("a, b", "c")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--effects", "clok"], "'clok' is none of: clock"),
        (["--tool", "search"], "'search' is not module:function"),
    ],
)
def test_a_setting_without_a_meaning_is_said_first(desk, words, said):
    """The program does not run: it could not be recorded as was asked."""
    done = desk.agent("record", *words, "--", "one")

    assert (done.returncode, desk.notes) == (2, [])
    assert said in done.stderr


def test_a_program_with_a_store_of_its_own(desk):
    """It is not said that it did nothing."""
    name = desk.write(
        "own.py",
        """
        import otel_agent_replay
        otel_agent_replay.configure(store="sqlite:///own.db")
        from clerk import look_up
        look_up("one")
        """,
    )

    done = desk.run("record", "--", sys.executable, name)

    assert done.returncode == 0
    assert done.stderr.startswith("1 run began, but not in this store")
    assert (desk.folder / "own.db").exists()


def test_a_program_that_ends_without_a_word(desk):
    """It is not said that it made no call."""
    name = desk.write("ends.py", "import os; os._exit(7)")

    done = desk.run("record", "--", sys.executable, name)

    assert done.returncode == 7
    assert "ended without a word" in done.stderr


def test_a_program_from_standard_input_has_a_name(desk):
    """As one from the command line has."""
    process = desk.start("record", "-q", "--", sys.executable, "-")
    process.communicate("from clerk import look_up; look_up('one')", timeout=60)

    assert [run.agent_name for run in desk.runs()] == ["python"]


def test_the_exit_code_is_the_programs(desk):
    """Whatever it is, and nothing is made up where no call was made."""
    done = desk.run("record", "--", sys.executable, "-c", "raise SystemExit(7)")

    assert done.returncode == 7
    assert (
        done.stderr == "Nothing was recorded: no model, tool or HTTP call was made.\n"
    )


def test_a_program_that_fails_leaves_a_failed_run(desk):
    """Its traceback is printed as ever."""
    done = desk.agent("record", "--", "nowhere")

    (run,) = desk.runs()
    assert done.returncode == 1
    assert "KeyError: 'nowhere'" in done.stderr
    assert run.status == "failed"


def test_a_killed_program_leaves_what_was_written(desk):
    """The run says `interrupted`, and is found although nobody could name it."""
    program = desk.write(
        "killed.py",
        """
        import os, otel_agent_replay
        from clerk import look_up
        look_up("one")
        otel_agent_replay.flush()
        os.kill(os.getpid(), 9)
        """,
    )

    done = desk.run("record", "--", sys.executable, program)

    (run,) = desk.runs()
    assert done.returncode == 137
    assert (run.status, [step.call.name for step in run.steps]) == (
        "interrupted",
        ["look_up"],
    )
    assert f"recorded {run.run_id[:8]}" in done.stderr


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["no-such-command"], "'no-such-command' cannot be started: no such command."),
        (["clerk.py"], "it is no command; start it with `python clerk.py`."),
        (["./clerk.py"], "start it with `python ./clerk.py`."),
    ],
)
def test_a_program_that_cannot_be_started(desk, command, said):
    """A message, an exit code of its own, no traceback."""
    done = desk.run("record", "--", *command)

    assert (done.returncode, done.stdout) == (88, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("isolated", ["-S", "-E", "-I"])
def test_a_program_that_takes_no_part_is_warned_of(desk, isolated):
    """It runs, and it is said that nothing was recorded."""
    done = desk.run("record", "--", sys.executable, isolated, "-c", "print('hello')")

    assert (done.returncode, done.stdout) == (0, "hello\n")
    assert "warning: nothing was recorded" in done.stderr


def test_what_is_no_python_runs_too(desk):
    """With its exit code, and a warning."""
    done = desk.run("record", "--", "sh", "-c", "echo hello; exit 3")

    assert (done.returncode, done.stdout) == (3, "hello\n")
    assert "warning: nothing was recorded" in done.stderr


def test_a_store_that_is_not_there_is_said_first(desk):
    """The program does not run if it could not be recorded."""
    url = "clickhouse://127.0.0.1:1/nothing"

    done = desk.agent("record", "--store", url, "--", "one")

    assert done.returncode == 83
    assert desk.notes == []
    assert done.stderr.startswith("error: Store clickhouse://127.0.0.1:1/nothing ")


def test_standard_input_is_the_programs(desk):
    """As if it had been started alone."""
    process = desk.start("record", "--", sys.executable, "-c", "print(input()[::-1])")

    stdout, _ = process.communicate("abc\n", timeout=30)

    assert (process.returncode, stdout) == (0, "cba\n")


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGUSR1"])
def test_signals_are_passed_on(desk, name):
    """The program gets them and decides; its answer is the exit code."""
    number = getattr(signal, name)
    program = desk.write(
        "waits.py",
        f"""
        import signal, sys, time
        from clerk import look_up
        signal.signal({int(number)}, lambda *_: sys.exit(5))
        look_up("one")
        print("ready", flush=True)
        while True:
            signal.pause()
        """,
    )
    # A session of its own: no terminal would send the signal to the program as well.
    process = desk.start(
        "record", "--", sys.executable, program, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"

    process.send_signal(number)
    process.communicate(timeout=30)

    (run,) = desk.runs()
    assert process.returncode == 5
    assert [step.call.name for step in run.steps] == ["look_up"]


def test_a_program_ended_by_a_signal(desk):
    """128 + n, as a shell has it."""
    code = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"

    done = desk.run("record", "--", sys.executable, "-c", code)

    assert done.returncode == 128 + signal.SIGTERM


def test_modules_and_child_processes_are_recorded(desk):
    """`-m module`, and what a Python child calls is in the same run."""
    program = desk.write(
        "family.py",
        """
        import subprocess, sys
        from clerk import look_up
        look_up("one")
        subprocess.run([sys.executable, "-c", "import clerk; clerk.look_up('two')"])
        """,
    )

    desk.run("record", "--", sys.executable, "-m", program.removesuffix(".py"))

    (run,) = desk.runs()
    assert run.agent_name == "family"
    kinds = [(step.call.kind, step.call.inputs) for step in run.steps]
    assert kinds[0] == ("tool", {"word": "one"})
    assert kinds[1][0] == "process"
    assert kinds[2] == ("tool", {"word": "two"})
    assert run.steps[2].parent == 1


def test_a_console_script_is_recorded(desk):
    """A command on the PATH that is a Python script."""
    script = desk.folder / "clerk-command"
    script.write_text(f"#!{sys.executable}\nimport clerk\nclerk.look_up('one')\n")
    script.chmod(0o755)

    done = desk.run(
        "record", "--", "clerk-command", PATH=f"{desk.folder}:/usr/bin:/bin"
    )

    assert done.returncode == 0, done.stderr
    (run,) = desk.runs()
    assert (run.agent_name, len(run.steps)) == ("clerk-command", 1)


def test_a_program_that_changes_its_directory_keeps_its_store(desk):
    """The store is where the command was given."""
    program = desk.write(
        "moves.py",
        """
        import os, subprocess, sys
        sys.path.insert(0, os.getcwd())
        os.mkdir("elsewhere")
        os.chdir("elsewhere")
        from clerk import look_up
        look_up("one")
        """,
    )

    desk.run("record", "--", sys.executable, program)

    assert len(desk.runs()) == 1
    assert not (desk.folder / "elsewhere" / ".agent-replay").exists()


def test_python_is_ours_where_there_is_no_other(desk):
    """`python` works on machines that have only `python3`, or none on the PATH."""
    done = desk.run("record", "--", "python", "-c", "print('hello')", PATH="/nowhere")

    assert (done.returncode, done.stdout) == (0, "hello\n")


def test_tools_are_named_on_the_command_line(desk):
    """A function that nobody decorated, of the script itself, and a bad name."""
    program = desk.write(
        "plain.py",
        """
        def add(a, b):
            return a + b

        print(add(1, b=2))
        """,
    )
    words = ["record", "--agent-name", "sums", "--tool", "__main__:add=write"]

    done = desk.run(*words, "--", sys.executable, program)
    bad = desk.run("record", "--tool", "add", "--", sys.executable, program)

    (run,) = desk.runs()
    (step,) = run.steps
    assert done.stdout == "3\n"
    assert (run.agent_name, step.call.effect) == ("sums", "write")
    assert (step.call.inputs, step.outcome.value) == ({"a": 1, "b": 2}, 3)
    assert (bad.returncode, bad.stdout) == (2, "")
    assert "module:function" in bad.stderr
