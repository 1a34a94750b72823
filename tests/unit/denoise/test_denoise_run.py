"""The whole answer: defined outcomes, purity, scales, sessions, back-off, causality."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from rpsd.core.errors import (
    BadParameter,
    BadRows,
    GuardrailFailed,
    InvalidRequest,
    NotFinite,
    NotPositive,
    RpsdError,
    TooShort,
    UnknownMethod,
)
from rpsd.core.parameters import GuardrailParameters
from rpsd.denoise.run import denoise

MINUTE = 60_000_000_000
CAUSAL: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("kalman", {}),
    ("kalman", {"ratio": 0.25}),
    ("kalman", {"window": 64, "refit_every": 7, "strength": 0.5}),
    ("ema", {"span": 5.0}),
)


def walk(n: int, seed: int = 0, noise: float = 2.0) -> np.ndarray:
    """A random walk plus noise around 100."""
    rng = np.random.default_rng(seed)
    return 100.0 + 0.01 * (np.cumsum(rng.normal(size=n)) + noise * rng.normal(size=n))


def session_times(n: int, per_session: int) -> np.ndarray:
    """Minutes in sessions, a day apart."""
    day = np.arange(n) // per_session
    return day * 86_400_000_000_000 + (np.arange(n) % per_session) * MINUTE


def test_default_removes_most_of_the_noise() -> None:
    rng = np.random.default_rng(1)
    x = 100.0 + 0.01 * np.cumsum(rng.normal(size=2000))
    y = x + 0.02 * rng.normal(size=2000)
    answer = denoise(y)
    assert answer.action == "accepted"
    assert answer.passed
    assert not answer.causal
    risk = float(np.mean((answer.values - x) ** 2)) / 0.02**2
    assert risk < 0.4
    assert answer.guardrails["risk"].value == pytest.approx(risk, abs=0.06)
    assert 50.0 < answer.quality_score < 100.0
    assert "auto" in answer.evidence


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.arange(15.0), "too few"),
        (np.full(50, 7.0), "constant"),
        (np.array([1.0]), "too few"),
        (np.arange(100.0), "no noise"),
    ],
)
def test_nothing_to_denoise_returns_the_original(values: np.ndarray, reason: str) -> None:
    answer = denoise(values)
    assert answer.action == "returned_original"
    assert reason in answer.reason
    assert not answer.passed
    assert answer.quality_score == 0.0
    assert (answer.values == values).all()


def test_all_missing_returns_the_original() -> None:
    answer = denoise(np.full(30, np.nan), fill="bridge")
    assert answer.action == "returned_original"
    assert "missing" in answer.reason


def test_arguments_stay_untouched_and_read_only_ones_work() -> None:
    y, t = walk(300), session_times(300, 100)
    before = y.copy()
    y.flags.writeable = False
    t.flags.writeable = False
    for method in ("auto", "wavelet", "kalman", "ema"):
        answer = denoise(y, t=t, method=method)
        assert (y == before).all()
        assert not np.shares_memory(answer.values, y)


@pytest.mark.parametrize("method", ["auto", "wavelet", "kalman", "ema"])
def test_equal_requests_give_equal_answers(method: str) -> None:
    a, b = (denoise(walk(500), method=method, seed=4) for _ in range(2))
    assert (a.values == b.values).all()
    assert (a.guardrails, a.quality_score) == (b.guardrails, b.quality_score)


@pytest.mark.parametrize(
    ("change", "error", "pointer"),
    [
        ({"y": np.array([1.0, np.nan] * 20)}, NotFinite, "/values/1"),
        ({"y": np.array([1.0, np.inf] * 20), "fill": "bridge"}, NotFinite, "/values/1"),
        ({"y": np.empty(0)}, TooShort, "/values"),
        ({"y": np.ones((4, 5))}, BadRows, "/values"),
        ({"t": np.zeros(40, np.int64)}, BadRows, "/t/1"),
        ({"t": np.arange(39)}, BadRows, "/t"),
        ({"method": "magic"}, UnknownMethod, "/method"),
        ({"method": "wavelet", "causality": "causal"}, UnknownMethod, "/method"),
        ({"causality": "later"}, InvalidRequest, "/causality"),
        ({"lag": 3}, InvalidRequest, "/lag"),
        ({"causality": "causal", "lag": 3}, InvalidRequest, "/lag"),
        ({"causality": "lag", "lag": 0}, InvalidRequest, "/lag"),
        ({"method": "wavelet", "causality": "lag", "lag": 3}, UnknownMethod, "/method"),
        ({"scale": "furlong"}, InvalidRequest, "/scale"),
        ({"fill": "zero"}, InvalidRequest, "/fill"),
        ({"params": {"wavelet": "db99"}}, BadParameter, "/params/wavelet"),
        ({"params": {"level": 0}}, BadParameter, "/params/level"),
        ({"method": "ema", "params": {"level": 2}}, BadParameter, "/params/level"),
        ({"y": walk(40) - 200.0, "scale": "log"}, NotPositive, "/values/0"),
        ({"y": np.r_[np.nan, walk(40)], "fill": "bridge", "causality": "causal"}, NotFinite, "/values/0"),
    ],
)
def test_refusals_name_the_place(change: dict[str, Any], error: type[RpsdError], pointer: str) -> None:
    request: dict[str, Any] = {"y": walk(40)} | change
    with pytest.raises(error) as caught:
        denoise(request.pop("y"), **request)
    assert caught.value.errors[0].pointer == pointer


def test_bridge_is_stated_and_one_gap_does_not_spread() -> None:
    y = walk(400)
    holed = y.copy()
    holed[[100, 101, 399]] = np.nan
    answer = denoise(holed, fill="bridge")
    assert np.isfinite(answer.values).all()
    assert answer.evidence["bridged"] == {"missing": 3, "how": "straight line between neighbours"}
    causal = denoise(holed, fill="bridge", causality="causal")
    assert causal.evidence["bridged"]["how"] == "last value carried forward"


@pytest.mark.parametrize("method", ["wavelet", "kalman", "ema"])
def test_sessions_are_filtered_apart(method: str) -> None:
    y = walk(600)
    t = session_times(600, 200)
    whole = denoise(y, t=t, method=method, scale="price", guardrails=GuardrailParameters(policy="none"))
    assert whole.evidence["sessions"] == {"count": 3, "too_short": 0}
    other = y.copy()
    other[:400] += 50.0 * np.sin(np.arange(400.0))
    moved = denoise(other, t=t, method=method, scale="price", guardrails=GuardrailParameters(policy="none"))
    assert (whole.values[400:] == moved.values[400:]).all()


def test_short_sessions_come_back_untouched() -> None:
    y, t = walk(230), session_times(230, 220)
    answer = denoise(y, t=t, method="wavelet")
    assert answer.evidence["sessions"] == {"count": 2, "too_short": 1}
    assert (answer.values[220:] == y[220:]).all()
    only_short = denoise(walk(70), t=session_times(70, 7))
    assert only_short.action == "returned_original"
    assert "session" in only_short.reason


def test_weekends_and_holidays_are_no_gaps_in_daily_bars() -> None:
    days = np.arange("2023-03-01", "2023-06-01", dtype="datetime64[D]")
    trading = days[np.is_busday(days, holidays=["2023-04-07", "2023-04-10"])]  # Good Friday, Easter Monday
    t = trading.astype("datetime64[ns]").astype(np.int64)
    for method in ("wavelet", "ema"):
        assert denoise(walk(t.size), t=t, method=method).evidence["sessions"]["count"] == 1
    holed = np.delete(t, slice(20, 30))
    assert denoise(walk(holed.size), t=holed, method="wavelet").evidence["sessions"]["count"] == 2


def test_scattered_ticks_are_not_cut_to_pieces() -> None:
    gaps = np.random.default_rng(0).exponential(1e9, 999).astype(np.int64) + 1
    t = np.r_[0, np.cumsum(gaps)]
    for method in ("wavelet", "kalman"):
        assert denoise(walk(1000), t=t, method=method).evidence["sessions"]["count"] == 1


@pytest.mark.parametrize("method", ["wavelet", "kalman", "ema"])
def test_log_scale_is_price_scale_of_the_logarithm(method: str) -> None:
    y = walk(300)
    free = GuardrailParameters(policy="none")
    on_log = denoise(y, scale="log", method=method, guardrails=free).values
    expected = np.exp(denoise(np.log(y), scale="price", method=method, guardrails=free).values)
    assert np.abs(on_log / expected - 1.0).max() < 1e-13


def test_return_scale_filters_returns_and_starts_at_the_first_price() -> None:
    y = walk(300)
    free = GuardrailParameters(policy="none")
    shown = denoise(y, scale="return", method="wavelet", guardrails=free).values
    returns = denoise(np.diff(np.log(y)), scale="price", method="wavelet", guardrails=free).values
    assert shown[0] == y[0]
    assert np.abs(np.diff(np.log(shown)) - returns).max() < 1e-12


def test_auto_scale() -> None:
    assert denoise(walk(100)).scale == "price"
    grows = np.exp(np.linspace(0.0, 2.0, 200)) * walk(200) / 100.0
    assert denoise(grows).scale == "log"
    assert denoise(grows, causality="causal").scale == "price"  # a causal run cannot know how far it will go
    assert denoise(-grows).scale == "price"


def test_integer_prices_are_not_rescaled() -> None:
    y = np.round(100.0 * walk(500))
    answer = denoise(y)
    assert np.isfinite(answer.values).all()
    assert abs(float(np.median(answer.values / y)) - 1.0) < 1e-3


@pytest.mark.parametrize("method", ["wavelet", "kalman", "ema"])
@pytest.mark.parametrize(("factor", "shift"), [(8.0, 0.0), (0.25, 1024.0), (1.0, -256.0)])
def test_scale_and_shift_pass_through(method: str, factor: float, shift: float) -> None:
    y = walk(400)
    a, b = (denoise(v, scale="price", method=method) for v in (y, factor * y + shift))
    assert np.abs(b.values - (factor * a.values + shift)).max() < 1e-9 * np.abs(factor * y + shift).max()
    assert a.action == b.action
    assert b.noise_sigma == pytest.approx(factor * a.noise_sigma, rel=1e-6)


def smooth_case() -> np.ndarray:
    """Bumps, from which the low pass cuts the peaks."""
    x = np.zeros(1024)
    x[::64] = 40.0
    kernel = np.exp(-np.abs(np.arange(-8, 9)) / 2.0)
    return np.convolve(x, kernel, "same") + np.random.default_rng(2).normal(size=1024)


def test_back_off_halves_the_strength_until_all_pass() -> None:
    answer = denoise(smooth_case(), method="wavelet")
    assert answer.action in ("backed_off", "returned_original")
    strengths = [row["strength"] for row in answer.trace]
    assert strengths == [1.0 / 2**k for k in range(len(strengths))]
    assert len(strengths) <= 7
    assert answer.trace[0]["failed"]
    if answer.action == "backed_off":
        assert not answer.trace[-1]["failed"]
        assert answer.passed
        assert answer.params["strength"] == strengths[-1]


def test_hopeless_case_returns_the_original_with_the_reason() -> None:
    y = smooth_case()
    answer = denoise(y, method="wavelet", guardrails=GuardrailParameters(policy="classic", correlation_threshold=1.0, rmse_threshold=0.0))
    assert answer.action == "returned_original"
    assert (answer.values == y).all()
    assert len(answer.trace) == 7
    assert "rmse" in answer.reason
    assert not answer.passed
    assert answer.quality_score == 0.0
    assert answer.variance_reduction == 0.0


def test_flag_keeps_the_result_and_reject_refuses_it() -> None:
    y = smooth_case()
    flagged = denoise(y, method="wavelet", guardrails=GuardrailParameters(on_failure="flag"))
    assert flagged.action == "flagged"
    assert not flagged.passed
    assert not (flagged.values == y).all()
    with pytest.raises(GuardrailFailed) as caught:
        denoise(y, method="wavelet", guardrails=GuardrailParameters(on_failure="reject"))
    assert caught.value.errors[0].pointer.startswith("/guardrails/")


def test_policy_none_judges_nothing() -> None:
    answer = denoise(walk(300), guardrails=GuardrailParameters(policy="none"))
    assert answer.guardrails == {}
    assert not answer.passed
    assert answer.action == "accepted"


def test_identity_scores_nothing() -> None:
    answer = denoise(walk(1000), params={"strength": 0.0, "use_fir_filter": False}, guardrails=GuardrailParameters(on_failure="flag"))
    assert answer.guardrails["risk"].value == pytest.approx(1.0, abs=0.01)
    assert answer.quality_score < 1.0
    assert "nothing_removed" in [w.code for w in answer.warnings]
    classic = [answer.guardrails[name].passed for name in ("correlation", "rmse", "trend", "power")]
    assert all(classic)  # which is why the classic four cannot be the judge


@pytest.mark.parametrize(("method", "params"), CAUSAL)
@pytest.mark.parametrize("scale", ["auto", "log", "return"])
def test_prefix_of_the_result_is_the_result_of_the_prefix(method: str, params: Mapping[str, Any], scale: str) -> None:
    rng = np.random.default_rng(9)
    y = walk(900, seed=9)
    y[500:] *= 3.0
    y[700:] += rng.standard_cauchy(200)
    y = np.abs(y) + 1.0
    t = session_times(900, 180)
    y[[30, 31, 610]] = np.nan
    whole = denoise(y, t=t, method=method, params=params, scale=scale, fill="bridge").values
    for m in (1, 9, 15, 16, 17, 40, 181, 190, 359, 512, 611, 899):
        part = denoise(y[:m], t=t[:m], method=method, params=params, scale=scale, fill="bridge").values
        assert (part == whole[:m]).all(), m


@pytest.mark.parametrize("n", [16, 40, 200])
def test_constant_beginning_is_causal_too(n: int) -> None:
    y = np.r_[np.full(200, 0.1), walk(100)]
    for scale in ("price", "log", "return"):
        whole = denoise(y, method="kalman", scale=scale).values
        assert (denoise(y[:n], method="kalman", scale=scale).values == whole[:n]).all()


def test_causal_results_are_flagged_never_weakened() -> None:
    y = smooth_case()
    backed = denoise(y, method="ema")
    flagged = denoise(y, method="ema", guardrails=GuardrailParameters(on_failure="flag"))
    assert backed.action == "flagged"
    assert "causal" in backed.reason
    assert (backed.values == flagged.values).all()


def _sharpe(values: np.ndarray, y: np.ndarray) -> float:
    """t statistic of holding the sign of the last denoised step over the next step."""
    gains = np.sign(np.diff(values)[:-1]) * np.diff(y)[1:]
    return float(gains.mean() / gains.std() * np.sqrt(gains.size))


@pytest.mark.parametrize(("method", "params"), CAUSAL)
def test_causal_methods_do_not_know_the_future_of_random_walks(method: str, params: Mapping[str, Any]) -> None:
    walks = [np.cumsum(np.random.default_rng(seed).normal(size=4000)) for seed in range(6)]
    scores = [_sharpe(denoise(y, method=method, params=params, scale="price").values, y) for y in walks]
    assert abs(sum(scores)) / np.sqrt(len(scores)) < 3.0


def test_hindsight_does_know_it() -> None:
    walks = [np.cumsum(np.random.default_rng(seed).normal(size=4000)) for seed in range(6)]
    free = GuardrailParameters(policy="none")
    scores = [_sharpe(denoise(y, method="wavelet", guardrails=free, scale="price").values, y) for y in walks]
    assert sum(scores) / np.sqrt(len(scores)) > 10.0


def test_guardrails_do_not_deny_a_random_walk_its_moves() -> None:
    answer = denoise(np.cumsum(np.random.default_rng(3).normal(size=4000)), method="wavelet")
    assert answer.action in ("backed_off", "returned_original")  # there is no noise to remove
