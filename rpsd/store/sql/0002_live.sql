-- Live columns: derived groups that follow their series row by row, and the checkpoints from which they can be continued.

CREATE TABLE grouped_tail (                              -- as tail was, for derived groups as well
  series_id  INTEGER NOT NULL REFERENCES series (id) ON DELETE CASCADE,
  group_id   INTEGER NOT NULL,                           -- as in block
  t          INTEGER NOT NULL,
  known_ns   INTEGER,
  recorded_ns INTEGER NOT NULL,
  crc        INTEGER NOT NULL,
  cells      BLOB NOT NULL,
  PRIMARY KEY (series_id, group_id, t)
) STRICT, WITHOUT ROWID;
INSERT INTO grouped_tail SELECT series_id, 0, t, known_ns, recorded_ns, crc, cells FROM tail;
DROP TABLE tail;
ALTER TABLE grouped_tail RENAME TO tail;

ALTER TABLE derived ADD COLUMN tail_rows INTEGER NOT NULL DEFAULT 0;

CREATE TABLE live (                                      -- what is declared, and how far each column has come
  group_id    INTEGER PRIMARY KEY REFERENCES derived (id) ON DELETE CASCADE,
  series_id   INTEGER NOT NULL REFERENCES series (id) ON DELETE CASCADE,
  head_ns     INTEGER,                                   -- the last sample taken in; NULL before the first
  samples     INTEGER NOT NULL DEFAULT 0,                -- taken in up to head_ns
  version     INTEGER NOT NULL DEFAULT 0,                -- of the state at head_ns: a new random number with every step
  replays     INTEGER NOT NULL DEFAULT 0,
  replayed    INTEGER NOT NULL DEFAULT 0,                -- samples that the last replay went back by
  replayed_ns INTEGER
) STRICT;
CREATE INDEX live_series ON live (series_id);

CREATE TABLE checkpoint (                                -- the state of a live column after each 4096th sample
  group_id INTEGER NOT NULL REFERENCES live (group_id) ON DELETE CASCADE,
  t        INTEGER NOT NULL,                             -- the last sample in it
  samples  INTEGER NOT NULL,
  crc      INTEGER NOT NULL,
  state    BLOB NOT NULL,
  PRIMARY KEY (group_id, t)
) STRICT;
