"""A file of the bytes under test, for parsers that read files."""

import tempfile
from functools import lru_cache
from pathlib import Path


@lru_cache(1)
def _directory() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="rpsd-fuzz-")


def directory() -> Path:
    """A directory of this process, gone when it ends."""
    return Path(_directory().name)


def file_of(data: bytes, name: str) -> Path:
    """The file of that name, 0600, holding the bytes and nothing else."""
    path = directory() / name
    path.touch(mode=0o600)
    path.write_bytes(data)
    return path
