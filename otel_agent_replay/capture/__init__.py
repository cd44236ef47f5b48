"""From calls to finished, redacted spans."""
