"""The ClickHouse store's tables: their statements, for one server or a cluster."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from otel_agent_replay.model.run import Retention
from otel_agent_replay.store.migrate import Migration, migrations

__all__ = [
    "CONTENTS",
    "INTENTIONS",
    "KNOWN",
    "LOCAL",
    "MADE",
    "MARKS",
    "MIGRATIONS",
    "PARTS",
    "RUNS",
    "SETTINGS",
    "SPANS",
    "STATES",
    "STEPS",
    "SUMMING",
    "WINDOW",
    "adapt",
    "backfill",
    "ddl",
    "expiry",
    "kept_days",
    "kept_until",
    "migrations_table",
    "statements",
    "text_index_statement",
]

KNOWN: Final = migrations("clickhouse")
SPANS: Final = "otel_traces"
CONTENTS: Final = "agent_replay_contents"
RUNS: Final = "agent_replay_runs"
MARKS: Final = "agent_replay_marks"
INTENTIONS: Final = "agent_replay_intentions"
SETTINGS: Final = "agent_replay_settings"
STATES: Final = "agent_replay_states"
SUMMING: Final = "agent_replay_runs_mv"
"""The view that adds spans up into `RUNS` as they come."""
MIGRATIONS: Final = "agent_replay_migrations"
LOCAL: Final = "_local"
"""What the name of a table ends in that holds one shard's rows."""

WINDOW: Final = 10_000
"""How many inserts a table remembers the tokens of."""

_WINDOW_SETTING: Final = "non_replicated_deduplication_window"
# By default an hour; a spool may wait for a weekend.
_REPLICATED_WINDOW: Final = (
    f"replicated_deduplication_window = {WINDOW},"
    " replicated_deduplication_window_seconds = 604800"
)
_STEPS_VIEW: Final = "VIEW IF NOT EXISTS agent_replay_steps"
_RUNS_VIEW: Final = f"VIEW IF NOT EXISTS {SUMMING}"
_SHARDED: Final = {
    SPANS: "cityHash64(TraceId)",
    CONTENTS: "cityHash64(Scope)",
    RUNS: "cityHash64(TraceId)",
    STATES: "cityHash64(Thread)",
}
_MIGRATIONS_TABLE: Final = f"""CREATE TABLE IF NOT EXISTS {MIGRATIONS} (
    Version UInt32,
    Name String,
    AppliedAt DateTime DEFAULT now()
) ENGINE = ReplacingMergeTree
ORDER BY Version"""
# Contents are written before the spans that name them, and go after them.
_LATER_DAYS: Final = {SPANS: 1, CONTENTS: 2, INTENTIONS: 1}
_CAME: Final = {INTENTIONS: "toDate(WrittenAt)"}
"""The day that a row came on, where the table tells it."""


MADE: Final = {
    name: known.version
    for known in KNOWN
    for text in known.statements
    for name in re.findall(r"^CREATE (?:[A-Z]+ )+IF NOT EXISTS (\w+)", text)
}
"""Our tables and views, and the schema versions that brought them."""


def _body(view: str) -> str:
    """Return the SELECT of a view."""
    texts = [each for known in KNOWN for each in known.statements if view in each]
    return texts[0].partition(" AS\n")[2]


STEPS: Final = _body(_STEPS_VIEW)
"""The query for what each span adds to its run, for a database without our views."""

PARTS: Final = _body(_RUNS_VIEW)
"""The query that adds steps up, with `{steps}` for where they come from."""


def statements(migration: Migration, *, cluster: str | None = None) -> Iterator[str]:
    """Yield the statements of a migration, written for one server or a cluster."""
    for text in migration.statements:
        yield from _placed(text.replace("{steps}", STEPS), cluster)


def adapt(*, cluster: str | None = None) -> Iterator[str]:
    """Yield what an `otel_traces` of our own gets besides the Collector's columns."""
    alter = f"ALTER TABLE {_rows_of(SPANS, cluster)}"
    window = _REPLICATED_WINDOW if cluster else f"{_WINDOW_SETTING} = {WINDOW}"
    yield f"{alter} MODIFY SETTING {window}"
    yield (
        f"{alter} MODIFY COLUMN SpanAttributes"
        " Map(LowCardinality(String), String) CODEC(ZSTD(3))"
    )


def expiry(table: str, days: int, *, cluster: str | None = None) -> Iterator[str]:
    """Yield what has the server itself drop rows, so many days after they came.

    All rows that came on a day go at once, so whole parts are dropped.
    """
    alter = f"ALTER TABLE {_rows_of(table, cluster)}"
    column = f"COLUMN {{}} KeepUntil Date DEFAULT {kept_until(table, days)}"
    yield f"{alter} ADD {column.format('IF NOT EXISTS')} CODEC(ZSTD(1))"
    yield f"{alter} MODIFY {column.format('')}"
    if cluster and table in _SHARDED:
        # The table of all shards gives a row what it leaves out, and is read too.
        spread = f"ALTER TABLE {table} ON CLUSTER '{cluster}'"
        yield f"{spread} ADD {column.format('IF NOT EXISTS')}"
        yield f"{spread} MODIFY {column.format('')}"
    yield f"{alter} MODIFY TTL KeepUntil"


