"""The configuration file: YAML as an operator writes it."""

from contextlib import suppress

from rpsd.config import read
from rpsd.core.errors import RpsdError
from tests.fault.fuzz.targets.place import file_of


def one(data: bytes) -> None:
    """Read the file as the start does."""
    with suppress(RpsdError):
        read(file_of(data, "config.yaml"), environ={})
