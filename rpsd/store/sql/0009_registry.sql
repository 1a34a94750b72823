-- Aliases of model versions, what is left of versions that are no longer kept, and what was set aside.
CREATE TABLE model_alias (
  name    TEXT NOT NULL,
  alias   TEXT NOT NULL,                                 -- champion is never here: it is the version in production
  version INTEGER NOT NULL,
  set_by  TEXT NOT NULL,
  set_ns  INTEGER NOT NULL,
  PRIMARY KEY (name, alias),
  FOREIGN KEY (name, version) REFERENCES model (name, version) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX model_alias_version ON model_alias (name, version);
-- A version whose state is gone: what the history of its answers and the lineage of its successors still need.
CREATE TABLE model_past (
  name    TEXT NOT NULL,
  version INTEGER NOT NULL,
  facts   TEXT NOT NULL CHECK (json_valid(facts)),
  gone_ns INTEGER NOT NULL,
  PRIMARY KEY (name, version)
) STRICT, WITHOUT ROWID;
-- Model files that were refused, and stored versions that no longer match their digest.
CREATE TABLE quarantine (
  id        INTEGER PRIMARY KEY AUTOINCREMENT,
  noted_ns  INTEGER NOT NULL,
  origin    TEXT NOT NULL CHECK (origin IN ('import', 'store')),
  name      TEXT,                                        -- of the model, if the file could be read so far
  version   INTEGER,                                     -- of the stored version
  digest    TEXT NOT NULL,                               -- SHA-256 of the bytes as they were met
  bytes     INTEGER NOT NULL,
  reason    TEXT NOT NULL,
  noted_by  TEXT NOT NULL,
  content   BLOB                                         -- of a file that was sent; NULL once it had to make room
) STRICT;
CREATE UNIQUE INDEX quarantine_stored ON quarantine (name, version, digest) WHERE origin = 'store';
-- What was decided about training each model, and why: by the clock, by a scan, by the watch, or when somebody asked.
CREATE TABLE retrain_decision (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  at_ns    INTEGER NOT NULL,
  model    TEXT NOT NULL,
  decision TEXT NOT NULL CHECK (decision IN ('retrain', 'wait', 'skip', 'promote', 'keep', 'rollback')),
  cause    TEXT NOT NULL CHECK (cause IN ('age', 'drift', 'new_data', 'schedule', 'asked', 'live_score')),
  reason   TEXT NOT NULL,
  version  INTEGER,                                      -- that came of it, or that serves
  job      INTEGER,                                      -- the run of the job that decided; its row may be gone
  run      TEXT                                          -- of the experiment that holds the fit
) STRICT;
CREATE INDEX retrain_decision_model ON retrain_decision (model, id);
CREATE INDEX retrain_decision_at ON retrain_decision (at_ns);
-- Live scores: how well each version has foretold the bars after its training, beside what served.
CREATE TABLE model_score (
  name    TEXT NOT NULL,
  version INTEGER NOT NULL,                              -- 0: what served, bar by bar
  role    TEXT NOT NULL CHECK (role IN ('served', 'predecessor', 'challenger')),
  facts   TEXT NOT NULL CHECK (json_valid(facts)),       -- how it compares with what served
  at_ns   INTEGER NOT NULL,
  scores  BLOB NOT NULL,
  PRIMARY KEY (name, version)
) STRICT, WITHOUT ROWID;
