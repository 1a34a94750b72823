"""The feature store: views, their rows, vectors of now and frames over time."""
