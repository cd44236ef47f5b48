"""Settings: keyword, else environment, else `pyproject.toml`, else default.

Every field of `Settings` can be given as a keyword of `configure()`, as an
environment variable `AGENT_REPLAY_` + its name in upper case (lists separated by
commas, or as JSON where an item has a comma), or under `[tool.agent_replay]` in the
nearest `pyproject.toml`.
"""

from __future__ import annotations

import dataclasses
import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, cast
from urllib.parse import urlsplit

from otel_agent_replay.errors import ConfigurationError

__all__ = [
    "ENVIRONMENT_PREFIX",
    "Settings",
    "as_environment",
    "environment_name",
    "environment_text",
    "load_settings",
    "upwards",
]

ENVIRONMENT_PREFIX: Final = "AGENT_REPLAY_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What can be set.

    Attributes:
        store: URL of the store.
        otlp_endpoint: Where finished, redacted spans are sent too (OTLP over HTTP,
            a base URL such as `http://127.0.0.1:4318`); None sends nothing.
        redact: `default`, or `off` to store everything as it is.
        redaction_key: Secret that pseudonyms are made with; None takes the one of
            the store, made at its first use.
        redact_patterns: Regular expressions of your own secrets.
        redact_keys: Key names or key paths (`$.customer.ssn`) whose values are
            secret.
        redact_allow: Regular expressions of what is never redacted.
        tools: Functions to record as tools: `module:function` or
            `module:function=write`.
        model_apis: URL patterns (`host/path*`) of model APIs unknown to us.
        effects: What the agent's code reads that is recorded too: `clock`, `random`,
            `environment`, `file`.
        files: Patterns of the files whose reads are recorded (`data/*.json`).
        http_allow: Hosts whose plain HTTP calls are recorded; empty means all.
        http_deny: Hosts that are never recorded.
        agent_name, agent_version: What a run without `@agent` is called.
        user, conversation: Whom and which conversation runs are for.
        prompt_name, prompt_version: The prompt in use.
        tags: Words to find runs by.
        run_class: `test` marks runs as tests; empty lets the outcome decide.
        queue_bytes: What may wait in memory to be redacted, in bytes.
        when_full: What happens when that is full: `drop_newest` drops the newest
            payloads, then steps; `block` first lets the agent wait for room, at most
            `block_ms` milliseconds a call. Both count what they drop.
        spool: Folder for what waits for the store, or `off`; by default beside the
            SQLite file, or `.agent-replay/spool` for a server.
        spool_bytes: What may wait there, in bytes; beyond, the newest is dropped.
        sample_success: How many of a hundred successful runs keep their payloads;
            failed, flagged, interrupted and test runs always do.
        sample_agents: The same for single agents: `name=percent`.
        batch_rows, batch_ms: How many spans are stored at once, and how long a span
            waits for others, in milliseconds.
        keep_success_days, keep_failed_days, keep_flagged_days, keep_test_days: How
            many days `prune` keeps runs of each class.
    """

    store: str = "sqlite:///.agent-replay/runs.db"
    otlp_endpoint: str | None = None
    redact: Literal["default", "off"] = "default"
    redaction_key: str | None = None
    redact_patterns: tuple[str, ...] = ()
    redact_keys: tuple[str, ...] = ()
    redact_allow: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    model_apis: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    http_allow: tuple[str, ...] = ()
    http_deny: tuple[str, ...] = ()
    agent_name: str | None = None
    agent_version: str | None = None
    user: str | None = None
    conversation: str | None = None
    prompt_name: str | None = None
    prompt_version: str | None = None
    tags: tuple[str, ...] = ()
    run_class: Literal["", "test", "flagged"] = ""
    queue_bytes: int = 256 * 1024 * 1024
    when_full: Literal["drop_newest", "block"] = "drop_newest"
    block_ms: int = 1000
    spool: str | None = None
    spool_bytes: int = 1024 * 1024 * 1024
    sample_success: int = 100
    sample_agents: tuple[str, ...] = ()
    batch_rows: int = 5000
    batch_ms: int = 1000
    keep_success_days: int = 7
    keep_failed_days: int = 30
    keep_flagged_days: int = 90
    keep_test_days: int = 1


_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "redact": ("default", "off"),
    "run_class": ("", "test", "flagged"),
    "when_full": ("drop_newest", "block"),
}
_PERCENT: Final = frozenset({"sample_success"})
_FIELDS: Final = {field.name: field for field in dataclasses.fields(Settings)}


def environment_name(field: str) -> str:
    """Return the environment variable of a setting."""
    return ENVIRONMENT_PREFIX + field.upper()


def as_environment(settings: Settings) -> dict[str, str]:
    """Return settings as the environment variables that stand for them.

    What is as by default is left out.
    """
    found: dict[str, str] = {}
    for name, field in _FIELDS.items():
        value = getattr(settings, name)
        if value != field.default:
            found[environment_name(name)] = environment_text(value)
    return found


def environment_text(value: str | int | tuple[str, ...]) -> str:
    """Return a setting's value as its environment variable holds it."""
    return json.JSONEncoder().encode(value) if isinstance(value, tuple) else str(value)


