"""The prior on the moves weighs as many moves seen before the data."""

import numpy as np
import pytest

from rpsd.kernels import hmm_em


def test_the_penalty_is_the_logarithm_of_moves_seen_before() -> None:
    transmat, counts = np.array([[0.9, 0.1], [0.3, 0.7]]), np.array([[50.0, 1.0], [2.0, 0.0]])
    expected = 50 * np.log(0.9) + np.log(0.1) + 2 * np.log(0.3)
    assert hmm_em.penalty(transmat, counts) == pytest.approx(expected, rel=1e-15)


def test_an_impossible_move_that_was_never_seen_costs_nothing() -> None:
    assert hmm_em.penalty(np.eye(2), np.diag([3.0, 5.0])) == 0.0
