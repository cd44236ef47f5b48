-- Writes that were about to run, and what came of them: a row is an attempt, or its
-- outcome. An attempt is inserted under a deduplication token of its run, tool, key
-- and of the attempt it comes after, so the first insert wins and any later one is
-- dropped. Its bytes are on the disk when the insert returns.
CREATE TABLE IF NOT EXISTS agent_replay_intentions (
    RunId String,
    Tool String,
    Key String,
    Token String,
    After String,
    Digest String,
    Process String,
    Began Int64,
    State LowCardinality(String),
    Outcome String CODEC(ZSTD(3)),
    Ended Int64,
    WrittenAt DateTime64(9) DEFAULT now64(9)
) ENGINE = MergeTree
ORDER BY (RunId, Tool, Key)
SETTINGS index_granularity = 256, non_replicated_deduplication_window = 10000,
    fsync_after_insert = 1, fsync_part_directory = 1;