def kept_until(table: str, days: int) -> str:
    """Return the expression of the day on which a row is dropped."""
    return f"{_CAME.get(table, 'today()')} + {days + _LATER_DAYS[table]}"


def kept_days(contents: str) -> int | None:
    """Return the days after which the server drops rows; None if it drops none.

    Args:
        contents: The statement that makes the table of contents.
    """
    found = re.search(r"`KeepUntil` Date DEFAULT today\(\) \+ (\d+)", contents)
    return int(found[1]) - _LATER_DAYS[CONTENTS] if found else None


def backfill(*, cluster: str | None = None) -> str:
    """Return what adds up the spans that were stored before there was a summary."""
    end = LOCAL if cluster else ""
    steps = STEPS.replace(f"FROM {SPANS}", f"FROM {SPANS}{end}")
    return f"INSERT INTO {RUNS}{end}\n{PARTS.replace('{steps}', steps)}"


def ddl(
    *,
    cluster: str | None = None,
    text_index: bool = False,
    keep_days: int | None = None,
) -> str:
    """Return the SQL that `init` runs on an empty database, to be run there by hand."""
    texts = [*migrations_table(cluster=cluster)]
    for migration in KNOWN:
        texts += statements(migration, cluster=cluster)
    texts += adapt(cluster=cluster)
    for table in _LATER_DAYS:
        texts += expiry(table, keep_days or Retention().flagged, cluster=cluster)
    if text_index:
        texts.append(text_index_statement(cluster=cluster))
    rows = ", ".join(f"({each.version}, '{each.name}')" for each in KNOWN)
    texts.append(f"INSERT INTO {MIGRATIONS} (Version, Name) VALUES {rows}")  # noqa: S608 - our own
    return "".join(f"{text};\n\n" for text in texts)


def text_index_statement(*, cluster: str | None = None) -> str:
    """Return what adds the index that finds a text in payloads without reading all."""
    return (
        f"ALTER TABLE {_rows_of(CONTENTS, cluster)} ADD INDEX IF NOT EXISTS idx_text lowerUTF8(Content)"
        " TYPE text(tokenizer = ngrams(3))"
    )


def migrations_table(*, cluster: str | None = None) -> Sequence[str]:
    """Return what makes the table that says which migrations were applied."""
    return [*_placed(_MIGRATIONS_TABLE, cluster)]


def _rows_of(table: str, cluster: str | None) -> str:
    if not cluster:
        return table
    return f"{table}{LOCAL if table in _SHARDED else ''} ON CLUSTER '{cluster}'"


def _placed(text: str, cluster: str | None) -> Iterator[str]:
    yield from _clustered(text, cluster) if cluster else (text,)


def _clustered(text: str, cluster: str) -> Iterator[str]:
    """Yield a statement for every server of a cluster: a shard's rows, and all rows."""
    on = f"ON CLUSTER '{cluster}'"
    made = re.match(r"(CREATE TABLE IF NOT EXISTS|ALTER TABLE) (\w+)", text)
    if not made:
        yield _clustered_view(text, on)
        return
    name = made[2]
    sharded = name in _SHARDED
    local = f"{name}{LOCAL}" if sharded else name
    shard = "{shard}" if sharded else "all"
    path = (
        f"'/clickhouse/tables/{{database}}/{{table}}/{shard}', '{{shard}}-{{replica}}'"
    )
    text = text.replace(made[0], f"{made[1]} {local} {on}", 1)
    text = re.sub(r"ENGINE = (\w+?)\(", rf"ENGINE = Replicated\1({path}, ", text)
    text = re.sub(
        r"ENGINE = (\w+)$", rf"ENGINE = Replicated\1({path})", text, flags=re.MULTILINE
    )
    text = re.sub(rf"{_WINDOW_SETTING} = \d+", _REPLICATED_WINDOW, text)
    yield text
    if made[1] == "ALTER TABLE":
        if "COLUMN" in text:
            yield text.replace(local, name, 1).partition(" CODEC")[0]
    elif sharded:
        yield (
            f"CREATE TABLE IF NOT EXISTS {name} {on} AS {local}\n"
            f"ENGINE = Distributed('{cluster}', currentDatabase(), {local},"
            f" {_SHARDED[name]})"
        )


def _clustered_view(text: str, on: str) -> str:
    text = re.sub(r"(VIEW IF NOT EXISTS \w+)", rf"\1 {on}", text, count=1)
    if SUMMING in text:
        text = text.replace(f"TO {RUNS}\n", f"TO {RUNS}{LOCAL}\n")
        return text.replace(f"FROM {SPANS}", f"FROM {SPANS}{LOCAL}")
    return re.sub(r"\bIN \(\s*SELECT", "GLOBAL IN (SELECT", text)
