"""The HTTP edge: wire structs and handlers, no logic."""
