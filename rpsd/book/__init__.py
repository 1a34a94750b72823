"""Order books: what is true of them, what they look like, and what they foretell."""
