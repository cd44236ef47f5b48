-- States of threads: see store/states.py. A Body, and Versions, is a zstd frame, or
-- what it is after a byte 0.
CREATE TABLE state_threads (
    "Id" INTEGER NOT NULL PRIMARY KEY,
    "Thread" TEXT NOT NULL UNIQUE
);

CREATE TABLE state_checkpoints (
    "Thread" INTEGER NOT NULL,
    "Namespace" TEXT NOT NULL,
    "CheckpointId" TEXT NOT NULL,
    "ParentId" TEXT NOT NULL,
    "FrameworkRun" TEXT NOT NULL,
    "RecordedBy" TEXT NOT NULL,
    "Versions" BLOB NOT NULL,
    "Form" TEXT NOT NULL,
    "Body" BLOB NOT NULL,
    PRIMARY KEY ("Thread", "Namespace", "CheckpointId")
);

CREATE INDEX state_checkpoints_framework_run ON state_checkpoints ("FrameworkRun")
WHERE "FrameworkRun" != '';

CREATE INDEX state_checkpoints_recorded_by ON state_checkpoints ("RecordedBy")
WHERE "RecordedBy" != '';

-- What a channel holds at a version: the list Key where there is a Root, else the
-- content Key.
CREATE TABLE state_values (
    "Thread" INTEGER NOT NULL,
    "Namespace" TEXT NOT NULL,
    "Channel" TEXT NOT NULL,
    "Version" TEXT NOT NULL,
    "Key" BLOB NOT NULL,
    "Root" BLOB NOT NULL,
    PRIMARY KEY ("Thread", "Namespace", "Channel", "Version")
) WITHOUT ROWID;

-- Entries: keys of contents with a count of four bytes each.
CREATE TABLE state_writes (
    "Thread" INTEGER NOT NULL,
    "Namespace" TEXT NOT NULL,
    "CheckpointId" TEXT NOT NULL,
    "TaskId" TEXT NOT NULL,
    "Position" INTEGER NOT NULL,
    "Channel" TEXT NOT NULL,
    "Path" TEXT NOT NULL,
    "IsList" INTEGER NOT NULL,
    "Entries" BLOB NOT NULL,
    "RecordedBy" TEXT NOT NULL,
    PRIMARY KEY ("Thread", "Namespace", "CheckpointId", "TaskId", "Position")
) WITHOUT ROWID;

CREATE INDEX state_writes_recorded_by ON state_writes ("RecordedBy")
WHERE "RecordedBy" != '';

CREATE TABLE state_lists (
    "Thread" INTEGER NOT NULL,
    "Root" BLOB NOT NULL,
    "Key" BLOB NOT NULL,
    "Before" BLOB NOT NULL,
    "Keep" INTEGER NOT NULL,
    "Entries" BLOB NOT NULL,
    PRIMARY KEY ("Thread", "Root", "Key")
) WITHOUT ROWID;

CREATE TABLE state_contents (
    "Thread" INTEGER NOT NULL,
    "Key" BLOB NOT NULL,
    "Form" TEXT NOT NULL,
    "Body" BLOB NOT NULL,
    PRIMARY KEY ("Thread", "Key")
);
