-- Intentions go with the rows of their runs if nobody prunes. The days are those of
-- `keep_days`, see clickhouse_schema.py.
ALTER TABLE agent_replay_intentions
    ADD COLUMN IF NOT EXISTS KeepUntil Date DEFAULT toDate(WrittenAt) + 91;
