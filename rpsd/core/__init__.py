"""Nouns that every layer shares; imports numpy and nothing else."""
