-- Every statement must be harmless when it runs twice: processes may open a new
-- database at the same time, and ClickHouse has no transaction around them.
--
-- The Collector's table, column by column, so that a Collector can insert into it.
-- Our own: sorted by trace, which compresses repeated payloads best, and replaced
-- by (trace, time, span), so that a batch sent twice shrinks to one when parts merge.
-- A table that a Collector made already stays as it is.
CREATE TABLE IF NOT EXISTS otel_traces (
    Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    ParentSpanId String CODEC(ZSTD(1)),
    TraceState String CODEC(ZSTD(1)),
    SpanName LowCardinality(String) CODEC(ZSTD(1)),
    SpanKind LowCardinality(String) CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeName String CODEC(ZSTD(1)),
    ScopeVersion String CODEC(ZSTD(1)),
    SpanAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    Duration UInt64 CODEC(ZSTD(1)),
    StatusCode LowCardinality(String) CODEC(ZSTD(1)),
    StatusMessage String CODEC(ZSTD(1)),
    Events Nested (
        Timestamp DateTime64(9),
        Name LowCardinality(String),
        Attributes Map(LowCardinality(String), String)
    ) CODEC(ZSTD(3)),
    Links Nested (
        TraceId String,
        SpanId String,
        TraceState String,
        Attributes Map(LowCardinality(String), String)
    ) CODEC(ZSTD(1)),
    RunId String MATERIALIZED SpanAttributes['agent_replay.run.id'] CODEC(ZSTD(1)),
    INDEX idx_run_id RunId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_service ServiceName TYPE set(100) GRANULARITY 4
) ENGINE = ReplacingMergeTree
PARTITION BY toDate(Timestamp)
PRIMARY KEY (TraceId, Timestamp)
ORDER BY (TraceId, Timestamp, SpanId)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 1000;

-- Payload pieces, each once a scope: a run id, or `trace/` and a trace id. Recipe:
-- the piece lists other pieces. Retention drops whole days of them.
CREATE TABLE IF NOT EXISTS agent_replay_contents (
    Scope String CODEC(ZSTD(1)),
    Hash FixedString(32) CODEC(NONE),
    Content String CODEC(ZSTD(3)),
    Recipe Bool CODEC(ZSTD(1)),
    WrittenAt DateTime DEFAULT now() CODEC(Delta(4), ZSTD(1))
) ENGINE = ReplacingMergeTree
PARTITION BY toDate(WrittenAt)
ORDER BY (Scope, Hash)
SETTINGS index_granularity = 256, non_replicated_deduplication_window = 1000;

-- A setting is inserted under a deduplication token of its name, so the first
-- insert wins and any later one is dropped.
CREATE TABLE IF NOT EXISTS agent_replay_settings (
    Name String,
    Value String,
    WrittenAt DateTime64(9) DEFAULT now64(9)
) ENGINE = MergeTree
ORDER BY Name
SETTINGS non_replicated_deduplication_window = 10000;
