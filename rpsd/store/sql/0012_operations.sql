-- Operations: what waits to go out, and what an operator has switched.
CREATE TABLE outbox (                                    -- messages to receivers of alerts; a row goes when its receiver has it
  id        INTEGER PRIMARY KEY AUTOINCREMENT,           -- the order in which they go out
  receiver  TEXT NOT NULL,                               -- which of the settings, by a digest of what it is
  delivery  TEXT NOT NULL UNIQUE,                        -- the same for each try
  queued_ns INTEGER NOT NULL,
  message   TEXT NOT NULL CHECK (json_valid(message))
) STRICT;
CREATE INDEX outbox_receiver ON outbox (receiver, id);
