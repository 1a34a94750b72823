"""Experiments in the user's words: runs, what they log, search and export."""
