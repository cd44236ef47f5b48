"""`agent-replay demo`: an incident, from its recording to its regression test."""
