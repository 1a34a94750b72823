"""Denoising: defaults from the settings, counts in the metrics, results kept beside the series."""

import json

import numpy as np
import pytest

from rpsd.core.errors import BadParameter, BadRows, InvalidRequest, NotFinite, TooShort, UnknownColumn, UnknownSeries
from rpsd.core.market import SECOND_NS, Samples
from rpsd.denoise import METHODS
from rpsd.services.denoise.service import account
from rpsd.store import derived
from rpsd.store import series as rows


def noisy(n: int = 512) -> np.ndarray:
    rng = np.random.default_rng(1)
    return 100 + 5 * np.sin(np.arange(n) / 40) + rng.normal(0, 0.3, n)


def put(services, values: np.ndarray) -> None:
    services.series.append("X", "1s", Samples(10**18 + np.arange(values.size, dtype=np.int64) * SECOND_NS, {"close": values}))


def test_an_answer_has_the_fields_of_the_contract(services) -> None:
    result = services.denoise.run(noisy(), params={"wavelet": "sym4"}, method="wavelet")
    answer = account(result, 0.1)
    json.dumps(answer, allow_nan=False)
    wanted = {"method", "params", "causal", "guardrails", "passed", "action", "reason", "noise_sigma", "snr_gain_db"}
    assert wanted | {"variance_reduction", "quality_score", "n", "processing_time"} <= set(answer)
    assert answer["n"] == result.values.size == 512
    assert answer["params"]["wavelet"] == "sym4"


def test_counts_go_to_the_metrics_and_to_the_last_minute(services) -> None:
    services.denoise.run(noisy(), method="ema", causality="causal")
    with pytest.raises(NotFinite):
        services.denoise.run(np.array([1.0, np.nan] * 20))
    value = services.metrics.registry.get_sample_value
    assert value("rpsd_denoise_points_total", {"method": "ema"}) == 512.0
    assert value("rpsd_denoise_seconds_count", {"method": "ema"}) == 1.0
    recent = services.denoise.recent()
    assert (recent["requests_per_minute"], recent["error_rate"]) == (2.0, 0.5)


def test_parameters_and_guardrails_are_checked_with_pointers(services) -> None:
    with pytest.raises(BadParameter) as caught:
        services.denoise.run(noisy(), method="ema", params={"span": -1.0})
    assert caught.value.errors[0].pointer == "/params/span"
    with pytest.raises(BadParameter) as caught:
        services.denoise.run(noisy(), guardrails={"policy": "lax"})
    assert caught.value.errors[0].pointer == "/guardrails/policy"


def test_a_stored_column_keeps_its_result_with_its_make(services) -> None:
    put(services, noisy())
    t, result = services.denoise.stored("x", "1s", column="close", save_as="Smooth", method="ema", causality="causal", by="me")
    assert t.size == result.values.size == 512
    meta, kept = services.database.read(lambda c: derived.read_group(c, rows.require(c, "X", "1s"), "smooth"))
    assert (meta["method"], meta["causal"], meta["column"]) == ("ema", True, "close")
    assert np.array_equal(kept.columns["smooth"], result.values)


def test_a_kept_value_that_waits_tells_when_it_was_known(services) -> None:
    """A backtest that took it at its own close would read three bars ahead."""
    put(services, noisy())
    t, _ = services.denoise.stored("X", "1s", save_as="late", method="fixed_lag", causality="lag", lag=3)
    read = services.series.read("X", "1s", columns=["close", "late"])
    assert read.available_at is not None
    assert np.array_equal(read.available_at, np.append(t[3:], [t[-1]] * 3) + SECOND_NS)
    (listed,) = services.series.info("X", "1s")["derived"]
    assert (listed["method"], listed["lag"], listed["causal"]) == ("fixed_lag", 3, False)
    services.denoise.stored("X", "1s", save_as="prompt", method="ema", causality="causal")
    assert services.series.read("X", "1s", columns=["prompt"]).available_at is None


def test_rows_do_not_hide_a_kept_result(services) -> None:
    values = noisy(64)
    put(services, values)
    services.denoise.stored("X", "1s", save_as="quiet", method="ema")
    rows = Samples(np.array([10**18]), {"quiet": np.ones(1)})
    with pytest.raises(BadRows, match="quiet is a column that was computed"):
        services.series.append("X", "1s", rows, by="test")
    assert np.isfinite(services.series.read("X", "1s", columns=["quiet"]).columns["quiet"]).all()


def test_stored_refusals(services) -> None:
    put(services, noisy(64))
    with pytest.raises(UnknownSeries):
        services.denoise.stored("Y", "1s")
    with pytest.raises(UnknownColumn):
        services.denoise.stored("X", "1s", column="open")
    with pytest.raises(TooShort):
        services.denoise.stored("X", "1s", start_ns=1, end_ns=2)
    for name in ("close", "1st", "regime_3_state", "sequence"):
        with pytest.raises(InvalidRequest):
            services.denoise.stored("X", "1s", save_as=name)


def test_the_catalogue_shows_the_settings_as_defaults(services) -> None:
    methods = {method["name"]: method for method in services.denoise.methods()}
    assert set(methods) == {method.name for method in METHODS}
    assert methods["kalman"]["causal"] is True
    level = next(row for row in methods["wavelet"]["parameters"] if row["name"] == "level")
    assert (level["default"], level["minimum"], level["maximum"]) == (services.settings.denoiser.level, 1, 20)
