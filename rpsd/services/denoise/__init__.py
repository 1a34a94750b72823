"""Denoising in the user's words: one series, many, side by side, searched, live."""
