"""Settings of a launched program, as environment variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from otel_agent_replay._setup.checking import check
from otel_agent_replay._setup.launch import absolute_store_url
from otel_agent_replay.config import environment_name, environment_text, load_settings

__all__ = ["environment_of", "settings_with"]


def settings_with(
    given: Mapping[str, str | Sequence[str] | None],
) -> dict[str, str | tuple[str, ...]]:
    """Return the settings that a command line gives, the store always among them.

    Lists add to what environment and `pyproject.toml` say; anything else replaces it.
    The store's address holds in every directory, as programs change theirs.

    Raises:
        ConfigurationError: A setting has no meaning.
    """
    configured = load_settings()
    found: dict[str, str | tuple[str, ...]] = {}
    for name, value in given.items():
        if isinstance(value, str):
            found[name] = value
        elif value:
            found[name] = tuple(dict.fromkeys((*getattr(configured, name), *value)))
    known = load_settings(found)
    check(known)
    return {**found, "store": absolute_store_url(known.store)}


def environment_of(settings: Mapping[str, str | tuple[str, ...]]) -> dict[str, str]:
    """Return settings as environment variables."""
    return {
        environment_name(name): environment_text(value)
        for name, value in settings.items()
    }
