"""A backup archive; it is read past its own digest, since whoever writes the archive writes the digest."""

from contextlib import suppress

from rpsd.core.errors import RpsdError
from rpsd.services.backup import archive
from rpsd.services.backup.service import understood
from tests.fault.fuzz.targets.place import directory, file_of


def one(data: bytes) -> None:
    """Check it, read its manifest, unpack its database."""
    path = file_of(data, "rpsd-1.tar")
    for step in (lambda: archive.check(path), lambda: understood(path), lambda: archive.unpack(path, directory() / "unpacked.db")):
        with suppress(RpsdError):
            step()
    (directory() / "unpacked.db").unlink(missing_ok=True)
