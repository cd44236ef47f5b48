"""Spans of other instrumentations, brought into the one normal form."""
