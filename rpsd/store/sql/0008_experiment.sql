-- Experiments, and their runs with parameters, metrics, tags and artifacts.
CREATE TABLE experiment (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,         -- never given again: links to it outlive it
  name        TEXT NOT NULL,
  owner       TEXT NOT NULL,                             -- id of a key, or rpsd
  scope       TEXT NOT NULL CHECK (scope IN ('private', 'read', 'shared')),
  description TEXT NOT NULL,
  created_ns  INTEGER NOT NULL,
  UNIQUE (owner, name)                                   -- not the name alone: nobody learns by trying it what others keep private
) STRICT;
CREATE TABLE run (
  seq         INTEGER PRIMARY KEY AUTOINCREMENT,         -- the order of their coming
  id          TEXT NOT NULL UNIQUE,                      -- 32 hex digits
  experiment  INTEGER NOT NULL REFERENCES experiment (id) ON DELETE CASCADE,
  name        TEXT NOT NULL,
  state       TEXT NOT NULL CHECK (state IN ('RUNNING', 'FINISHED', 'FAILED', 'KILLED')),
  owner       TEXT NOT NULL,
  parent      TEXT,                                      -- id of a run of the same experiment, which may be gone by now
  started_ns  INTEGER NOT NULL,
  finished_ns INTEGER,
  heard_ns    INTEGER NOT NULL,                          -- the writer's last sign of life
  points      INTEGER NOT NULL,                          -- of all its metrics
  bytes       INTEGER NOT NULL,                          -- of all its artifacts
  model       TEXT,                                      -- what a fit of the product became
  version     INTEGER
) STRICT;
CREATE INDEX run_of ON run (experiment, seq);
CREATE INDEX run_under ON run (parent, seq) WHERE parent IS NOT NULL;
CREATE INDEX run_alive ON run (heard_ns) WHERE state = 'RUNNING';
CREATE INDEX run_ended ON run (finished_ns) WHERE owner = 'rpsd';
CREATE TABLE run_param (
  run         INTEGER NOT NULL REFERENCES run (seq) ON DELETE CASCADE,
  name        TEXT NOT NULL,
  value       TEXT NOT NULL,
  number      REAL,                                      -- the value where it reads as a finite number
  PRIMARY KEY (run, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE run_tag (
  run         INTEGER NOT NULL REFERENCES run (seq) ON DELETE CASCADE,
  name        TEXT NOT NULL,
  value       TEXT NOT NULL,
  PRIMARY KEY (run, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE run_metric (
  id          INTEGER PRIMARY KEY,
  run         INTEGER NOT NULL REFERENCES run (seq) ON DELETE CASCADE,
  name        TEXT NOT NULL,
  step        INTEGER NOT NULL,                          -- the last point: greatest step, then latest time
  t_ns        INTEGER NOT NULL,
  value       REAL NOT NULL,
  least       REAL NOT NULL,
  greatest    REAL NOT NULL,
  UNIQUE (run, name)
) STRICT;
CREATE TABLE run_point (
  metric      INTEGER NOT NULL REFERENCES run_metric (id) ON DELETE CASCADE,
  step        INTEGER NOT NULL,
  t_ns        INTEGER NOT NULL,
  value       REAL NOT NULL,
  PRIMARY KEY (metric, step, t_ns)
) STRICT, WITHOUT ROWID;
-- What artifacts hold, once however many runs hold it.
CREATE TABLE artifact_content (
  sha256      BLOB PRIMARY KEY,
  data        BLOB NOT NULL
) STRICT;
CREATE TABLE run_artifact (
  run         INTEGER NOT NULL REFERENCES run (seq) ON DELETE CASCADE,
  name        TEXT NOT NULL,
  sha256      BLOB NOT NULL REFERENCES artifact_content (sha256),
  size        INTEGER NOT NULL,
  media_type  TEXT NOT NULL,
  created_ns  INTEGER NOT NULL,
  PRIMARY KEY (run, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX run_artifact_content ON run_artifact (sha256);
