-- Feature views, and how far each has been materialised for a series.
CREATE TABLE feature_view (                              -- a version never changes: another definition is another version
  name       TEXT NOT NULL,
  version    INTEGER NOT NULL,
  definition TEXT NOT NULL CHECK (json_valid(definition)),
  graph      TEXT NOT NULL,                              -- SHA-256 (hex) over all that its numbers depend on
  features   TEXT NOT NULL CHECK (json_valid(features)), -- the names of its columns in order
  inputs     TEXT NOT NULL CHECK (json_valid(inputs)),   -- the columns that it needs
  lookback   INTEGER NOT NULL,
  created_ns INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  PRIMARY KEY (name, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE view_standing (
  series_id INTEGER NOT NULL REFERENCES series (id) ON DELETE CASCADE,
  view      TEXT NOT NULL,
  slot      INTEGER NOT NULL,                            -- 0: where the view stands; above: a checkpoint
  version   INTEGER NOT NULL,                            -- of the view
  graph     TEXT NOT NULL,                               -- of that version; rows of another graph count for nothing
  price     TEXT NOT NULL,                               -- the column that stands for the price
  late      INTEGER NOT NULL,                            -- posts with a late or revised row since the series began
  dirty_ns  INTEGER,                                     -- the earliest such row that was not taken in yet; NULL when there is none
  quality   REAL,                                        -- of the last row
  head_ns   INTEGER,                                     -- the last closed bar taken in; NULL before the first
  rows      INTEGER NOT NULL,                            -- taken in
  known_ns  INTEGER,                                     -- when the last of them was known
  ordered   INTEGER NOT NULL CHECK (ordered IN (0, 1)),  -- 1: each was known no earlier than those before it
  crc       INTEGER NOT NULL,
  memory    BLOB,                                        -- of the features; NULL before the first bar
  PRIMARY KEY (series_id, view, slot)
) STRICT;
