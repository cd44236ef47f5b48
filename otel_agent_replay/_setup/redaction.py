"""The redactor that settings, a store's key and a run's policy ask for."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from otel_agent_replay.config import Settings
from otel_agent_replay.model.run import PolicyId, Run
from otel_agent_replay.redact import Policy, Redactor, Rule
from otel_agent_replay.store.base import Store

__all__ = [
    "KEY_SETTING",
    "key_of_store",
    "known_key_of_store",
    "policy_of",
    "redactor_for",
    "redactor_of_run",
    "use_policy",
]

KEY_SETTING: Final = "redaction_key"
"""Where a store keeps the key of its pseudonyms."""
_SECRET_NAMES: Final = ("_KEY", "_TOKEN", "_SECRET", "_PASSWORD")
_SHORTEST_SECRET: Final = 12
_ARGUMENT: Final = re.compile(r"(?P<tool>[\w.*-]+)\((?P<argument>\w+)\)")

_own_policy: Policy | None = None


def policy_of(settings: Settings) -> Policy:
    """Return the policy that the settings describe."""
    if settings.redact == "off":
        return Policy.off()
    rules = [
        *(
            Rule.regex(f"pattern {n}", p)
            for n, p in enumerate(settings.redact_patterns)
        ),
        *(_key_rule(text) for text in settings.redact_keys),
    ]
    base = _own_policy or Policy.default()
    return base.extended(rules, allow_patterns=settings.redact_allow)


def _key_rule(text: str) -> Rule:
    """Return the rule for `$.key.path`, `tool(argument)`, or a key's name anywhere."""
    argument = _ARGUMENT.fullmatch(text)
    if argument is not None:
        return Rule.tool_argument(argument["tool"], argument["argument"])
    return Rule.path(text if text.startswith("$") else f"$..{text}")


def use_policy(policy: Policy | None) -> None:
    """Put a policy in the place of the default one; settings still add to it."""
    global _own_policy  # noqa: PLW0603 - the one policy of the process
    _own_policy = policy


def key_of_store(store: Store) -> bytes:
    """Return the store's own key, made at its first use."""
    return store.set_setting_once(KEY_SETTING, secrets.token_hex(32)).encode()


def known_key_of_store(store: Store) -> bytes | None:
    """Return the store's own key, None if nothing was ever redacted for it."""
    key = store.setting(KEY_SETTING)
    return None if key is None else key.encode()


def redactor_for(settings: Settings, key: bytes) -> Redactor:
    """Return the redactor of a recording made under these settings."""
    own = settings.redaction_key
    return Redactor(
        policy_of(settings),
        own.encode() if own else key,
        literals=secret_values(os.environ),
    )


def redactor_of_run(run: Run, settings: Settings) -> tuple[Redactor, tuple[str, ...]]:
    """Return the redactor that a run was recorded with, as far as it can be had.

    The second value says what could not be had.
    """
    if run.policy is None or run.policy.name == Policy.off().identity.name:
        return Redactor(Policy.off(), b""), ()
    notes: list[str] = []
    key = run.source.pseudonym_key if run.source else None
    if key is None and settings.redaction_key is None:
        notes.append(
            "The key of this recording's pseudonyms is not known here: secrets that "
            "your code holds itself will not match. Set redaction_key to it.",
        )
    # How this process records does not count: the run's own values are redacted.
    settings = replace(settings, redact="default")
    policy = policy_of(settings)
    if _differs(policy.identity, run.policy):
        notes.append(
            f"Recorded under redaction policy {run.policy.name} {run.policy.version}, "
            f"replayed under {policy.identity.name} {policy.identity.version}: values "
            "that only one of them redacts will differ.",
        )
    return redactor_for(settings, key or b""), tuple(notes)


def _differs(now: PolicyId, then: PolicyId) -> bool:
    return (now.name, now.version) != (then.name, then.version)


def secret_values(environment: Mapping[str, str]) -> frozenset[str]:
    """Return the values of variables that are named like secrets."""
    return frozenset(
        value
        for name, value in environment.items()
        if name.upper().endswith(_SECRET_NAMES)
        and not name.startswith("AGENT_REPLAY_")
        and len(value) >= _SHORTEST_SECRET
    )
