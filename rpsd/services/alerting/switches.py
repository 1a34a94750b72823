"""What the record of releases says about upgrades that were rolled back."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rpsd.telemetry import Metrics

RECORD: Final = Path("/opt/rpsd/releases/switches.jsonl")
"""One JSON object a line, written by whoever installs a release; absent where rpsd runs from elsewhere."""
_MOST_BYTES: Final = 1 << 20
_ROLLED_BACK: Final = "rolled_back"


class Switches:
    """Follows the record; reads it again only when it has changed."""

    def __init__(self, file: Path = RECORD) -> None:
        self._file = file
        self._stamp: tuple[int, int] | None = None
        self._counted = 0
        self._told: str | None = None

    def look(self, metrics: Metrics) -> str | None:
        """A sentence when the last switch was rolled back, else None; counts the metric up. A system call when nothing has changed."""
        try:
            found = self._file.stat()
            if self._stamp != (stamp := (found.st_mtime_ns, found.st_size)):
                self._read(metrics)
                self._stamp = stamp
        except OSError:
            self._told = None
        return self._told

    def _read(self, metrics: Metrics) -> None:
        with self._file.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _MOST_BYTES))
            lines = file.read().splitlines()
        known = [switch for line in lines if (switch := _switch(line)) is not None]
        switches = [switch for switch in known if switch.get("outcome") != "refused"]  # those changed nothing
        rolled_back = sum(switch.get("outcome") == _ROLLED_BACK for switch in switches)
        metrics.upgrade_rollbacks_total.inc(max(0, rolled_back - self._counted))
        self._counted = max(self._counted, rolled_back)
        last: Mapping[str, Any] = switches[-1] if switches else {}
        self._told = None
        if last.get("outcome") == _ROLLED_BACK:
            self._told = f"The upgrade to {last.get('to', 'a new release')} was rolled back: {last.get('reason') or 'it gave no reason'}."


def _switch(line: bytes) -> dict[str, Any] | None:
    """The object of a line; None for a line that was torn."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
