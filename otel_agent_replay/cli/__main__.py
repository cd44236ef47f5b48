"""`python -m otel_agent_replay.cli`."""

from __future__ import annotations

from otel_agent_replay.cli import main

if __name__ == "__main__":
    main()
