"""Parsers of what strangers send, each as a function of bytes: whatever the bytes are, it answers or raises rpsd's own errors."""
