"""Redaction: rules, policies and pseudonyms; pure functions."""
