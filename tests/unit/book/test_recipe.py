"""The recipe is chosen by unseen blocks: features that say nothing are left out, those that say much are taken."""

import numpy as np
import pytest

from rpsd.book import logistic, recipe
from rpsd.book.table import Table
from rpsd.core.errors import DegenerateFit
from rpsd.core.parameters import BookParameters
from tests.unit.book.models import rows

SECOND = 10**9


def table(n: int, names: list[str], *, per_move: int = 4) -> Table:
    """Events whose outcome is decided by the imbalance and by the named features; `per_move` of them share a move."""
    x = rows(n, 3)
    s = logistic.signed_log(x[:, logistic.columns(["qi1", *names])]).sum(axis=1)
    y = np.where(np.random.default_rng(4).random(n) < 1 / (1 + np.exp(-s)), 1, -1)
    t = np.arange(n, dtype=np.int64) * SECOND
    return Table(x, y, t, t + SECOND // 2, np.arange(n) // per_move)


def chosen(given: Table) -> recipe.Recipe:
    """What two folds choose; also, that the progress rises."""
    told: list[float] = []
    found = recipe.chosen(given, BookParameters(folds=2), 0, with_trees=False, report=told.append)
    assert told == sorted(told)
    assert len(told) == 4
    return found


def test_features_that_say_nothing_are_left_out() -> None:
    assert chosen(table(6000, [])).names == recipe.IMBALANCE


def test_features_that_say_much_are_taken() -> None:
    assert chosen(table(6000, ["ofi_m"])).names == recipe.FLOW
    assert set(chosen(table(6000, ["lastdir", "mom_f"])).names) >= {"lastdir", "mom_f"}


def test_every_move_counts_once() -> None:
    weight = table(100, []).weight
    np.testing.assert_array_equal(weight, 0.25)
    assert table(102, []).weight[-2:].sum() == 1.0


def test_nothing_is_scored_by_a_fit_that_saw_it() -> None:
    given = table(2000, [])
    folds = recipe.usable(given, 4)
    seen: list[Table] = []

    def predict(before: Table, new: np.ndarray) -> np.ndarray:
        seen.append(before)
        return np.column_stack([new[:, 0], new[:, 1]])

    places, scores = recipe.out_of_fold(given, folds, predict)
    np.testing.assert_array_equal(np.sort(places), np.arange(2000))
    np.testing.assert_array_equal(scores, given.x[places, :2])
    for fold, before in zip(folds, seen, strict=True):
        assert not set(before.t.tolist()) & set(given.t[fold.test].tolist())


def test_one_direction_alone_is_refused() -> None:
    given = table(500, [])
    with pytest.raises(DegenerateFit):
        recipe.usable(Table(given.x, np.ones(500, np.int64), given.t, given.until_ns, given.cluster), 3)
