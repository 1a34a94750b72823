-- Times are int64 nanoseconds UTC. Lists and objects are JSON text. Payloads: see store/blocks.py.

CREATE TABLE setting (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL CHECK (json_valid(value))
) STRICT, WITHOUT ROWID;

CREATE TABLE series (
  id         INTEGER PRIMARY KEY,
  symbol     TEXT NOT NULL,
  interval   TEXT NOT NULL,
  unit       TEXT,
  columns    TEXT NOT NULL CHECK (json_valid(columns)),  -- grows at its end only: a block of width w holds the first w
  first_ns   INTEGER,
  last_ns    INTEGER,
  rows       INTEGER NOT NULL DEFAULT 0,
  tail_rows  INTEGER NOT NULL DEFAULT 0,
  created_ns INTEGER NOT NULL,
  updated_ns INTEGER NOT NULL,
  UNIQUE (symbol, interval)
) STRICT;

CREATE TABLE derived (                                   -- a group of columns computed from a series
  id         INTEGER PRIMARY KEY,
  series_id  INTEGER NOT NULL REFERENCES series (id) ON DELETE CASCADE,
  name       TEXT NOT NULL,
  columns    TEXT NOT NULL CHECK (json_valid(columns)),
  meta       TEXT NOT NULL CHECK (json_valid(meta)),     -- method, model, causality
  created_ns INTEGER NOT NULL,
  updated_ns INTEGER NOT NULL,
  UNIQUE (series_id, name)
) STRICT;

CREATE TABLE block (                                     -- up to 4096 rows in order of time; blocks of one group never overlap
  id         INTEGER PRIMARY KEY,
  series_id  INTEGER NOT NULL REFERENCES series (id) ON DELETE CASCADE,
  group_id   INTEGER NOT NULL,                           -- 0: the samples themselves, else derived.id
  first_ns   INTEGER NOT NULL,
  last_ns    INTEGER NOT NULL CHECK (last_ns >= first_ns),
  rows       INTEGER NOT NULL CHECK (rows BETWEEN 1 AND 4096),
  width      INTEGER NOT NULL,
  known      INTEGER NOT NULL CHECK (known IN (0, 1)),   -- 1: the payload holds a known_at column
  codec      INTEGER NOT NULL CHECK (codec IN (0, 1)),   -- 0 raw, 1 zstd
  crc        INTEGER NOT NULL,
  recorded_ns INTEGER NOT NULL,
  payload    BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX block_extent ON block (series_id, group_id, first_ns, last_ns, rows, codec);

CREATE TABLE tail (                                      -- late and single rows, complete, standing in front of the blocks
  series_id  INTEGER NOT NULL REFERENCES series (id) ON DELETE CASCADE,
  t          INTEGER NOT NULL,
  known_ns   INTEGER,                                    -- NULL: the close of the bar
  recorded_ns INTEGER NOT NULL,
  crc        INTEGER NOT NULL,
  cells      BLOB NOT NULL,
  PRIMARY KEY (series_id, t)
) STRICT, WITHOUT ROWID;

CREATE TABLE revision (                                  -- superseded rows: known from the payload's known_at until known_to
  id         INTEGER PRIMARY KEY,
  series_id  INTEGER NOT NULL REFERENCES series (id) ON DELETE CASCADE,
  known_to   INTEGER NOT NULL,
  first_ns   INTEGER NOT NULL,
  last_ns    INTEGER NOT NULL,
  rows       INTEGER NOT NULL,
  width      INTEGER NOT NULL,
  crc        INTEGER NOT NULL,
  payload    BLOB NOT NULL
) STRICT;
CREATE INDEX revision_extent ON revision (series_id, known_to, first_ns, last_ns);

CREATE TABLE model (
  name             TEXT NOT NULL,
  version          INTEGER NOT NULL,
  stage            TEXT NOT NULL CHECK (stage IN ('candidate', 'staging', 'production', 'archived')),
  created_ns       INTEGER NOT NULL,
  trained_from_ns  INTEGER NOT NULL,
  trained_until_ns INTEGER NOT NULL,
  data_fingerprint TEXT NOT NULL,
  digest           TEXT NOT NULL,
  card             TEXT NOT NULL CHECK (json_valid(card)),
  reason           TEXT NOT NULL,
  promoted_by      TEXT,
  promoted_ns      INTEGER,
  predecessor      INTEGER,
  packet           BLOB NOT NULL,
  PRIMARY KEY (name, version)
) STRICT;
CREATE UNIQUE INDEX model_production ON model (name) WHERE stage = 'production';

CREATE TABLE schedule (
  name     TEXT PRIMARY KEY,
  next_ns  INTEGER NOT NULL,
  last_ns  INTEGER,
  failures INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE job (
  id              INTEGER PRIMARY KEY AUTOINCREMENT,
  name            TEXT NOT NULL,
  state           TEXT NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled', 'interrupted')),
  args            TEXT NOT NULL CHECK (json_valid(args)),
  requested_by    TEXT NOT NULL,
  occasion_ns     INTEGER,
  queued_ns       INTEGER NOT NULL,
  not_before_ns   INTEGER NOT NULL,
  started_ns      INTEGER,
  finished_ns     INTEGER,
  owner           TEXT,
  lease_until_ns  INTEGER,
  cancel_requested INTEGER NOT NULL DEFAULT 0 CHECK (cancel_requested IN (0, 1)),
  progress        REAL NOT NULL DEFAULT 0.0,
  message         TEXT NOT NULL DEFAULT '',
  error_code      TEXT,
  result          TEXT CHECK (result IS NULL OR json_valid(result)),
  UNIQUE (name, occasion_ns)
) STRICT;
CREATE INDEX job_state ON job (state, not_before_ns);

CREATE TABLE key (
  id           TEXT PRIMARY KEY,
  name         TEXT NOT NULL,
  hash         BLOB NOT NULL,
  scopes       TEXT NOT NULL CHECK (json_valid(scopes)),
  created_ns   INTEGER NOT NULL,
  expires_ns   INTEGER,
  revoked_ns   INTEGER,
  last_used_ns INTEGER,
  rate_limit   INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
  seq     INTEGER PRIMARY KEY,
  at_ns   INTEGER NOT NULL,
  actor   TEXT NOT NULL,
  action  TEXT NOT NULL,
  subject TEXT NOT NULL,
  detail  TEXT NOT NULL CHECK (json_valid(detail)),
  hash    BLOB NOT NULL
) STRICT;
CREATE TRIGGER audit_keeps_rows BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_keeps_words BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

CREATE TABLE idempotency (
  principal  TEXT NOT NULL,
  key        TEXT NOT NULL,
  route      TEXT NOT NULL,
  body_hash  TEXT NOT NULL,
  created_ns INTEGER NOT NULL,
  answer     TEXT NOT NULL CHECK (json_valid(answer)),
  PRIMARY KEY (principal, key)
) STRICT;
CREATE INDEX idempotency_age ON idempotency (created_ns);
