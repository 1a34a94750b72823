"""Every method on series that stretch float64: the answer holds finite numbers alone, and nothing overflows on the way."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from rpsd.core.catalogue import Method
from rpsd.core.parameters import GuardrailParameters
from rpsd.denoise import METHODS, live, run, scale
from tests.unit.denoise.test_stack import asked

N = 96
RNG = np.random.default_rng(11)
SERIES = {
    "from 1e-300 to 1e69": 10.0 ** RNG.uniform(-300.0, 69.0, N),
    "least and most": np.where(RNG.random(N) < 0.5, 5e-324, 1e70),
    "a walk, then the most": np.concatenate([100.0 + RNG.normal(size=N - 1), [1e70]]),
    "the least of moves, then a huge one": np.concatenate([1e-139 * RNG.random(N // 2), 1e69 * RNG.random(N - N // 2)]) + 1e-300,
    "still, then noise": np.concatenate([np.ones(N // 2), 1.0 + RNG.random(N - N // 2)]),
    "two neighbours of float64": np.where(RNG.random(N) < 0.5, 1.0, np.nextafter(1.0, 2.0)),
}
RULES = [GuardrailParameters(policy=policy, on_failure="flag") for policy in ("calibrated", "classic", "none")]


def numbers(value: Any) -> Iterator[float]:
    """Every float of an account."""
    if isinstance(value, float):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from numbers(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from numbers(item)


@pytest.mark.parametrize("on", ["price", "log", "return"])
@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("method", ["auto", *(method.name for method in METHODS)])
def test_an_answer_is_finite_whatever_the_series(method: str, name: str, on: str) -> None:
    for rules in RULES:
        found = run.denoise(SERIES[name], method=method, scale=on, band=True, guardrails=rules)
        assert np.isfinite(found.values).all()
        assert np.abs(found.values).max() <= 1.000001 * scale.LARGEST
        assert all(np.isfinite(number) for number in numbers({**asdict(found), "values": 0, "lower": 0, "upper": 0, "deviation": 0}))
        for edge in (found.lower, found.upper):
            assert edge is not None
            assert not np.isinf(edge).any()


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("method", [method for method in METHODS if method.stream is not None], ids=lambda method: method.name)
def test_a_stream_survives_what_it_has_seen(method: Method, name: str) -> None:
    y = np.concatenate([SERIES[name], 100.0 + RNG.normal(size=400)])
    t = np.arange(y.size) * 10**9
    for on in ("price", "log"):
        made = live.plan(method.name, {}, scale=on)
        found, state = live.advance(made, live.beginning(made), t, y, t)
        assert np.isfinite(found.values).all()
        assert np.isfinite(state.inner).all()


def test_rows_of_a_stack_are_held_as_single_ones_are() -> None:
    how = asked("log", threshold_mode="universal", shrinkage="hard")
    rows = np.stack([np.roll(SERIES["least and most"], k) for k in range(4)])
    from rpsd.denoise import stack

    for row, found in zip(rows, stack.denoise(rows, how), strict=True):
        assert found is not None
        assert np.array_equal(found.values, run.denoise(row, **how).values)
