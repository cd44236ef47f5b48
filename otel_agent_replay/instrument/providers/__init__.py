"""Provider codecs: wire JSON to GenAI messages and back; pure functions."""
