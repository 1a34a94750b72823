-- What a run works on when it is too large for its arguments; gone as soon as the run has ended.
CREATE TABLE job_input (
  job   INTEGER PRIMARY KEY REFERENCES job (id) ON DELETE CASCADE,
  data  BLOB NOT NULL
) STRICT;
CREATE TRIGGER job_input_ends AFTER UPDATE OF finished_ns ON job WHEN NEW.finished_ns IS NOT NULL
BEGIN DELETE FROM job_input WHERE job = NEW.id; END;
