"""Exceptions, with all that they hold."""

from __future__ import annotations

from otel_agent_replay.model.call import Outcome
from otel_agent_replay.model.exceptions import rebuild_exception, record_exception
from otel_agent_replay.model.payload import dump_json
from otel_agent_replay.redact import Policy, Redactor

SECRET = "mia.miller@example.org"


class LookupFailedError(Exception):
    """Tells whom it was about, in every way there is."""

    def __init__(self, who: str) -> None:
        super().__init__(f"{who} is not there", {"who": [who]}, who.encode())
        self.who = who
        self.password = "hunter2 hunter3"
        self.add_note(f"asked for {who}")


def test_no_part_of_an_exception_keeps_a_secret():
    """Text, arguments, attributes, notes, causes, stack; equal stays equal."""
    redactor = Redactor(Policy.default(), b"a key of the store")
    group = ExceptionGroup(f"about {SECRET}", [LookupFailedError(SECRET)])
    recorded = record_exception(group)

    redacted = redactor.outcome(Outcome(error=recorded), "tool").error

    for text in (SECRET, "hunter2"):
        assert text in repr(recorded)
        assert text not in repr(redacted)
        assert text not in dump_json(list(redacted.args))
    (again,) = rebuild_exception(redacted).exceptions
    assert again.who in str(again)
    assert again.args[1] == {"who": [again.who]}
    assert again.args[2] == again.who.encode()
    assert again.__notes__ == [f"asked for {again.who}"]
