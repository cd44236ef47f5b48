-- Spans: the Collector's 22 columns. Maps and lists are JSON text, times are
-- nanoseconds. RunId repeats the attribute agent_replay.run.id, '' if there is none.
CREATE TABLE spans (
    "Timestamp" INTEGER NOT NULL,
    "TraceId" TEXT NOT NULL,
    "SpanId" TEXT NOT NULL,
    "ParentSpanId" TEXT NOT NULL,
    "TraceState" TEXT NOT NULL,
    "SpanName" TEXT NOT NULL,
    "SpanKind" TEXT NOT NULL,
    "ServiceName" TEXT NOT NULL,
    "ResourceAttributes" TEXT NOT NULL,
    "ScopeName" TEXT NOT NULL,
    "ScopeVersion" TEXT NOT NULL,
    "SpanAttributes" TEXT NOT NULL,
    "Duration" INTEGER NOT NULL,
    "StatusCode" TEXT NOT NULL,
    "StatusMessage" TEXT NOT NULL,
    "Events.Timestamp" TEXT NOT NULL,
    "Events.Name" TEXT NOT NULL,
    "Events.Attributes" TEXT NOT NULL,
    "Links.TraceId" TEXT NOT NULL,
    "Links.SpanId" TEXT NOT NULL,
    "Links.TraceState" TEXT NOT NULL,
    "Links.Attributes" TEXT NOT NULL,
    "RunId" TEXT NOT NULL,
    PRIMARY KEY ("TraceId", "SpanId")
);

CREATE INDEX spans_run ON spans ("RunId", "TraceId") WHERE "RunId" != '';

-- Payload pieces, each once a scope (a run, or `trace/` and a trace id). Recipe: the
-- piece lists other pieces.
CREATE TABLE contents (
    "Scope" TEXT NOT NULL,
    "Hash" BLOB NOT NULL,
    "Content" TEXT NOT NULL,
    "Recipe" INTEGER NOT NULL,
    PRIMARY KEY ("Scope", "Hash")
);

-- Running sums of the spans of one trace and run id, as JSON.
CREATE TABLE run_parts (
    "TraceId" TEXT NOT NULL,
    "RunId" TEXT NOT NULL,
    "Part" TEXT NOT NULL,
    PRIMARY KEY ("TraceId", "RunId")
);

CREATE INDEX run_parts_run ON run_parts ("RunId") WHERE "RunId" != '';

-- The run list, kept current from run_parts.
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
    "Dropped" INTEGER NOT NULL
);

CREATE INDEX runs_start ON runs ("Start" DESC, "RunId");

CREATE INDEX runs_agent ON runs ("AgentName", "Start" DESC);

CREATE TABLE settings (
    "Name" TEXT NOT NULL PRIMARY KEY,
    "Value" TEXT NOT NULL
);
