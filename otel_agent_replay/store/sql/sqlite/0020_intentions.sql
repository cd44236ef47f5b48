-- Writes that were about to run, and what came of them. Nobody else writes a row
-- of a run, tool and key than whoever holds its token.
CREATE TABLE intentions (
    "RunId" TEXT NOT NULL,
    "Tool" TEXT NOT NULL,
    "Key" TEXT NOT NULL,
    "Digest" TEXT NOT NULL,
    "Token" TEXT NOT NULL,
    "Process" TEXT NOT NULL,
    "Began" INTEGER NOT NULL,
    "State" TEXT NOT NULL,
    "Outcome" TEXT NOT NULL,
    "Ended" INTEGER NOT NULL,
    PRIMARY KEY ("RunId", "Tool", "Key")
) WITHOUT ROWID;
