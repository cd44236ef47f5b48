-- In a segment, recipes name a piece by its number instead of its hash, where it has
-- one; a line of digits is the number of the piece that follows, and the others count
-- on. Number is that of a piece that lists no others, `~Number` of one that does; NULL
-- is one that was stored before, and is named by its hash.
ALTER TABLE content_keys ADD COLUMN "Number" INTEGER;
