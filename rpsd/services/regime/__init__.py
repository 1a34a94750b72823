"""Regimes in the user's words: detection, training, history, and the live filter."""
