"""The registry in the user's words: versions, aliases, cards, files, the gate and the quarantine."""
