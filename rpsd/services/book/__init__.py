"""Order books in the user's words: feeding, reading, training, foretelling, trading on paper."""
