-- Pieces of a run stand in the order of their hashes, so what is alike is megabytes
-- apart. Settings of the column: other columns are read in smaller blocks.
ALTER TABLE agent_replay_contents
    MODIFY COLUMN Content String CODEC(ZSTD(9))
    SETTINGS (min_compress_block_size = 6291456, max_compress_block_size = 6291456);
