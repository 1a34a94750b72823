-- Access: rotation of keys, tokens that were called back, and peers that failed too often.
ALTER TABLE key ADD COLUMN replaced_by TEXT;             -- the key that a rotation made in its place

CREATE TABLE denied_token (
  jti        TEXT PRIMARY KEY,                           -- of a token that ended before its time
  key_id     TEXT NOT NULL,
  expires_ns INTEGER NOT NULL                            -- afterwards it ends by itself
) STRICT, WITHOUT ROWID;

CREATE TABLE lockout (
  peer     TEXT PRIMARY KEY,                             -- IPv4 address or IPv6 network of 64 bits
  rounds   INTEGER NOT NULL,                             -- how often it was locked, one soon after the other
  until_ns INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE known_peer (
  key_id  TEXT NOT NULL,
  peer    TEXT NOT NULL,                                 -- from where the key has worked
  seen_ns INTEGER NOT NULL,
  PRIMARY KEY (key_id, peer)
) STRICT, WITHOUT ROWID;
CREATE INDEX known_peer_seen ON known_peer (seen_ns);
