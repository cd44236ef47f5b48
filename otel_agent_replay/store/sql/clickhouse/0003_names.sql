-- A piece is named by the first 16 bytes of its SHA-256; the rest of Hash is zeros,
-- which take no room compressed. Pieces that have the whole of it are found as well.
ALTER TABLE agent_replay_contents
    MODIFY COLUMN Hash FixedString(32) CODEC(ZSTD(1));

-- Pieces of a run, and of runs that are alike, are compressed together: sorted by
-- hash, what is alike stands far apart.
ALTER TABLE agent_replay_contents
    MODIFY COLUMN Content String CODEC(ZSTD(6));

ALTER TABLE agent_replay_contents
    MODIFY SETTING min_compress_block_size = 1048576, min_bytes_for_wide_part = 1048576;
