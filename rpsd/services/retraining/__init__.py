"""Retraining that decides for itself, and the watch over what serves."""
