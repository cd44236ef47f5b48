"""A `Policy` is a named, versioned set of rules."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from otel_agent_replay.errors import ConfigurationError
from otel_agent_replay.model.payload import JsonObject, canonical_json, content_hash
from otel_agent_replay.model.run import PolicyId
from otel_agent_replay.redact.named import NAMED_RULES
from otel_agent_replay.redact.personal import PERSONAL_RULES
from otel_agent_replay.redact.rules import Rule
from otel_agent_replay.redact.shapes import PRIVATE_KEY_RULE, SHAPE_RULES
from otel_agent_replay.redact.urls import URL_RULE

__all__ = ["DEFAULT_RULES", "Policy"]

DEFAULT_RULES: Final[tuple[Rule, ...]] = (
    PRIVATE_KEY_RULE,
    URL_RULE,
    *NAMED_RULES,
    *SHAPE_RULES,
    *PERSONAL_RULES,
)
"""The built-in rules, in the order in which they are tried."""

_ALGORITHM: Final = "2"
"""Raised with each change of the code that patterns and names do not show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What is redacted.

    Attributes:
        name: What the run says it was redacted by.
        version: Yours to raise; the identity's version is made of it and the rules.
        rules: Tried in order on each text; the first to find something wins.
        allow: Values that are never redacted, as they stand.
        allow_patterns: Regular expressions of whole values never redacted.
        secret_names: Whether names of keys, parameters and headers say what is
            secret (`password`, `api_key`, …).
        enabled: False redacts nothing at all.
    """

    name: str
    version: str = "1"
    rules: tuple[Rule, ...] = ()
    allow: frozenset[str] = frozenset()
    allow_patterns: tuple[str, ...] = ()
    secret_names: bool = True
    enabled: bool = True

    def __post_init__(self) -> None:
        for pattern in self.allow_patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ConfigurationError(
                    "allow_patterns",
                    f"{pattern!r} is not a regular expression: {error}",
                ) from error

    @classmethod
    def default(cls) -> Policy:
        """Return the policy that is in force unless another is given."""
        return cls(name="default", rules=DEFAULT_RULES)

    @classmethod
    def off(cls) -> Policy:
        """Return the policy that redacts nothing."""
        return cls(name="off", secret_names=False, enabled=False)

    def extended(
        self,
        rules: Iterable[Rule] = (),
        *,
        allow: Iterable[str] = (),
        allow_patterns: Iterable[str] = (),
        name: str | None = None,
    ) -> Policy:
        """Return this policy with more rules, tried before its own, and allow lists."""
        return replace(
            self,
            name=name or self.name,
            rules=(*rules, *self.rules),
            allow=self.allow | frozenset(allow),
            allow_patterns=(*self.allow_patterns, *allow_patterns),
        )

    @property
    def identity(self) -> PolicyId:
        """Name and version; the version changes when anything in the policy does."""
        if not self.enabled:
            return PolicyId(name=self.name, version="0")
        content: JsonObject = {
            "algorithm": _ALGORITHM,
            "rules": [[rule.name, rule.kind, rule.definition] for rule in self.rules],
            "allow": [*sorted(self.allow)],
            "allow_patterns": [*self.allow_patterns],
            "secret_names": self.secret_names,
        }
        version = f"{self.version}-{content_hash(canonical_json(content))[:12]}"
        return PolicyId(name=self.name, version=version)
