"""Immutable data: payloads, spans, calls, messages, steps, runs. No I/O."""
