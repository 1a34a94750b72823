"""The serving process: its sockets, the HTTP engine on them, what it tells systemd, and the watch over its connections."""
