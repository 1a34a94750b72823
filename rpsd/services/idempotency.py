"""Idempotency as the edges see it: the name under which a write happens at most once."""

from rpsd.store.idempotency import Once

__all__ = ["Once"]
