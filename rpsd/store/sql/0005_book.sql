-- Order books: where each stands, the events that were accepted, and what was put aside.
CREATE TABLE book (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,         -- never given again: answers at hand are known by it
  symbol      TEXT NOT NULL UNIQUE,
  version     INTEGER NOT NULL,                          -- grows with every write
  phase       TEXT NOT NULL,
  tick        REAL,                                      -- NULL until it is stated or enough prices tell it
  is_told     INTEGER NOT NULL,                          -- 1: the tick was stated by a caller
  levels      INTEGER NOT NULL,                          -- most levels of a side that an event brought
  last_ns     INTEGER,                                   -- the clock: the greatest time of an event
  received_ns INTEGER,                                   -- when the last book or quote came
  events      INTEGER NOT NULL,                          -- that were accepted, those included whose tape is gone
  repaired    INTEGER NOT NULL,
  negative_latency INTEGER NOT NULL,
  loose       INTEGER NOT NULL,                          -- small chunks that wait to be folded
  faults      TEXT NOT NULL,                             -- JSON: rule -> records refused, skipped or put aside
  memory      BLOB,                                      -- of the features; NULL before the first event and after a gap
  watch       BLOB,                                      -- of the validator
  latest      BLOB,                                      -- features and top of the book after the last event
  crc         INTEGER NOT NULL,                          -- of the three above
  created_ns  INTEGER NOT NULL
) STRICT;
-- The whole book of a feed of updates; apart, for it may be large.
CREATE TABLE book_ladder (
  book_id     INTEGER PRIMARY KEY REFERENCES book (id) ON DELETE CASCADE,
  crc         INTEGER NOT NULL,
  state       BLOB NOT NULL
) STRICT;
-- Accepted events in the order of their arrival, with the state of the features before the first of them.
CREATE TABLE book_chunk (
  id          INTEGER PRIMARY KEY,
  book_id     INTEGER NOT NULL REFERENCES book (id) ON DELETE CASCADE,
  first_ns    INTEGER NOT NULL,                          -- the book's clock at its first and last event
  last_ns     INTEGER NOT NULL,
  events      INTEGER NOT NULL,
  tick        REAL,                                      -- in which its features are told; NULL: it has none
  crc         INTEGER NOT NULL,
  memory      BLOB,                                      -- NULL: the features begin anew with this chunk
  payload     BLOB NOT NULL
) STRICT;
CREATE INDEX book_chunk_range ON book_chunk (book_id, id, first_ns, last_ns, events);
-- The newest records that were put aside.
CREATE TABLE book_fault (
  id          INTEGER PRIMARY KEY,
  book_id     INTEGER NOT NULL REFERENCES book (id) ON DELETE CASCADE,
  rule        TEXT NOT NULL,
  row         INTEGER NOT NULL,                          -- its place in the request
  t_ns        INTEGER,
  noted_ns    INTEGER NOT NULL,
  excerpt     TEXT NOT NULL
) STRICT;
CREATE INDEX book_fault_of ON book_fault (book_id, id);
