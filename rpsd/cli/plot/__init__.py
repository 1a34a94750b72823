"""Pictures through the optional extra `plot`; the one home of matplotlib."""
