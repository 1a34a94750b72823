"""The composition root: opens, warms, closes, and starts without numerics."""

import subprocess
import sys
from functools import partial

import pytest

from rpsd.config import read
from rpsd.core.errors import DirectoryLocked
from rpsd.services.wiring import open_services


def test_a_second_opening_is_refused_and_a_closed_one_frees_the_directory(services) -> None:
    with pytest.raises(DirectoryLocked):
        open_services(services.settings, worker=False)
    services.close()
    services.close()
    open_services(services.settings, worker=False).close()


def test_who_leaves_warms_no_more(services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading kernels beside the end would hold up both."""
    from rpsd.kernels import jit

    loaded: list[str] = []
    first, second = partial(loaded.append, "first"), partial(loaded.append, "second")
    monkeypatch.setattr(jit, "WARMERS", (first, partial(lambda _name: services.leave(), "leaves"), second))
    services.warm()
    assert loaded == ["first"]
    assert services.health.kernels_warm is False


def test_warm_makes_the_kernels_ready(services) -> None:
    assert services.health.kernels_warm is False
    services.warm()
    services.warm()
    assert services.health.kernels_warm is True


@pytest.mark.parametrize("cached", [True, False])
def test_who_asks_waits_for_kernels_that_are_loaded_and_not_for_those_that_are_compiled(
    services, monkeypatch: pytest.MonkeyPatch, cached: bool
) -> None:
    from rpsd.kernels import jit

    seen: list[set[str]] = []

    def look(_name: str = "") -> None:
        seen.append(set(services.loading))

    monkeypatch.setattr(jit, "is_cached", lambda: cached)
    monkeypatch.setattr("rpsd.kernels.wavelet.warm", look)
    monkeypatch.setattr(jit, "WARMERS", (partial(look, "later"),))
    services.warm()
    assert seen == ([{"denoise", "regimes", "books"}, {"regimes", "books"}] if cached else [set(), set()])
    assert not services.loading


def test_a_warm_up_that_fails_lets_everybody_go_on(services, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError("no room")

    monkeypatch.setattr("rpsd.kernels.wavelet.warm", fail)
    with pytest.raises(OSError, match="no room"):
        services.warm()
    assert not services.loading


def test_with_a_worker_the_answer_is_the_same(tmp_path, services) -> None:
    from tests.unit.services.conftest import daily, two_moods
    from tests.unit.services.regime.test_regime import END, START

    settings = read(environ={"RPSD_STORAGE__DATA_DIR": str(tmp_path / "other")})
    with open_services(settings) as served:
        for one in (served, services):
            one.series.append("X", "1d", daily(two_moods(300)))
        far, near = (one.regime.detect("X", START, END, regime_type="2_state") for one in (served, services))
        assert far["regimes"] == near["regimes"]


def test_the_services_start_without_any_numerics() -> None:
    heavy = ("numba", "pywt", "scipy", "hmmlearn", "rpsd.denoise", "rpsd.regime", "rpsd.kernels.csv")
    code = f"import sys, rpsd.services.wiring, rpsd.services.intake.ingest; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
