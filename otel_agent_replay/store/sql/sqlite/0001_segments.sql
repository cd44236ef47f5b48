-- Numbers that stand for long names in the tables below: trace ids, and scopes. A
-- scope is a run id, or `trace/` and a trace id for spans that belong to no run.
CREATE TABLE names (
    "Id" INTEGER NOT NULL PRIMARY KEY,
    "Name" TEXT NOT NULL UNIQUE
);

-- Spans and payload pieces of one scope, many together. Data is a zstd frame of
-- lines of JSON: `[` begins a span (the Collector's 22 columns in order), `"` a
-- payload piece, `@` a payload piece that lists others. RawBytes is its size before
-- compression, ContentBytes that of its pieces, RecordedBytes that of its spans with
-- their payloads inline.
CREATE TABLE segments (
    "Id" INTEGER NOT NULL PRIMARY KEY,
    "Scope" INTEGER NOT NULL,
    "Spans" INTEGER NOT NULL,
    "Contents" INTEGER NOT NULL,
    "ContentBytes" INTEGER NOT NULL,
    "RecordedBytes" INTEGER NOT NULL,
    "RawBytes" INTEGER NOT NULL,
    "Data" BLOB NOT NULL
);

CREATE INDEX segments_scope ON segments ("Scope", "Id");

-- Which spans are stored. Span is the span id, as bytes if it is one.
CREATE TABLE span_keys (
    "Trace" INTEGER NOT NULL,
    "Span" BLOB NOT NULL,
    "Scope" INTEGER NOT NULL,
    PRIMARY KEY ("Trace", "Span")
) WITHOUT ROWID;

-- Which payload pieces a scope has: the first 12 bytes of their SHA-256.
CREATE TABLE content_keys (
    "Scope" INTEGER NOT NULL,
    "Hash" BLOB NOT NULL,
    PRIMARY KEY ("Scope", "Hash")
) WITHOUT ROWID;

-- Tokens of the latest batches, so that none is stored twice.
CREATE TABLE batches (
    "Id" INTEGER NOT NULL PRIMARY KEY,
    "Token" TEXT NOT NULL UNIQUE
);

-- Running sums of the spans of one trace and run id, as JSON.
CREATE TABLE run_parts (
    "TraceId" TEXT NOT NULL,
    "RunId" TEXT NOT NULL,
    "Part" TEXT NOT NULL,
    PRIMARY KEY ("TraceId", "RunId")
);

CREATE INDEX run_parts_run ON run_parts ("RunId") WHERE "RunId" != '';

-- The run list, kept current from run_parts and marks.
CREATE TABLE runs (
    "RunId" TEXT NOT NULL PRIMARY KEY,
    "Own" INTEGER NOT NULL,
    "TraceId" TEXT NOT NULL,
    "AgentName" TEXT NOT NULL,
    "AgentVersion" TEXT,
    "User" TEXT,
    "Conversation" TEXT,
    "Status" TEXT NOT NULL,
    "Class" TEXT NOT NULL,
    "ParentRunId" TEXT,
    "Tags" TEXT NOT NULL,
    "Start" INTEGER NOT NULL,
    "End" INTEGER NOT NULL,
    "StepCount" INTEGER NOT NULL,
    "InputTokens" INTEGER NOT NULL,
    "OutputTokens" INTEGER NOT NULL,
    "CostUsd" REAL,
    "Dropped" INTEGER NOT NULL,
    "DroppedBy" TEXT NOT NULL
);

CREATE INDEX runs_start ON runs ("Start" DESC, "RunId");

CREATE INDEX runs_agent ON runs ("AgentName", "Start" DESC);

-- What people say of runs: flagged, golden.
CREATE TABLE marks (
    "RunId" TEXT NOT NULL,
    "Mark" TEXT NOT NULL,
    PRIMARY KEY ("RunId", "Mark")
) WITHOUT ROWID;

CREATE TABLE settings (
    "Name" TEXT NOT NULL PRIMARY KEY,
    "Value" TEXT NOT NULL
);
