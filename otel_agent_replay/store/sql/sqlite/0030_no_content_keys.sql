-- Which payload pieces a scope has is read off its segments, and remembered by who
-- writes. `PRAGMA user_version` counts erased runs, so that nobody remembers one.
DROP TABLE content_keys;
