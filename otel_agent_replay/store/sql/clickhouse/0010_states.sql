-- States of threads, see store/states.py: one table, so that what is stored at once
-- is one block of it. A Sort has its own use of the columns:
--   checkpoint  Name its id, Parent, Run the framework's, RecordedBy, Kind and Body,
--               Refs its versions
--   write       Name the checkpoint's id, Part task, Number position, Parent channel,
--               Kind 'list' or 'one', Refs entries, Body path, RecordedBy
--   value       Name channel, Part version, Parent root, Refs key
--   list        Name root, Part key, Parent before, Number keep, Refs entries
--   content     Name key, Kind and Body
-- Keys and entries are hexadecimal; a Body is text of one character a byte. Of a
-- write at a position from 0 on the first one stays, of all else the last.
CREATE TABLE IF NOT EXISTS agent_replay_states (
    Thread String CODEC(ZSTD(1)),
    Sort LowCardinality(String) CODEC(ZSTD(1)),
    Namespace String CODEC(ZSTD(1)),
    Name String CODEC(ZSTD(1)),
    Part String CODEC(ZSTD(1)),
    Number Int64 CODEC(ZSTD(1)),
    Parent String CODEC(ZSTD(1)),
    Run String CODEC(ZSTD(1)),
    RecordedBy String CODEC(ZSTD(1)),
    Kind LowCardinality(String) CODEC(ZSTD(1)),
    Refs String CODEC(ZSTD(3)),
    Body String CODEC(ZSTD(3)),
    Rank Int64 DEFAULT if(Sort = 'write' AND Number >= 0, -1, 1)
        * toUnixTimestamp64Nano(now64(9)) CODEC(ZSTD(1)),
    INDEX idx_run Run TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_recorded_by RecordedBy TYPE bloom_filter(0.001) GRANULARITY 1
) ENGINE = ReplacingMergeTree(Rank)
ORDER BY (Thread, Sort, Namespace, Name, Part, Number)
SETTINGS index_granularity = 256, non_replicated_deduplication_window = 10000;
