"""What takes long shows on a terminal that it is at work."""

from __future__ import annotations

import pytest

from tests.cli.terminal import on_terminal


def test_a_terminal_shows_what_is_being_done(recorded):
    """In a line that is gone at the end, before what came of it."""
    shown = on_terminal(recorded.folder, "store", "check")

    assert "Reading the whole store" in shown
    last = shown.rpartition("\x1b[2K")[2]
    assert "It is sound." in last
    assert "Reading" not in last


@pytest.mark.parametrize("words", [["store", "check"], ["prune"], ["recover"]])
def test_elsewhere_nothing_of_it_is_shown(recorded, words):
    """Neither in a pipe nor on a terminal that cannot go back in a line."""
    piped = recorded.run(*words)
    shown = on_terminal(recorded.folder, *words, TERM="dumb")

    assert "\x1b" not in piped.stdout + piped.stderr + shown
    assert "0:00" not in piped.stderr + shown
