-- Live regimes: where the filter of a production model stands, and the checkpoints from which a late bar is replayed.
CREATE TABLE standing (
  name      TEXT NOT NULL,                               -- of the model
  slot      INTEGER NOT NULL,                            -- 0: where the filter stands; above: a checkpoint
  series_id INTEGER NOT NULL REFERENCES series (id) ON DELETE CASCADE,
  version   INTEGER NOT NULL,                            -- of the model; that of another version counts for nothing
  seen_ns   INTEGER NOT NULL,                            -- the last closed bar that the filter has looked at
  waits_ns  INTEGER,                                     -- when the first bar behind it closes; NULL when none is stored
  kept_ns   INTEGER,                                     -- the last row that was served; NULL before the first
  crc       INTEGER NOT NULL,
  state     BLOB NOT NULL,
  PRIMARY KEY (name, slot)
) STRICT, WITHOUT ROWID;
CREATE INDEX standing_series ON standing (series_id);
