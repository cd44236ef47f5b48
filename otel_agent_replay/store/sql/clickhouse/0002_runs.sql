-- What one span adds to its run: no payload. Who may not read otel_traces reads it
-- with the rights of the one who made it. {steps} below stands for its text.
CREATE VIEW IF NOT EXISTS agent_replay_steps
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
    SpanAttributes['agent_replay.run.id'] AS RunId,
    TraceId,
    SpanId,
    ParentSpanId,
    ResourceAttributes['service.namespace'] AS Tenant,
    ServiceName,
    SpanName,
    StatusCode,
    toUnixTimestamp64Nano(Timestamp) AS StartNs,
    StartNs + toInt64(Duration) AS EndNs,
    SpanAttributes['gen_ai.operation.name'] AS Operation,
    SpanAttributes['gen_ai.request.model'] AS Model,
    SpanAttributes['gen_ai.agent.name'] AS Agent,
    SpanAttributes['user.id'] AS UserId,
    SpanAttributes['gen_ai.conversation.id'] AS Conversation,
    Operation IN ('chat', 'text_completion', 'generate_content', 'embeddings',
        'fetch_response') AS IsInference,
    Operation IN ('invoke_agent', 'invoke_workflow') AS IsAgent,
    mapContains(SpanAttributes, 'agent_replay.run.status') AS IsRoot,
    multiIf(RunId != '', if(IsRoot, 2, -1), IsAgent, 1, ParentSpanId = '', 0, -1)
        AS Rank,
    CAST(if(Rank < 0, (-1, 0, '', '', '', '', '', '', '', '', '', ''), (
        Rank, if(Rank = 2, StartNs, -StartNs), SpanId, TraceId, Agent,
        SpanAttributes['gen_ai.agent.version'], UserId, Conversation,
        multiIf(RunId != '', SpanAttributes['agent_replay.run.status'],
            StatusCode IN ('Error', 'STATUS_CODE_ERROR'), 'failed', 'success'),
        SpanAttributes['agent_replay.run.class'],
        SpanAttributes['agent_replay.run.parent.id'],
        SpanAttributes['agent_replay.run.tags']
    )), 'Tuple(Int8, Int64, String, String, String, String, String, String, String, String, String, String)') AS Head,
    arrayExists(key -> startsWith(key, 'gen_ai.'), mapKeys(SpanAttributes)) AS IsGenAi,
    if(RunId != '', mapContains(SpanAttributes, 'agent_replay.step.kind') AND NOT IsRoot,
        Operation != '' AND NOT (IsAgent AND ParentSpanId = '')) AS IsStep,
    if(IsInference AND match(SpanAttributes['gen_ai.usage.input_tokens'], '^[0-9]{1,17}$'),
        toInt64OrZero(SpanAttributes['gen_ai.usage.input_tokens']), 0) AS InputTokens,
    if(IsInference AND match(SpanAttributes['gen_ai.usage.output_tokens'], '^[0-9]{1,17}$'),
        toInt64OrZero(SpanAttributes['gen_ai.usage.output_tokens']), 0) AS OutputTokens,
    toFloat64OrNull(SpanAttributes['agent_replay.step.cost_usd']) AS Price,
    if(isFinite(Price), Price, NULL) AS Cost,
    mapApply((key, text) -> (substring(key, 26),
        if(match(text, '^[0-9]{1,17}$'), toInt64OrZero(text), 0)),
        mapFilter((key, text) -> startsWith(key, 'agent_replay.run.dropped.'),
            CAST(SpanAttributes, 'Map(String, String)'))) AS Dropped,
    mapContains(SpanAttributes, 'agent_replay.step.dropped') AS IsDropped,
    if(match(SpanAttributes['agent_replay.span.bytes'], '^[0-9]{1,17}$'),
        toInt64OrZero(SpanAttributes['agent_replay.span.bytes']), 0) AS Bytes
FROM otel_traces;

-- A row is what the spans of one run id in one trace add up to. Rows counts what was
-- inserted, Spans what was different: where the two are not equal, a span came twice,
-- and readers add that run up from its spans.
CREATE TABLE IF NOT EXISTS agent_replay_runs (
    RunId String CODEC(ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    Tenant LowCardinality(String) CODEC(ZSTD(1)),
    Head SimpleAggregateFunction(max, Tuple(Int8, Int64, String, String, String, String, String, String, String, String, String, String)) CODEC(ZSTD(1)),
    IsGenAi SimpleAggregateFunction(max, UInt8) CODEC(ZSTD(1)),
    Agent SimpleAggregateFunction(max, String) CODEC(ZSTD(1)),
    UserId SimpleAggregateFunction(max, String) CODEC(ZSTD(1)),
    Conversation SimpleAggregateFunction(max, String) CODEC(ZSTD(1)),
    StartNs SimpleAggregateFunction(min, Int64) CODEC(ZSTD(1)),
    LastNs SimpleAggregateFunction(max, Int64) CODEC(ZSTD(1)),
    EndNs SimpleAggregateFunction(max, Int64) CODEC(ZSTD(1)),
    Steps SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    InputTokens SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    OutputTokens SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    Cost SimpleAggregateFunction(sum, Float64) CODEC(ZSTD(1)),
    Priced SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    Dropped SimpleAggregateFunction(sumMap, Map(String, Int64)) CODEC(ZSTD(1)),
    DroppedSteps SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    Bytes SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    Rows SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    Spans AggregateFunction(uniqExact, UInt32) CODEC(ZSTD(1)),
    INDEX idx_run_id RunId TYPE bloom_filter(0.001) GRANULARITY 1
) ENGINE = AggregatingMergeTree
ORDER BY (TraceId, RunId, Tenant)
SETTINGS index_granularity = 256, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS agent_replay_runs_mv TO agent_replay_runs
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT RunId, TraceId, Tenant,
    max(step.Head) AS Head,
    max(step.IsGenAi) AS IsGenAi,
    max(step.Agent) AS Agent,
    max(step.UserId) AS UserId,
    max(step.Conversation) AS Conversation,
    min(step.StartNs) AS StartNs,
    max(step.StartNs) AS LastNs,
    max(step.EndNs) AS EndNs,
    sum(step.IsStep) AS Steps,
    sum(step.InputTokens) AS InputTokens,
    sum(step.OutputTokens) AS OutputTokens,
    sum(ifNull(step.Cost, 0)) AS Cost,
    count(step.Cost) AS Priced,
    sumMap(step.Dropped) AS Dropped,
    sum(step.IsDropped) AS DroppedSteps,
    sum(step.Bytes) AS Bytes,
    count() AS Rows,
    uniqExactState(toUInt32(sipHash64(TraceId, SpanId))) AS Spans
FROM ({steps}) AS step
GROUP BY RunId, TraceId, Tenant;

-- What a person says of a run; the last word on a mark holds.
CREATE TABLE IF NOT EXISTS agent_replay_marks (
    RunId String,
    Mark LowCardinality(String),
    IsSet Bool,
    MarkedAt DateTime64(9) DEFAULT now64(9)
) ENGINE = ReplacingMergeTree(MarkedAt)
ORDER BY (RunId, Mark)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE VIEW IF NOT EXISTS agent_replay_marked AS
SELECT RunId, Mark FROM agent_replay_marks
GROUP BY RunId, Mark HAVING argMax(IsSet, MarkedAt);

ALTER TABLE agent_replay_contents
    ADD COLUMN IF NOT EXISTS Tenant LowCardinality(String) DEFAULT '' CODEC(ZSTD(1));

ALTER TABLE agent_replay_contents
    MODIFY SETTING non_replicated_deduplication_window = 10000;
