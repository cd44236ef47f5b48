"""One look at a plain text: which parts are secret, and what stands for them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias, TypeVar
from urllib.parse import quote

from otel_agent_replay.model.payload import dump_json
from otel_agent_replay.redact.edits import Edit, Edits, applied, difference, shifted
from otel_agent_replay.redact.failure import RedactionError
from otel_agent_replay.redact.forms import is_pseudonym, pseudonyms_in
from otel_agent_replay.redact.gates import ESCAPED, MARKED, Gates, has_long_run
from otel_agent_replay.redact.memo import Memo
from otel_agent_replay.redact.policy import Policy
from otel_agent_replay.redact.pseudonym import Pseudonymizer
from otel_agent_replay.redact.rules import Find, Found, Gate, Rule

__all__ = ["CLEAR", "Look", "Scanner"]

_T = TypeVar("_T")
Reader: TypeAlias = Callable[[str], Edits]
"""Gives the edits of a piece of text that no pseudonym and no other edit is in."""

_SCHEME: Final = re.compile(
    r"(?i)(?:(?:bearer|basic|token|digest|negotiate|api-?key)\s+)+(?=\S)",
)
_LEAST_TEXT: Final = 5
_WHOLES: Final = 1024 * 1024
_LEAST_LITERAL: Final = 6
_IN_JSON: Final = frozenset({ESCAPED, MARKED})


class Look(NamedTuple):
    """What one look at a text tells.

    Attributes:
        places: Where in its UTF-8 something may be; in no order.
        rules: Numbers of the rules that may find something; `ESCAPED` if more may be
            in it as JSON, where letters and signs are written as something else,
            `MARKED` if a text in it may say what another one is.
    """

    places: Sequence[int]
    rules: AbstractSet[int]

    @property
    def marked(self) -> bool:
        """Whether a text may say what another one is, in how JSON writes both."""
        return not self.rules.isdisjoint(_IN_JSON)


CLEAR: Final = Look((), frozenset())
"""What a look tells of a text in which nothing is."""


class Scanner:
    """Finds and replaces secrets in plain text, without the memo and in one pass.

    `redact` is asked for texts inside the text: what is percent-encoded in a URL.
    """

    def __init__(
        self,
        policy: Policy,
        pseudonyms: Pseudonymizer,
        literals: frozenset[str],
        redact: Callable[[str], str],
    ) -> None:
        self._pseudonyms = pseudonyms
        self._redact = redact
        self._wholes: Memo[str] = Memo(_WHOLES)
        self._clear: Memo[bool] = Memo(_WHOLES)
        """Texts in which nothing is found."""
        self._allow = policy.allow
        self._allow_patterns = tuple(re.compile(p) for p in policy.allow_patterns)
        known = sorted(x for x in literals if len(x) >= _LEAST_LITERAL)
        self._literals = tuple(sorted(known, key=len, reverse=True))
        self._rules = tuple(
            rule
            for rule in policy.rules
            if rule.find is not None or rule.rewrite is not None
        )
        self._known_raw = tuple(each.encode() for each in self._literals)
        self._ungated = frozenset(
            number for number, rule in enumerate(self._rules) if rule.gate is None
        )
        self._in_runs = frozenset(
            number
            for number, rule in enumerate(self._rules)
            if rule.gate is not None and rule.gate.runs
        )
        self._gates = _gates_of(tuple(rule.gate for rule in self._rules))

    def edits(
        self, text: str, first: Find | None = None, look: Look | None = None
    ) -> Edits:
        """Return the edits of one pass over a text; `first` looks before the rules.

        `look` is what a look at the text has told, if there was one.

        Raises:
            RedactionError: A rule failed.
        """
        if first is None and self._clear.get(text) is not None:
            return ()
        found = self._pass(text, self._known(text), first, look=look)
        if not found and first is None:
            self._clear.put(text, True)  # noqa: FBT003 - that it is there says it
        return found

    @property
    def by_gates(self) -> bool:
        """Whether what `look` does not see holds nothing, also in JSON text."""
        return not self._ungated and all(
            dump_json(literal) == f'"{literal}"' for literal in self._literals
        )

    def look(self, text: str) -> Look:
        """Look at a text, which may be JSON."""
        raw = _utf8(text)
        hits = self._gates.hits(raw)
        known = self._known_raw
        if not hits and not (known and any(literal in raw for literal in known)):
            return CLEAR
        rules: set[int] = set()
        places: list[int] = []
        for at, rule in hits:
            rules.add(rule)
            if rule >= 0:
                places.append(at)
        for literal in known:
            at = raw.find(literal)
            while at >= 0:
                places.append(at)
                at = raw.find(literal, at + 1)
        return Look(places, rules)

    def is_clear(self, text: str) -> bool:
        """Whether a look at a text finds nothing."""
        if self._gates.hits(text.encode("utf-8", "surrogatepass")):
            return False
        return not self._literals or not self._known(text)

    def _known(self, text: str) -> list[str]:
        return [literal for literal in self._literals if literal in text]

    def _pass(
        self,
        text: str,
        known: Sequence[str],
        first: Find | None,
        *,
        by_name: bool = True,
        look: Look | None = None,
    ) -> Edits:
        numbers = self._candidates(text, look, by_name=by_name)
        if not numbers and not known and first is None:
            return ()
        readers: list[Reader] = [self._literal(literal) for literal in known]
        if first is not None:
            readers.append(self._reader("the form", first))
        before = len(readers)
        readers += [self._rule(self._rules[number]) for number in numbers]
        # Most texts hold nothing; only one that does is searched for pseudonyms.
        each = ((n, edits) for n, read in enumerate(readers) if (edits := read(text)))
        waiting, found = next(each, (len(readers), ()))
        if not found:
            return ()
        if has_long_run(text):
            # A piece may begin in the middle of what was one word.
            done = numbers[waiting - before] if waiting >= before else 0
            numbers = self._more_candidates(numbers, done, by_name=by_name)
            readers[max(waiting, before) :] = [
                self._rule(self._rules[number]) for number in numbers
            ]
        made: list[Edit] = []
        held = [*pseudonyms_in(text)]
        pieces = _between(held, 0, len(text))
        if not held:
            pieces = _taken(text, pieces[0], found, made)
            waiting += 1
        for reader in readers[waiting:]:
            pieces = _cut(text, pieces, reader, made)
        return tuple(sorted(made))

    def _candidates(self, text: str, look: Look | None, *, by_name: bool) -> list[int]:
        """Return the rules whose gate the text passes, by number, in order."""
        numbers = set(self._ungated)
        if look is not None:
            numbers |= look.rules
        elif len(text) >= _LEAST_TEXT:
            numbers.update(hit.rule for hit in self._gates.hits(_utf8(text)))
        numbers -= {ESCAPED, MARKED}
        return sorted(n for n in numbers if by_name or not self._rules[n].by_name)

    def _more_candidates(
        self, numbers: Sequence[int], done: int, *, by_name: bool
    ) -> list[int]:
        """Return the rules from one on that may find something in a piece."""
        wanted = {*numbers, *self._in_runs}
        return [
            number
            for number in range(done, len(self._rules))
            if number in wanted and (by_name or not self._rules[number].by_name)
        ]

    def _rule(self, rule: Rule) -> Reader:
        if rule.rewrite is not None:
            return _rewriter(rule.name, rule.rewrite)
        return self._reader(rule.name, rule.find or _nothing)

    def _literal(self, literal: str) -> Reader:
        """Return a reader of a known value; a pattern that fits it decides its kind."""
        known = self._fitting(literal, "secret", ())
        pattern = re.compile(re.escape(literal))
        return lambda piece: tuple(
            Edit(match.start(), match.end(), known) for match in pattern.finditer(piece)
        )

    def _reader(self, name: str, find: Find) -> Reader:
        def read(piece: str) -> Edits:
            edits: list[Edit] = []
            end = 0
            for found in sorted(_guarded(name, lambda text: list(find(text)), piece)):
                if found.start < end:
                    continue
                text = self._replacement(found, piece[found.start : found.end])
                if text is not None:
                    edits.append(Edit(found.start, found.end, text))
                    end = found.end
            return tuple(edits)

        return read

    def _replacement(self, found: Found, raw: str) -> str | None:
        """Return what stands for a found secret; None to let other rules look."""
        if not found.kind:
            text = self._redact(found.value)
            return None if text == found.value else _coded(text, found.coding)
        if self.kept(found.value):
            return raw
        if found.named:
            text = self.whole(found.value, found.kind)
        else:
            text = self._pseudonyms(found.kind, found.value)
        return raw if text == found.value else _coded(text, found.coding)

    def kept(self, value: str) -> bool:
        """Whether a value is a pseudonym already, or allowed."""
        return is_pseudonym(value) or self.allowed(value)

    def allowed(self, value: str) -> bool:
        """Whether an allow list keeps this value from being redacted."""
        return value in self._allow or any(
            pattern.fullmatch(value) for pattern in self._allow_patterns
        )

    def whole(self, value: str, kind: str) -> str:
        """Return what stands for a value that is secret as a whole.

        A pattern that fits all of it decides, so that a value has one pseudonym
        wherever it stands; a scheme word such as `Bearer` stays.
        """
        if self.allowed(value):
            return value
        name = f"{kind}\0{value}"
        made = self._wholes.get(name)
        if made is None:
            scheme = _SCHEME.match(value)
            word = scheme.group() if scheme is not None else ""
            made = word + self._fitting(value[len(word) :], kind, self._known(value))
            self._wholes.put(name, made)
        return made

    def _fitting(self, value: str, kind: str, known: Sequence[str]) -> str:
        made = self._pass(value, known, None, by_name=False)
        text = applied(value, made)
        return text if is_pseudonym(text.strip()) else self._pseudonyms(kind, value)


@lru_cache(maxsize=4)
def _gates_of(gates: tuple[Gate | None, ...]) -> Gates:
    """Return the gates of rules by their numbers: each session needs the same ones."""
    return Gates({number: each for number, each in enumerate(gates) if each})


def _cut(
    text: str,
    pieces: Sequence[tuple[int, int]],
    read: Reader,
    made: list[Edit],
) -> list[tuple[int, int]]:
    """Add what is found in the pieces to `made`; return what is left of them."""
    left: list[tuple[int, int]] = []
    for piece in pieces:
        start, end = piece
        whole = end - start == len(text)
        edits = read(text if whole else text[start:end])
        if edits:
            left += _taken(text, piece, shifted(edits, start), made)
        else:
            left.append(piece)
    return left


def _taken(
    text: str, piece: tuple[int, int], edits: Edits, made: list[Edit]
) -> list[tuple[int, int]]:
    """Add what was found in a piece to `made`; return what is left of it."""
    made += [e for e in edits if text[e.start : e.end] != e.text]
    return _between(((e.start, e.end) for e in edits), *piece)


def _rewriter(name: str, rewrite: Callable[[str], str]) -> Reader:
    def read(piece: str) -> Edits:
        text = _guarded(name, rewrite, piece)
        if not isinstance(text, str):
            raise RedactionError(f"Rule {name}", "it gave no text")
        return difference(piece, text)

    return read


def _guarded(name: str, function: Callable[[str], _T], piece: str) -> _T:
    try:
        return function(piece)
    except RedactionError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a rule raises drops the text
        problem = f"it raised {type(error).__name__}"
        raise RedactionError(f"Rule {name}", problem) from None


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _nothing(_: str) -> tuple[Found, ...]:
    return ()


def _coded(text: str, coding: str) -> str:
    if coding == "query":
        return quote(text, safe="")
    if coding == "json":
        return dump_json(text)[1:-1]
    return text


def _between(
    spans: Iterable[tuple[int, int]],
    start: int,
    end: int,
) -> list[tuple[int, int]]:
    """Return what the spans leave of a stretch of text."""
    left: list[tuple[int, int]] = []
    for span_start, span_end in spans:
        if span_start > start:
            left.append((start, span_start))
        start = max(start, span_end)
    if start < end:
        left.append((start, end))
    return left