def load_settings(
    keywords: Mapping[str, object] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> Settings:
    """Return the settings in force.

    Args:
        keywords: Given in code; None values count as not given.
        environment: Defaults to `os.environ`.
        directory: Where the search for `pyproject.toml` starts, upwards; defaults to
            the working directory, if that is still there.

    Raises:
        ConfigurationError: A name or value has no meaning.
    """
    given = {k: v for k, v in (keywords or {}).items() if v is not None}
    values: dict[str, object] = {}
    for source, found in (
        ("[tool.agent_replay]", _from_pyproject(directory or Path())),
        ("environment", _from_environment(environment)),
        ("configure()", given),
    ):
        for name, value in found.items():
            values[name] = _checked(name, value, source)
    # The fields have been checked one by one against their declared types.
    return Settings(**values)  # type: ignore[arg-type]


def _from_environment(environment: Mapping[str, str] | None) -> dict[str, object]:
    found = os.environ if environment is None else environment
    texts = {name: found.get(environment_name(name), "").strip() for name in _FIELDS}
    return {name: text for name, text in texts.items() if text}


def upwards(directory: Path) -> tuple[Path, ...]:
    """Return a folder and those above; none if it is relative to one that is gone."""
    try:
        start = directory.absolute()
    except FileNotFoundError:
        return ()
    return (start, *start.parents)


def _from_pyproject(directory: Path) -> dict[str, object]:
    for folder in upwards(directory):
        path = folder / "pyproject.toml"
        if path.is_file():
            return _read_pyproject(path)
    return {}


def _read_pyproject(path: Path) -> dict[str, object]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(str(path), f"cannot be read: {error}") from error
    tool = document.get("tool", {})
    table = tool.get("agent_replay", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise ConfigurationError("[tool.agent_replay]", "is no table")
    return cast("dict[str, object]", table)


def _checked(name: str, value: object, source: str) -> object:
    setting = f"{name} ({source})"
    if name not in _FIELDS:
        known = ", ".join(sorted(_FIELDS))
        raise ConfigurationError(setting, f"is no setting; there are: {known}")
    default = _FIELDS[name].default
    if isinstance(default, tuple):
        return _words(setting, value)
    if isinstance(default, int):
        return _percent(setting, value) if name in _PERCENT else _whole(setting, value)
    if isinstance(value, os.PathLike) and name == "store":
        value = os.fspath(value)
    if not isinstance(value, str):
        raise ConfigurationError(setting, "must be text")
    if name in _CHOICES and value not in _CHOICES[name]:
        allowed = ", ".join(repr(word) for word in _CHOICES[name])
        raise ConfigurationError(setting, f"{value!r} is not one of {allowed}")
    if name == "otlp_endpoint":
        _check_address(setting, value)
    return value


def _check_address(setting: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname)
        good = good and parts.port != 0
    except ValueError:  # such as a port that is no number
        good = False
    if not good:
        problem = "must be the base address of an OTLP/HTTP receiver, http://host:4318"
        raise ConfigurationError(setting, problem)


def _words(setting: str, value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = _listed(value) or [word.strip() for word in value.split(",")]
    if isinstance(value, list | tuple) and all(isinstance(v, str) for v in value):
        return tuple(word for word in value if word)
    raise ConfigurationError(setting, "must be a list of texts")


def _listed(text: str) -> list[str] | None:
    """Return the list of a JSON text, None if it is none of texts."""
    if not text.lstrip().startswith("["):
        return None
    try:
        found = json.loads(text)
    except ValueError:  # a regular expression may start so too
        return None
    return found if all(isinstance(word, str) for word in found) else None


def _percent(setting: str, value: object) -> int:
    number = _number(value)
    if number is None or not 0 <= number <= 100:  # noqa: PLR2004 - per cent
        raise ConfigurationError(setting, f"{value!r} is no whole number from 0 to 100")
    return number


def _whole(setting: str, value: object) -> int:
    number = _number(value)
    if number is None or number < 1:
        raise ConfigurationError(setting, f"{value!r} is no whole number above 0")
    return number


def _number(value: object) -> int | None:
    text = str(value) if isinstance(value, int | str) else ""
    try:
        return int(text)
    except ValueError:
        return None
