"""The command `agent-replay`."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command that the process's arguments name, and exit."""
    from otel_agent_replay.cli.app import run  # noqa: PLC0415 - a quick start

    run()
