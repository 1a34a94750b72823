"""Laws of denoising, searched at random: time, scale, shift, sign, missing values, sessions; for each method and the whole pipeline."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpsd.core.catalogue import Method
from rpsd.core.errors import NotFinite
from rpsd.core.market import SECOND_NS
from rpsd.core.parameters import GuardrailParameters
from rpsd.core.result import DenoiseResult
from rpsd.denoise import METHODS
from rpsd.denoise.run import denoise

UNJUDGED = GuardrailParameters(policy="none")
SHORTEST = 16
METHOD_NAMES = ("auto", *(m.name for m in METHODS))
each_method = pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
each_name = pytest.mark.parametrize("name", METHOD_NAMES)
steady = pytest.mark.parametrize("method", [m for m in METHODS if m.stream], ids=lambda m: m.name)
seeds = st.integers(0, 2**32 - 1)


def series(seed: int, n: int) -> np.ndarray:
    """A walk with jumps, ties and noise around 100."""
    rng = np.random.default_rng(seed)
    jumps = (rng.random(n) < 5.0 / n) * 20.0 * rng.normal(size=n)
    y = 100.0 + np.cumsum(rng.normal(size=n) * rng.uniform(0.05, 2.0) + jumps) + rng.uniform(0.1, 3.0) * rng.normal(size=n)
    return np.round(y, 1) if seed % 3 == 0 else y


def delay(method: Method) -> int:
    """Samples the method waits, with its defaults."""
    return method.delay(method.params()) if method.delay else 0


def verdicts(answer: DenoiseResult) -> Mapping[str, Any]:
    """What must not depend on unit or level."""
    return {name: rule.passed for name, rule in answer.guardrails.items()} | {"action": answer.action, "method": answer.method}


@dataclass(frozen=True, slots=True)
class Split:
    """A series of length n cut at random places."""

    y: np.ndarray
    cuts: list[int]


@st.composite
def splits(draw: st.DrawFn) -> Split:
    n = draw(st.integers(20, 700))
    cuts = draw(st.lists(st.integers(0, n), min_size=1, max_size=6))
    return Split(series(draw(seeds), n), sorted(cuts))


@steady
@given(split=splits())
def test_any_prefix_gives_the_same_bits(method: Method, split: Split) -> None:
    """Prefix invariance; of a method that waits d samples all but the last d."""
    whole, d = method.run(split.y, method.params()), delay(method)
    for m in split.cuts:
        final = max(m - d, 0)
        assert m == 0 or (method.run(split.y[:m].copy(), method.params())[:final] == whole[:final]).all()


@steady
@given(split=splits())
def test_any_stretches_give_the_same_bits(method: Method, split: Split) -> None:
    """The stream's claim: state and values do not depend on how the series came."""
    assert method.stream is not None
    params = method.params()
    once, pieces = method.stream.start(params), method.stream.start(params)
    whole = method.stream.advance(once, split.y, params)
    edges = [0, *split.cuts, split.y.size]
    parts = [method.stream.advance(pieces, split.y[a:b].copy(), params) for a, b in pairwise(edges)]
    for place in (0, 1):
        assert np.array_equal(np.concatenate([part[place] for part in parts]), whole[place], equal_nan=True)
    assert np.array_equal(pieces, once, equal_nan=True)
    d = delay(method)
    if d and split.y.size > d:
        assert method.stream.flush is not None
        joined = np.concatenate([whole[0][d:], method.stream.flush(once, params)[0]])
        assert np.array_equal(joined, method.run(split.y, params))


@given(split=splits(), later=seeds)
def test_causal_auto_never_looks_ahead(split: Split, later: int) -> None:
    """The whole pipeline: another future changes nothing that was."""
    whole = denoise(split.y, causality="causal").values
    for m in split.cuts:
        other = np.concatenate([split.y[:m], 3.0 * series(later, split.y.size)[m:] - 500.0])
        assert (denoise(other, causality="causal").values[:m] == whole[:m]).all()


