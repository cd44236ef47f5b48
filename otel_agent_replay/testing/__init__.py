"""Fakes and fixtures for users and for our own tests."""
