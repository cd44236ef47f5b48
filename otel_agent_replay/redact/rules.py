"""A `Rule` says what is secret: by its text, its place, or a function."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

from otel_agent_replay.errors import ConfigurationError

__all__ = ["Find", "Found", "Gate", "KeyPath", "Rule"]

Coding: TypeAlias = Literal["plain", "query", "json"]
KeyPath: TypeAlias = tuple[str | int, ...]
"""Where a value stands in a JSON document: keys and list positions."""

_KIND: Final = re.compile(r"[a-z][a-z0-9]{0,23}")
_SEPARATOR: Final = "\x1f"
_STEP: Final = re.compile(
    r"(?P<deep>\.\.)(?P<below>[^.\[\]*]+|\*)|\.(?P<name>[^.\[\]*]+|\*)"
    r"|\[(?P<index>\d+|\*)\]|\[(?P<quote>['\"])(?P<quoted>.*?)(?P=quote)\]",
)


class Found(NamedTuple):
    """A secret that a rule found in a text.

    Attributes:
        start, end: Where it stands.
        kind: What it is; empty: redact `value` as a text of its own.
        value: The secret itself, decoded from how the text writes it.
        coding: How the text writes it: as it is, percent-encoded, or as the inside
            of a JSON string.
        named: A name said so: a pattern that fits the whole value decides the kind.
    """

    start: int
    end: int
    kind: str
    value: str
    coding: Coding = "plain"
    named: bool = False


Find: TypeAlias = Callable[[str], Iterable[Found]]


class Gate(NamedTuple):
    """What must occur in a text for its rule to be tried.

    Without it the rule must be sure to find nothing, also where the text stands in a
    JSON string, whose escapes put a backslash and a letter for a white space.

    Attributes:
        literals: ASCII texts of which one must occur; letters of any case, any digit
            for `0`, a space for `-`, any other white space of ASCII for a new line,
            all beyond ASCII for DEL.
        runs: Or else with what a run of 13 and more digits and capitals must begin:
            two characters each. One of digits alone behind a `.` or `+` is none.
        row: Or else what must occur in a row of 13 and more hexadecimal digits,
            capitals and colons.
        pattern, before: What must stand where the literal or run does, or in the 48
            bytes before it, in UTF-8; one of both is enough. Without literals and
            runs the pattern alone is searched.
        after: What must stand right behind the literal, instead of `pattern`.
        follow: Signs of which one must stand right behind the literal; they stand for
            others as those of literals do. Empty: any may.
    """

    literals: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    row: re.Pattern[bytes] | None = None
    pattern: re.Pattern[bytes] | None = None
    before: re.Pattern[bytes] | None = None
    after: re.Pattern[bytes] | None = None
    follow: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of a policy; make your own with the class methods.

    Attributes:
        name: What reports call it.
        kind: What it finds; decides the pseudonym's shape.
        definition: All that its behaviour depends on, as text; the policy's
            version is made of it.
        find: Gives what is secret in a text.
        gate: What must occur in a text for `find` to be tried; None tries always.
        place: Fits the key paths whose values are secret.
        tool, argument: The tool argument that is secret.
        rewrite: Gives the redacted text of a text.
        by_name: It goes by names, so it has no say in what kind a value is that a
            name calls secret.
    """

    name: str
    kind: str
    definition: str
    find: Find | None = None
    gate: Gate | None = None
    place: re.Pattern[str] | None = None
    tool: str | None = None
    argument: str | None = None
    rewrite: Callable[[str], str] | None = None
    by_name: bool = False

    @classmethod
    def regex(
        cls,
        name: str,
        pattern: str | re.Pattern[str],
        *,
        kind: str = "secret",
        group: int | str = 0,
    ) -> Rule:
        """Return a rule for what a regular expression finds, or one group of it.

        Raises:
            ConfigurationError: No regular expression, no such group, or no kind.
        """
        try:
            compiled = re.compile(pattern)
        except re.error as error:
            raise ConfigurationError(name, f"not a regular expression: {error}") from (
                error
            )
        known = isinstance(group, int) and 0 <= group <= compiled.groups
        if not known and group not in compiled.groupindex:
            raise ConfigurationError(name, f"the pattern has no group {group!r}")

        def find(text: str) -> Iterator[Found]:
            for match in compiled.finditer(text):
                start, end = match.span(group)
                if start < end:
                    yield Found(start, end, kind, text[start:end])

        return cls(
            name=name,
            kind=_checked(name, kind),
            definition=f"regex {compiled.pattern} {compiled.flags} {group}",
            find=find,
        )

    @classmethod
    def path(cls, path: str, *, kind: str = "secret", name: str | None = None) -> Rule:
        """Return a rule for the values under a key path such as `$.customer.*.ssn`.

        `$` is the root of a JSON document, of a tool's arguments, or of its result;
        `.*` is any key, `[*]` any position, `..name` the key at any depth. What
        stands under a fitting object or list is redacted too.

        Raises:
            ConfigurationError: No path of this form.
        """
        return cls(
            name=name or path,
            kind=_checked(path, kind),
            definition=f"path {path}",
            place=_place(path),
        )

    @classmethod
    def tool_argument(cls, tool: str, argument: str, *, kind: str = "secret") -> Rule:
        """Return a rule for one argument of one tool; `*` stands for any tool."""
        name = f"{tool}({argument})"
        return cls(
            name=name,
            kind=_checked(name, kind),
            definition=f"argument {tool} {argument}",
            tool=tool,
            argument=argument,
        )

    @classmethod
    def function(
        cls,
        name: str,
        rewrite: Callable[[str], str],
        *,
        version: str = "1",
    ) -> Rule:
        """Return a rule that gives the redacted text of each text.

        It must be pure, and leave what it returned unchanged when it sees it
        again. Raise `version` with each change of what it does.
        """
        where = f"{rewrite.__module__}:{getattr(rewrite, '__qualname__', name)}"
        return cls(
            name=name,
            kind="secret",
            definition=f"function {where} {version}",
            rewrite=rewrite,
        )

    def at(self, path: KeyPath) -> bool:
        """Whether the rule redacts what stands at a key path."""
        if self.place is None:
            return False
        text = "".join(f"{_SEPARATOR}{step}" for step in path)
        return self.place.fullmatch(text) is not None

    def takes(self, tool: str | None, path: KeyPath) -> bool:
        """Whether the rule redacts this argument of this tool."""
        return (
            self.argument is not None
            and tool is not None
            and self.tool in {tool, "*"}
            and bool(path)
            and path[0] == self.argument
        )


def _checked(name: str, kind: str) -> str:
    if not _KIND.fullmatch(kind):
        raise ConfigurationError(
            name,
            f"kind {kind!r} must be lower-case letters and digits, at most 24",
        )
    return kind


def _place(path: str) -> re.Pattern[str]:
    if not path.startswith("$") or path == "$":
        raise ConfigurationError(path, "a key path begins with `$` and names a key")
    pieces: list[str] = []
    at = 1
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            raise ConfigurationError(path, f"not a key path at {path[at:]!r}")
        pieces.append(_piece(step))
        at = step.end()
    below = rf"(?:{_SEPARATOR}[^{_SEPARATOR}]*)*"
    return re.compile("".join(pieces) + below)


def _piece(step: re.Match[str]) -> str:
    anything = rf"{_SEPARATOR}[^{_SEPARATOR}]*"
    key = step["below"] or step["name"] or step["index"] or step["quoted"]
    one = anything if key == "*" else _SEPARATOR + re.escape(key)
    return f"(?:{anything})*{one}" if step["deep"] else one