@each_name
@pytest.mark.parametrize(("scale", "shift"), [(4.0, 0.0), (0.25, 1024.0), (1e-6, 0.0), (1e5, -3e6)])
def test_unit_and_level_change_nothing_else(name: str, scale: float, shift: float) -> None:
    for seed in range(4):
        y = series(seed, 500)
        a, b = (denoise(v, method=name, scale="price") for v in (y, scale * y + shift))
        tolerance = 1e-6 * scale * y.std() + 1e-9 * abs(shift)
        assert np.abs(b.values - (scale * a.values + shift)).max() <= tolerance
        assert verdicts(a) == verdicts(b)


@each_method
def test_a_mirrored_series_has_the_mirrored_answer(method: Method) -> None:
    # the random probes of a method without a response are not mirrored: where its risk is near the bound, its verdict may differ
    rules = GuardrailParameters(policy="none" if method.response is None else "calibrated")
    for seed in range(4):
        y = series(seed, 500)
        a, b = (denoise(v, method=method.name, scale="price", guardrails=rules) for v in (y, -y))
        assert np.abs(a.values + b.values).max() < 1e-8
        assert verdicts(a) == verdicts(b)


@each_name
def test_the_clock_does_not_matter(name: str) -> None:
    y = series(5, 400)
    t = np.arange(400) * 60 * SECOND_NS
    t[200:] += 3600 * SECOND_NS
    a, b = (denoise(y, t=times, method=name) for times in (t, t + 7 * 24 * 3600 * SECOND_NS))
    assert (a.values == b.values).all()
    assert verdicts(a) == verdicts(b)


@each_name
def test_twice_is_the_same_and_the_input_stays(name: str) -> None:
    y = series(6, 777)
    before = y.copy()
    y.flags.writeable = False
    first, second = denoise(y, method=name), denoise(y, method=name)
    assert (y == before).all()
    assert (first.values == second.values).all()
    assert first.guardrails == second.guardrails
    assert (first.action, first.params, first.trace) == (second.action, second.params, second.trace)
    assert not np.shares_memory(first.values, y)


@each_name
@given(seed=seeds, data=st.data())
def test_a_missing_value_never_spreads(name: str, seed: int, data: st.DataObject) -> None:
    y = series(seed, 120)
    holes = data.draw(st.lists(st.integers(1, 119), min_size=1, max_size=40))
    y[holes] = np.nan
    with pytest.raises(NotFinite):
        denoise(y, method=name)
    answer = denoise(y, method=name, fill="bridge", guardrails=UNJUDGED)
    assert np.isfinite(answer.values).all()


@each_method
def test_sessions_are_filtered_each_by_itself(method: Method) -> None:
    """With times that tell the sessions, the whole answer is that of the sessions one by one."""
    lengths = (100, 15, 64, 301)  # the second is too short and stays as it is
    y = series(8, sum(lengths))
    steps = np.full(y.size, SECOND_NS)
    steps[np.cumsum(lengths)[:-1]] += 8 * 3600 * SECOND_NS
    whole = denoise(y, t=np.cumsum(steps), method=method.name, scale="price", guardrails=UNJUDGED).values
    edges = np.concatenate([[0], np.cumsum(lengths)])
    for a, b in pairwise(edges):
        alone = denoise(y[a:b], method=method.name, scale="price", guardrails=UNJUDGED).values
        assert (whole[a:b] == alone).all()
        assert b - a >= SHORTEST or (whole[a:b] == y[a:b]).all()


@each_method
def test_the_front_door_gives_what_the_method_gives(method: Method) -> None:
    """But for the first samples of a causal answer, which are the input."""
    y = series(9, 400)
    first = SHORTEST - 1 if method.causal or method.delay else 0
    found = denoise(y, method=method.name, scale="price", guardrails=UNJUDGED).values
    assert (found[first:] == method.run(y, method.params())[first:]).all()
    assert (found[:first] == y[:first]).all()
