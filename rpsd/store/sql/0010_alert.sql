-- Alerts: what an operator should know of, active until it is resolved. Raised again while active it counts up.
CREATE TABLE alert (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  name        TEXT NOT NULL,                             -- one of a closed set
  subject     TEXT NOT NULL,                             -- what it is about: a model, a source
  severity    TEXT NOT NULL CHECK (severity IN ('LOW', 'MEDIUM', 'HIGH')),
  detail      TEXT NOT NULL,                             -- of the last time
  raised_ns   INTEGER NOT NULL,
  last_ns     INTEGER NOT NULL,
  count       INTEGER NOT NULL,
  resolved_ns INTEGER,                                   -- NULL: active
  resolved_by TEXT
) STRICT;
CREATE UNIQUE INDEX alert_active ON alert (name, subject) WHERE resolved_ns IS NULL;
