"""The command line: one file per noun; numerics are imported inside commands only."""
