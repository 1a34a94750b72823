"""Side by side: what looking ahead pretends is told, and the summary is not taken in by it."""

from typing import Any

import numpy as np
import pytest

from rpsd.core.parameters import GuardrailParameters
from rpsd.denoise import compare, run

FIR = {"params": {"use_fir_filter": True}, "guardrails": GuardrailParameters(policy="none")}


def asked(method: str = "wavelet", causality: str = "hindsight", **more: Any) -> dict[str, Any]:
    base = {
        "method": method,
        "causality": causality,
        "lag": None,
        "band": False,
        "scale": "auto",
        "fill": "none",
        "params": {},
        "defaults": {},
    }
    return base | {"guardrails": GuardrailParameters()} | more


def walk(n: int = 1500, seed: int = 3) -> np.ndarray:
    """A pure random walk: nothing can be foretold, and nothing is noise."""
    return 100 + 0.1 * np.cumsum(np.random.default_rng(seed).normal(size=n))


def noisy(n: int = 1500, seed: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 100 + 0.1 * np.cumsum(rng.normal(size=n)) + 0.3 * rng.normal(size=n)


@pytest.mark.parametrize("method", ["savgol", "tv", "kalman_smoother", "imm"])
def test_a_log_scale_that_spans_float64_has_finite_figures(method: str) -> None:
    y = 10.0 ** np.random.default_rng(5).uniform(-300.0, 69.0, 200)
    found = compare.side("a", y, None, asked(method, scale="log"), compare.endpoints(200, 16))
    assert (found.result.values > 0.0).all()
    figures = [found.revision, *(one.value for one in (found.leakage, found.sharpe, found.leakage_as_of, found.sharpe_as_of))]
    assert all(np.isfinite(figure) for figure in figures if figure is not None)


def test_endpoints_leave_room_on_both_sides() -> None:
    rows = compare.endpoints(1000, 32)
    assert (rows[0], rows[-1], rows.size) == (250, 998, 32)
    assert np.array_equal(compare.endpoints(20, 32), [16, 17, 18])
    assert compare.endpoints(17, 32).size == compare.endpoints(1, 32).size == 0


@pytest.mark.parametrize("seed", range(4))
def test_hindsight_pretends_on_a_random_walk_and_the_endpoints_do_not(seed: int) -> None:
    y = walk(seed=seed)
    side = compare.side("classic", y, None, asked(**FIR), compare.endpoints(y.size, 200))
    assert side.leakage.value > 5 * side.leakage.standard_error
    assert side.sharpe.value > 5 * side.sharpe.standard_error
    assert abs(side.leakage_as_of.value) < 4 * side.leakage_as_of.standard_error
    assert abs(side.sharpe_as_of.value) < 4 * side.sharpe_as_of.standard_error


def test_values_as_of_a_row_know_nothing_later() -> None:
    y, rows = noisy(), np.array([700, 900])
    first = compare.side("a", y, None, asked(), rows)
    y[901:] += 50.0
    assert np.array_equal(compare.side("a", y, None, asked(scale="price"), rows).as_of, first.as_of)
    assert first.as_of[0] == run.denoise(noisy()[:701], method="wavelet").values[-1]


def test_the_window_bounds_what_an_endpoint_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "WINDOW", 300)
    y = noisy()
    side = compare.side("a", y, None, asked(), np.array([900]))
    assert side.as_of[0] == run.denoise(y[601:901], method="wavelet").values[-1]


def test_a_causal_setting_is_its_own_endpoint() -> None:
    y, rows = noisy(), compare.endpoints(1500, 32)
    side = compare.side("live", y, None, asked("kalman", "causal"), rows)
    assert side.revision == 0.0
    assert np.array_equal(side.as_of, side.result.values[rows])
    assert (side.leakage, side.sharpe) == (side.leakage_as_of, side.sharpe_as_of)


def test_revision_is_in_sigmas_whatever_the_unit() -> None:
    y, rows = noisy(), compare.endpoints(1500, 32)
    one = compare.side("a", y, None, asked(scale="price"), rows).revision
    other = compare.side("a", 1000.0 * y, None, asked(scale="price"), rows).revision
    unjudged = compare.side("a", y, None, asked(scale="price", params={"use_fir_filter": False}, guardrails=FIR["guardrails"]), rows)
    assert 0.05 < one < 5.0
    assert other == pytest.approx(one, rel=1e-6)
    assert unjudged.revision is not None


def test_the_summary_prefers_what_foretells() -> None:
    y = noisy(4000)
    rows = compare.endpoints(y.size, 256)
    settings = {"kalman": asked("kalman", "causal"), "slow": asked("ema", "causal", params={"span": 500.0}), "auto": asked()}
    sides = [compare.side(label, y, None, how, rows) for label, how in settings.items()]
    told = compare.summary(sides)
    assert told["live"]["best"] in ("kalman", "auto")
    assert "slow" not in told["live"]["not_clearly_worse"]
    assert told["looking_back"]["best"] != "slow"
    assert sides[0].foresight < 1.0 < sides[1].foresight


def test_nothing_to_tell_is_told_as_such() -> None:
    side = compare.side("flat", np.full(200, 5.0), None, asked(), compare.endpoints(200, 32))
    assert (side.leakage.value, side.sharpe.value, side.revision, side.foresight) == (None, None, None, None)
    short = compare.side("short", np.arange(5.0), None, asked(), compare.endpoints(5, 32))
    assert compare.summary([side, short])["live"]["best"] is None


def test_missing_values_and_rejects_are_survived() -> None:
    y = noisy()
    y[40:60] = np.nan
    strict = GuardrailParameters(policy="classic", on_failure="reject", correlation_threshold=1.0)
    side = compare.side("a", y, None, asked(fill="bridge", guardrails=strict), compare.endpoints(y.size, 16))
    assert side.result.action == "flagged"
    assert np.isfinite(side.leakage.value)
