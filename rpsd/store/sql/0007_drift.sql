-- Reports of drift scans: one model compared with its training window.
CREATE TABLE drift_report (
  id                 INTEGER PRIMARY KEY AUTOINCREMENT,
  model              TEXT NOT NULL,
  version            INTEGER NOT NULL,
  at_ns              INTEGER NOT NULL,
  reference_from_ns  INTEGER NOT NULL,
  reference_until_ns INTEGER NOT NULL,
  current_from_ns    INTEGER NOT NULL,
  current_until_ns   INTEGER NOT NULL,
  feature            INTEGER NOT NULL,                   -- worst severity of each kind, 0 NONE to 3 HIGH
  prediction         INTEGER NOT NULL,
  quality            INTEGER NOT NULL,
  severity           INTEGER NOT NULL,                   -- the worst of the three
  view               TEXT NOT NULL,                      -- whose features were compared, name@version; empty: none
  counted_ns         INTEGER NOT NULL,                   -- end of the window that counts as this one
  before             TEXT NOT NULL,                      -- JSON: what was significant in the window before that
  found              TEXT NOT NULL,                      -- JSON: a list of values for each feature
  skipped            TEXT NOT NULL                       -- JSON: name -> why it could not be looked at
) STRICT;
CREATE INDEX drift_report_of ON drift_report (model, id);
CREATE INDEX drift_report_at ON drift_report (at_ns);
