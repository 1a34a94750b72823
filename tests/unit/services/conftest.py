"""Services on a real data directory, with a clock that the test turns and fits in the calling thread."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rpsd.config import read
from rpsd.core import instant
from rpsd.core.market import DAY_NS, Samples
from rpsd.services import inbox
from rpsd.services.wiring import Services, open_services
from tests.conftest import Clock

NOW_NS = instant.parse("2024-06-03T12:00:00Z")


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW_NS)


@pytest.fixture
def services(tmp_path: Path, clock: Clock) -> Iterator[Services]:
    settings = read(environ={"RPSD_STORAGE__DATA_DIR": str(tmp_path / "data"), "RPSD_STORAGE__MIN_FREE_BYTES": "1MiB"})
    with open_services(settings, clock=clock, worker=False) as opened:
        yield opened


@pytest.fixture
def folder(services: Services, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The inbox, empty, where files count as whole after a moment."""
    monkeypatch.setattr(inbox, "_SETTLE_SECONDS", 0.02)
    services.settings.inbox.dir.mkdir(parents=True)
    return services.settings.inbox.dir


def two_moods(n: int, seed: int = 7) -> np.ndarray:
    """Prices (n,) that switch every 60 days between calm rises and wild falls."""
    rng = np.random.default_rng(seed)
    wild = (np.arange(n) // 60) % 2 == 1
    returns = np.where(wild, rng.normal(-0.002, 0.025, n), rng.normal(0.001, 0.006, n))
    return 100 * np.exp(np.cumsum(returns))


def daily(prices: np.ndarray, last: str = "2024-05-31") -> Samples:
    """Daily bars that end on a day."""
    n = prices.size
    t = instant.parse(last) + (np.arange(n, dtype=np.int64) - n + 1) * DAY_NS
    return Samples(t, {"close": np.array(prices, np.float64)})
