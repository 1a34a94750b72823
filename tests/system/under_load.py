"""Load while something happens to the service, and what the clients had of it."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from tests.conftest import ROOT
from tests.system.installed import Appliance
from tests.system.load import SYMBOL

RATE: Final = 60.0  # requests a second, half of them over fresh connections


@dataclass
class Tally:
    """What the clients met, and when what they met it in began (monotonic seconds)."""

    moments: list[float] = field(default_factory=list)
    due: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    failed: dict[str, int] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)

    def mark(self) -> None:
        """Something begins now."""
        self.moments.append(time.monotonic())

    @property
    def worst(self) -> list[float]:
        """The longest wait of a request from shortly before each moment until the next."""
        due, waits = np.array(self.due), np.array(self.waits)
        ends = [*self.moments[1:], np.inf]
        return [float(waits[(due > begin - 0.5) & (due <= end - 0.5)].max()) for begin, end in zip(self.moments, ends, strict=True)]

    def sentence(self) -> str:
        """The tally in words."""
        worst, waits = np.array(self.worst), np.array(self.waits)
        failed = ", ".join(f"{count} {why}" for why, count in self.failed.items()) or "none"
        return (
            f"{len(self.moments)} under {RATE:.0f} requests/s ({sum(self.kinds.values())}, half on fresh connections, a third are writes); "
            f"failed: {failed}; longest wait of each: median {np.median(worst):.2f} s, p99 {np.percentile(worst, 99):.2f} s; "
            f"all requests p50 {1e3 * np.median(waits):.0f} ms, p99 {np.percentile(waits, 99):.2f} s"
        )


@contextlib.contextmanager
def loaded(appliance: Appliance) -> Iterator[Tally]:
    """Clients ask while the body runs; afterwards the tally is complete."""
    client = subprocess.Popen(
        appliance.machine.reaching(sys.executable, "-m", "tests.system.load", "8000", str(RATE)),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True,
    )  # fmt: skip
    tally = Tally()
    try:
        assert client.stdin is not None
        assert client.stdout is not None
        client.stdin.write(appliance.key + "\n")
        client.stdin.flush()
        assert client.stdout.readline() == "asking\n"
        time.sleep(1.0)
        yield tally
        time.sleep(2.0)
        told = json.loads(client.communicate(timeout=60)[0])
    finally:
        client.kill()
        client.wait()
    for name, value in told.items():
        setattr(tally, name, value)


def rows_there(appliance: Appliance) -> set[int]:
    """The rows of the load that can be read now."""
    found: set[int] = set()
    path = f"/api/v1/series/{SYMBOL}/1m/samples?limit=1000000&columns=close"
    while path:
        told = appliance.json("GET", path)
        found.update(int(value) for value in told["close"])
        path = f"/api/v1/series/{SYMBOL}/1m/samples?limit=1000000&columns=close&start={told['next']}" if told.get("next") else ""
    return found
