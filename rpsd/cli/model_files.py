"""Model files on the disk of whoever calls."""

from pathlib import Path

from rpsd.core.errors import UnknownFile


def read_whole(file: Path) -> bytes:
    """The bytes of a file. Raises UnknownFile."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise UnknownFile(f"{file}: {error.strerror}") from error


def write_whole(place: Path, name: str, data: bytes) -> Path:
    """Write the bytes to a file, or into a directory under a name of letters and digits; nobody finds half of it. Raises UnknownFile."""
    plain = "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in name)
    final = place / f"{plain}.rpsdmodel" if place.is_dir() else place
    partial = final.with_name(f"{final.name}.partial")
    try:
        partial.write_bytes(data)
        partial.replace(final)
    except OSError as error:
        raise UnknownFile(f"{final}: {error.strerror}") from error
    return final
