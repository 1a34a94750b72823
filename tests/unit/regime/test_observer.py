"""What a model sees: one bar at a time or all at once gives the same bits, nothing looks ahead, and nonsense is refused by name."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpsd.core.errors import ConstantSeries, InvalidRequest, NotFinite, UnknownColumn
from rpsd.core.market import DAY_NS, Times, Vector
from rpsd.core.observed import observed, sources
from rpsd.regime.observe import checked_rows, observations
from rpsd.regime.observer import Observer

EVERY = (
    *("return", "range", "volume", "value:vix", "diff:vix", "log_return:vix"),
    *("downside:5", "sortino:3", "mean:3", "volatility:5"),
)
MINUTE_NS = DAY_NS // 1440


@dataclass(frozen=True)
class Bars:
    t: Times
    prices: Vector
    cells: dict[str, Vector]

    def cut(self, first: int, last: int) -> tuple[Times, Vector, dict[str, Vector]]:
        return self.t[first:last], self.prices[first:last], {name: cells[first:last] for name, cells in self.cells.items()}


def bars(n: int, seed: int, *, holes: bool = False) -> Bars:
    """Minutes with nights between them; with holes, some cells are missing and some prices are no prices."""
    rng = np.random.default_rng(seed)
    prices = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, n)))
    high, low = prices * (1 + rng.exponential(0.01, n)), prices * (1 - rng.exponential(0.01, n).clip(0, 0.9))
    cells = {"high": high, "low": low, "volume": rng.integers(0, 1000, n).astype(float), "vix": 20 * np.exp(rng.normal(0, 0.1, n))}
    if holes:
        cells["vix"][rng.random(n) < 0.1] = np.nan
        prices[rng.random(n) < 0.1] = -1.0
    return Bars(np.cumsum(rng.choice([MINUTE_NS, MINUTE_NS, 900 * MINUTE_NS], n)), prices, cells)


@given(st.integers(2, 60), st.integers(0, 2**32), st.lists(st.integers(0, 60), max_size=6), st.booleans())
def test_any_split_gives_the_same_bits(n: int, seed: int, cuts: list[int], holes: bool) -> None:
    given_bars, observer = bars(n, seed, holes=holes), Observer.of(EVERY, MINUTE_NS)
    whole = observer.observe(observer.start(), *given_bars.cut(0, n))
    carry, z, t, left_out = observer.start(), [], [], 0
    edges = [0, *sorted(min(cut, n) for cut in cuts), n]
    for first, last in pairwise(edges):
        piece = observer.observe(carry, *given_bars.cut(first, last))
        carry, left_out = piece.carry, left_out + piece.left_out
        z.append(piece.z)
        t.append(piece.t)
    assert np.array_equal(np.concatenate(z), whole.z)
    assert np.array_equal(np.concatenate(t), whole.t)
    assert (left_out, carry.t) == (whole.left_out, whole.carry.t)
    assert np.array_equal(carry.memory, whole.carry.memory)


def test_nothing_looks_ahead() -> None:
    given_bars, observer = bars(200, 3), Observer.of(EVERY)
    whole = observer.observe(observer.start(), *given_bars.cut(0, 200)).z
    prefix = observer.observe(observer.start(), *given_bars.cut(0, 120)).z
    assert np.array_equal(whole[: len(prefix)], prefix)


def test_each_column_is_what_its_name_says() -> None:
    """Against formulas written out over the whole series."""
    b = bars(120, 5)
    seen = observations(b.prices, b.t, "1d", 1, columns=EVERY, cells=b.cells)
    assert seen.z is not None
    first = seen.observer.warm_up
    assert first == 21
    x, vix = 100 * np.diff(np.log(b.prices)), b.cells["vix"]
    weights = lambda half_life, n: 0.5 ** (np.arange(n)[::-1] / half_life)  # noqa: E731
    volume = np.log1p(b.cells["volume"])[1:]
    for row in (first, 60, 118):
        fives, threes, before = weights(5, row + 1), weights(3, row + 1), weights(21, row)
        so_far = x[: row + 1]
        losses = np.minimum(so_far, 0) ** 2
        expected = [
            x[row],
            np.log(0.01 + 100 * np.log(b.cells["high"] / b.cells["low"]))[row + 1],
            volume[row] - (before * volume[:row]).sum() / before.sum(),
            vix[row + 1],
            vix[row + 1] - vix[row],
            100 * np.log(vix[row + 1] / vix[row]),
            np.log(0.01 + np.sqrt((fives * losses).sum() / fives.sum())),
            (threes * so_far).sum() / threes.sum() / (0.01 + np.sqrt((threes * losses).sum() / threes.sum())),
            (threes * so_far).sum() / threes.sum(),
            np.log(0.01 + np.sqrt((fives * so_far**2).sum() / fives.sum())),
        ]
        np.testing.assert_allclose(seen.z[row - first], expected, rtol=1e-9, atol=1e-12)
    assert np.array_equal(seen.z[:, 0], seen.x)
    assert seen.rows is seen.z


def test_the_return_alone_is_the_usual_case() -> None:
    b = bars(100, 7)
    seen = observations(b.prices, b.t, "1d", 2)
    assert seen.z is None
    assert seen.rows is seen.x
    assert seen.carry.t == b.t[-1]


def test_incomplete_bars_are_told() -> None:
    b = bars(200, 9)
    b.cells["vix"][[50, 51, 90]] = np.nan
    seen = observations(b.prices, b.t, "1d", 2, columns=("return", "diff:vix"), cells=b.cells)
    assert seen.x.size == 196
    assert "incomplete_bars" in [one.code for one in seen.warnings]
    np.testing.assert_allclose(seen.x[49], 100 * np.log(b.prices[52] / b.prices[49]))


@pytest.mark.parametrize(
    ("names", "place"),
    [
        ([], 0),
        (["range"], 0),
        (["return", "return"], 1),
        (["return", "nonsense"], 1),
        (["return", "diff:"], 1),
        (["return", "range:5"], 1),
        (["return", "range", "downside:1"], 2),
        (["return", "sortino:999"], 1),
        (["return", "value:t"], 1),
        (["return", *(f"value:c{i}" for i in range(10))], 10),
    ],
)
def test_names_are_refused_by_place(names: list[str], place: int) -> None:
    with pytest.raises(InvalidRequest) as caught:
        observed(names)
    assert caught.value.errors[0].pointer == f"/columns/{place}"


def test_sources_are_asked_for_once() -> None:
    assert sources(observed(EVERY)) == ("high", "low", "volume", "vix")


def test_bad_columns_have_their_codes() -> None:
    b = bars(100, 1)
    with pytest.raises(UnknownColumn, match="low"):
        observations(b.prices, b.t, "1d", 1, columns=("return", "range"), cells={"high": b.prices})
    with pytest.raises(ConstantSeries):
        observations(b.prices, b.t, "1d", 1, columns=("return", "value:flat"), cells={"flat": np.ones(100)})
    z = np.random.default_rng(0).normal(size=(100, 2))
    z[7, 1] = np.inf
    with pytest.raises(NotFinite, match="observation 7"):
        checked_rows(z[:, 0], z, 1)
