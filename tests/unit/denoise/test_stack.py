"""Stacked series: each row is, bit for bit, what it would be alone."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpsd.core.parameters import GuardrailParameters
from rpsd.denoise import run, stack
from rpsd.denoise.wavelet import filters
from rpsd.kernels import wavelet
from rpsd.kernels.threshold import BAYES, SOFT

NONE = GuardrailParameters(policy="none")


def asked(scale: str = "auto", guardrails: GuardrailParameters = NONE, method: str = "wavelet", **params: Any) -> dict[str, Any]:
    told = {"method": method, "causality": "hindsight", "lag": None, "scale": scale, "fill": "none", "band": False}
    return told | {"params": {"use_fir_filter": False} | params, "guardrails": guardrails, "defaults": {}}


def walks(k: int, n: int, seed: int) -> np.ndarray:
    """Rows of all kinds: prices near 100, prices that double, values around zero."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(k, n))
    rows = 100 + 0.01 * np.cumsum(steps, axis=1) + 0.02 * rng.normal(size=(k, n))
    rows[1::3] = 10 * np.exp(np.cumsum(0.2 * steps[1::3], axis=1))
    rows[2::3] -= 100
    return rows


@settings(max_examples=30, deadline=None)
@given(
    k=st.integers(1, 9),
    n=st.integers(1, 700),
    scale=st.sampled_from(("auto", "price", "log")),
    params=st.fixed_dictionaries(
        {},
        optional={
            "wavelet": st.sampled_from(("haar", "db4", "sym8")),
            "level": st.integers(1, 8),
            "threshold_mode": st.sampled_from(("bayes", "universal")),
            "shrinkage": st.sampled_from(("soft", "hard", "garrote")),
            "noise": st.sampled_from(("finest", "per_level")),
            "strength": st.floats(0.0, 1.0),
        },
    ),
    seed=st.integers(0, 2**16),
)
def test_every_row_equals_the_single_answer(k: int, n: int, scale: str, params: dict[str, Any], seed: int) -> None:
    values, how = walks(k, n, seed), asked(scale, **params)
    assert stack.fits(how)
    for row, found in zip(values, stack.denoise(values, how), strict=True):
        if found is None:
            assert n < 256 or (scale == "log" and row.min() <= 0.0)
            continue
        alone = run.denoise(row, **how)
        assert np.array_equal(found.values, alone.values)
        for name in ("method", "params", "causal", "guardrails", "passed", "action", "reason", "noise_sigma", "snr_gain_db",
                     "variance_reduction", "quality_score", "scale", "trace", "evidence", "warnings", "lag"):  # fmt: skip
            assert getattr(found, name) == getattr(alone, name), name


def test_irregular_rows_are_left_to_the_single_call() -> None:
    values = walks(6, 300, 1)
    values[0, 7], values[1], values[2, 0], values[3, 5] = np.nan, 4.0, np.inf, 1e80
    found = stack.denoise(values, asked())
    assert [result is None for result in found] == [True, True, True, True, False, False]
    assert not found[4].values.flags.writeable


@pytest.mark.parametrize(
    "how",
    [
        asked(method="auto"),
        asked(method="ema"),
        asked("return"),
        asked(guardrails=GuardrailParameters()),
        asked(use_fir_filter=True),
        asked(boundary="zero"),
        asked(threshold_mode="sure"),
        asked() | {"band": True},
        asked(wavelet="db4", level=0),
    ],
)
def test_other_requests_do_not_fit(how: dict[str, Any]) -> None:
    assert not stack.fits(how)


def test_rows_of_the_kernel_are_its_single_runs() -> None:
    y, bank = walks(5, 300, 2), filters("db4")
    rule = wavelet.Rule(BAYES, SOFT, False, 1.0)
    assert np.array_equal(wavelet.run_rows(y, bank, 4, rule), [wavelet.run(row, bank, 4, rule) for row in y])
