"""Is the installed box as it should be? Checks inside of the process that owns the data, and checks of the machine around it."""
