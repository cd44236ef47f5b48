"""Stores of spans: SQLite and ClickHouse behind one contract."""
