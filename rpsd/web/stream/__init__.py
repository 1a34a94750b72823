"""Live streams: WebSocket and server-sent events, out of one fan-out, on the event loop. The protocol is in rpsd/manual/events.md.

What the engine (granian 2.8) does, as tried, and what follows from it:
- `send` returns when the kernel has taken the frame, so a reader that does not read holds its sender up; nothing else bounds it in time.
- After the client is gone `send` raises nothing and keeps what it is given for ever: somebody must always wait in `receive`.
- `close` waits for a pending `receive`, and for a stuck `send` as long as it is stuck: the first is cancelled, then the close frame is
  given a second, then the connection is cut.
- Protocol pings are answered while somebody waits in `receive`; none can be sent. Dead connections are the kernel's business: keepalive,
  and TCP_USER_TIMEOUT, which also ends a peer that keeps its window shut.
- A frame above 16 MiB, or a message above 64 MiB, ends the connection without a code, before we see any of it.
- Before `accept`, a whole HTTP answer may be sent; an application that returns without an answer gives 403.
- On shutdown it drops WebSockets without a close code: they are closed first.
"""
