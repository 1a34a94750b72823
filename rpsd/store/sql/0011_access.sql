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

-- How much each principal has in the store of idempotency keys, so that it can be bounded without counting it anew at each write.
CREATE TABLE idempotency_use (
  principal TEXT PRIMARY KEY,
  answers   INTEGER NOT NULL,
  bytes     INTEGER NOT NULL                              -- of the answers
) STRICT, WITHOUT ROWID;
INSERT INTO idempotency_use (principal, answers, bytes)
  SELECT principal, count(*), sum(octet_length(answer)) FROM idempotency GROUP BY principal;
CREATE INDEX idempotency_oldest ON idempotency (principal, created_ns);
CREATE TRIGGER idempotency_more AFTER INSERT ON idempotency BEGIN
  INSERT INTO idempotency_use (principal, answers, bytes) VALUES (new.principal, 1, octet_length(new.answer))
    ON CONFLICT (principal) DO UPDATE SET answers = answers + 1, bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER idempotency_less AFTER DELETE ON idempotency BEGIN
  UPDATE idempotency_use SET answers = answers - 1, bytes = bytes - octet_length(old.answer) WHERE principal = old.principal;
  DELETE FROM idempotency_use WHERE principal = old.principal AND answers = 0;
END;
