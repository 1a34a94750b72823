"""Releases side by side: how one takes over from another, tried first, switched by one rename, watched, and taken back when it fails."""
