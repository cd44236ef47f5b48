"""Where native calls become `Call` and `Outcome`."""
