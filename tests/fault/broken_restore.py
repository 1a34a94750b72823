"""`rpsd` whose restore does not switch by a rename: it writes over the live database, piece by piece. For the failing control."""

import time
from pathlib import Path
from typing import Any

from rpsd.__main__ import main
from rpsd.store.db import FILE_NAME

PIECE = 1 << 14
_replace = Path.replace


def overwrite(self: Path, target: Any) -> Path:
    """Path.replace() for everything but the database."""
    if Path(target).name != FILE_NAME:
        return _replace(self, target)
    content = self.read_bytes()
    with Path(target).open("r+b", buffering=0) as live:
        for at in range(0, len(content), PIECE):
            live.write(content[at : at + PIECE])
            time.sleep(0.02)
        live.truncate(len(content))
    self.unlink()
    return Path(target)


if __name__ == "__main__":
    Path.replace = overwrite  # type: ignore[method-assign]
    main()
