"""Live streams: WebSocket and server-sent events, out of one fan-out, on the event loop. The protocol is in rpsd/manual/events.md."""
