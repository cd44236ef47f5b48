"""Numbered schema migrations: which there are, and which are still to apply.

A back end keeps its files in `sql/<back end>/NNNN_name.sql`, numbered in the order
in which they apply. Statements end with `;` at the end of a line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from otel_agent_replay.errors import StoreSchemaError

__all__ = ["Migration", "migrations", "pending"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step of a schema's history."""

    version: int
    name: str
    statements: tuple[str, ...]


def migrations(back_end: str) -> tuple[Migration, ...]:
    """Return the migrations of a back end, in order."""
    folder = files("otel_agent_replay.store").joinpath("sql", back_end)
    found = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".sql")),
        key=lambda file: file.name,
    )
    return tuple(
        _migration(file.name, file.read_text(encoding="utf-8")) for file in found
    )


def pending(
    url: str, applied: int, known: Sequence[Migration]
) -> tuple[Migration, ...]:
    """Return the migrations that a store at version `applied` still needs.

    Raises:
        StoreSchemaError: The store is newer than this code.
    """
    newest = known[-1].version
    if applied > newest:
        raise StoreSchemaError(url, applied, newest)
    return tuple(each for each in known if each.version > applied)


def _migration(file_name: str, text: str) -> Migration:
    number, _, name = file_name.removesuffix(".sql").partition("_")
    lines = [line for line in text.splitlines() if not line.startswith("--")]
    statements = "\n".join(lines).split(";\n")
    return Migration(
        version=int(number),
        name=name,
        statements=tuple(
            each.strip().removesuffix(";") for each in statements if each.strip()
        ),
    )
