"""The base of all errors, and wrong settings."""

from __future__ import annotations

__all__ = [
    "AgentReplayError",
    "ConfigurationError",
]


class AgentReplayError(Exception):
    """Base of every error that this package raises."""


class ConfigurationError(AgentReplayError, ValueError):
    """A setting has no meaning; the message names it and says what is allowed."""

    def __init__(self, setting: str, problem: str) -> None:
        self.setting = setting
        self.problem = problem
        super().__init__(f"{setting}: {problem}")

    def __reduce__(self) -> tuple[type[ConfigurationError], tuple[str, str]]:
        return type(self), (self.setting, self.problem)
