"""Answers that wait for a few samples, and the 95 % band, on a method made for the test: the mean of the next samples and the last one."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from rpsd.core.catalogue import Method, Stream
from rpsd.core.errors import InvalidRequest
from rpsd.core.market import Vector
from rpsd.core.parameters import GuardrailParameters, bounded
from rpsd.denoise import door
from rpsd.denoise.run import denoise

FREE = GuardrailParameters(policy="none")
DAY, MINUTE = 86_400_000_000_000, 60_000_000_000


@dataclass(frozen=True, slots=True)
class WaitParameters:
    """Samples to wait for."""

    lag: int = bounded(5, "Samples to wait for.", ge=1, le=256)
    strength: float = bounded(1.0, "Share of the correction.", ge=0.0, le=1.0)


def start(params: WaitParameters) -> Vector:
    return np.full(params.lag, np.nan)


def advance(state: Vector, y: Vector, params: WaitParameters) -> tuple[Vector, Vector]:
    seen = np.concatenate([state, y])
    state[:] = seen[-params.lag :]
    x = np.array([seen[i : i + params.lag + 1].mean() for i in range(y.size)])  # NaN until `lag` samples have come
    return x, np.where(np.isnan(x), np.nan, 0.5)


def flush(state: Vector, params: WaitParameters) -> tuple[Vector, Vector]:
    known = state[~np.isnan(state)]
    return np.array([known[i:].mean() for i in range(known.size)]), np.full(known.size, 0.75)


def run(y: Vector, params: WaitParameters) -> Vector:
    state = start(params)
    waited, _ = advance(state, y, params)
    x = np.concatenate([waited[params.lag :], flush(state, params)[0]])
    return np.asarray(y + params.strength * (x - y))


WAITS = Method("waits", False, WaitParameters, run, "", "O(n)", "", Stream(start, advance, flush), lambda params: int(params.lag))


@pytest.fixture(autouse=True)
def one_more_method(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(door, "METHODS", (*door.METHODS, WAITS))
    yield


def walk(n: int, seed: int = 0) -> Vector:
    """A random walk plus noise around 100."""
    rng = np.random.default_rng(seed)
    return np.asarray(100.0 + np.cumsum(rng.normal(size=n)) * 0.1 + 0.5 * rng.normal(size=n))


def minutes(n: int, per_session: int) -> np.ndarray:
    """Minutes in sessions, a day apart."""
    return (np.arange(n) // per_session) * DAY + (np.arange(n) % per_session) * MINUTE


def test_an_answer_with_a_lag_says_so() -> None:
    answer = denoise(walk(300), method="waits", causality="lag", lag=7)
    assert (answer.lag, answer.causal, answer.params["lag"]) == (7, False, 7)
    warned = {w.code: w.detail for w in answer.warnings}
    assert warned["provisional_values"].startswith("the last 7 values")
    assert denoise(walk(300), method="waits", causality="lag").lag == 5  # the method's own
    assert denoise(walk(300), method="waits").lag == 5  # without a request for it, too
    assert denoise(walk(300), method="kalman", causality="lag", lag=7).lag == 0  # a causal method need not wait


def test_the_lag_stands_in_one_place() -> None:
    assert denoise(walk(300), method="waits", causality="lag", lag=7, params={"lag": 7}).lag == 7
    assert denoise(walk(300), method="waits", causality="lag", params={"lag": 9}).lag == 9
    with pytest.raises(InvalidRequest) as caught:
        denoise(walk(300), method="waits", causality="lag", lag=7, params={"lag": 9})
    assert caught.value.errors[0].pointer == "/lag"


@pytest.mark.parametrize("scale", ["auto", "log", "return"])
def test_all_but_the_last_values_are_final(scale: str) -> None:
    y, t = walk(700), minutes(700, 180)
    y[400:] *= 3.0
    y[[30, 31, 610]] = np.nan
    whole = denoise(y, t=t, method="waits", causality="lag", lag=4, scale=scale, fill="bridge").values
    for m in (15, 16, 17, 19, 20, 40, 179, 180, 181, 184, 190, 359, 512, 611, 699):
        part = denoise(y[:m], t=t[:m], method="waits", causality="lag", lag=4, scale=scale, fill="bridge").values
        assert (part[: max(m - 4, 0)] == whole[: max(m - 4, 0)]).all(), m
    part = denoise(y[:600], t=t[:600], method="waits", causality="lag", lag=4, scale=scale, fill="bridge").values
    assert (part != whole[:600])[-4:].any()  # those were provisional


def test_a_result_with_a_lag_is_flagged_never_weakened() -> None:
    y = walk(600) + 30.0 * (np.arange(600) % 100 == 50)
    answer = denoise(y, method="waits", causality="lag", lag=20)
    assert answer.action == "flagged"
    assert "lag 20" in answer.reason
    assert (answer.values == denoise(y, method="waits", causality="lag", lag=20, guardrails=FREE).values).all()


def test_band_on_the_price_scale() -> None:
    y = walk(300)
    answer = denoise(y, method="waits", band=True, scale="price", guardrails=FREE)
    assert answer.lower is not None
    assert answer.upper is not None
    assert answer.deviation is not None
    assert np.isnan(answer.lower[:15]).all()  # there the input is shown
    assert answer.deviation[15:295] == pytest.approx(0.5)
    assert answer.deviation[295:] == pytest.approx(0.75)  # of provisional values less is known
    assert (answer.upper - answer.values)[15:] == pytest.approx(1.959964 * answer.deviation[15:])
    assert (answer.values - answer.lower)[15:] == pytest.approx(1.959964 * answer.deviation[15:])
    assert denoise(y, method="waits", guardrails=FREE).lower is None


def test_band_on_the_log_scale_is_that_of_the_logarithm() -> None:
    y = walk(300)
    answer = denoise(y, method="waits", band=True, scale="log", guardrails=FREE)
    assert answer.lower is not None
    assert answer.upper is not None
    assert np.log(answer.upper / answer.values)[15:295] == pytest.approx(1.959964 * 0.5)
    assert np.log(answer.values / answer.lower)[15:295] == pytest.approx(1.959964 * 0.5)
    assert answer.deviation is not None
    assert answer.deviation[15:295] == pytest.approx(0.5 * answer.values[15:295])


def test_no_band_where_nothing_was_filtered_or_seen() -> None:
    y, t = walk(230), minutes(230, 220)
    y[100] = np.nan
    answer = denoise(y, t=t, method="waits", band=True, fill="bridge", guardrails=FREE)
    assert answer.lower is not None
    assert np.isnan(answer.lower[220:]).all()  # a session of ten
    assert np.isnan(answer.lower[100])
    assert np.isfinite(answer.lower[15:100]).all()


@pytest.mark.parametrize(
    ("how", "reason"), [({"scale": "return"}, "add up"), ({"method": "wavelet"}, "no model"), ({"method": "ema"}, "no model")]
)
def test_a_band_that_cannot_be_had_is_empty_with_the_reason(how: dict[str, str], reason: str) -> None:
    answer = denoise(walk(300), **({"method": "waits", "guardrails": FREE} | how), band=True)  # type: ignore[arg-type]
    assert answer.lower is not None
    assert np.isnan(answer.lower).all()
    assert reason in {w.code: w.detail for w in answer.warnings}["band_unavailable"]


def test_an_untouched_series_has_no_band() -> None:
    answer = denoise(np.full(50, 7.0), method="waits", band=True)
    assert answer.action == "returned_original"
    assert answer.upper is not None
    assert np.isnan(answer.upper).all()
