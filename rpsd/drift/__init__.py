"""The catalogue of what tells drift: distances between two windows, and detectors that watch a stream."""
