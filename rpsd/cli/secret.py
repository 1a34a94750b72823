"""Files that hold secrets."""

import os
from pathlib import Path


def write_secret(file: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all; written by root, it is the directory's owner's."""
    partial = file.with_name(f"{file.name}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        if os.geteuid() == 0:
            owner = file.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        stream.write(text + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(file)
