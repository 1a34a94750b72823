"""The drift monitor: what is compared, when, and what is told of it."""
