"""What every test shares: where kernels are cached, how hypothesis searches, a data directory and a clock that tests turn."""

import io
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent
os.environ.setdefault("NUMBA_CACHE_DIR", str(ROOT / ".cache" / "numba"))  # before any test imports numba
for name in [name for name in os.environ if name.startswith("RPSD_") and not name.startswith("RPSD_FAULT_")]:
    del os.environ[name]  # the tester's own settings must not reach the code under test

# derandomize: a red test is red again on the next run; `deep` is for a search by hand (HYPOTHESIS_PROFILE=deep).
settings.register_profile("ci", deadline=None, max_examples=40, derandomize=True)
settings.register_profile("deep", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

START_NS = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z


@dataclass
class Clock:
    """Simulated time in nanoseconds since 1970 UTC: call it to read, advance it to wait."""

    now_ns: int = START_NS

    def __call__(self) -> int:
        return self.now_ns

    def advance(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)


@pytest.fixture
def root() -> Path:
    """The project's directory."""
    return ROOT


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A fresh data directory that only its owner can read, as `rpsd init` makes it."""
    directory = tmp_path / "data"
    directory.mkdir(mode=0o700)
    return directory


@pytest.fixture
def logged() -> Iterator[Callable[[], str]]:
    """Says what has been logged since the test began, and ends the log."""
    from rpsd.telemetry import configure_logging  # tests of core need none of it

    stream = io.BytesIO()
    writer, root = configure_logging(stream=stream), logging.getLogger()

    def told() -> str:
        writer.close()
        return stream.getvalue().decode()

    yield told
    writer.close()
    root.handlers = [handler for handler in root.handlers if type(handler).__name__ != "_Foreign"]
