"""What rpsd can do, in the user's words; wiring.py composes it."""
