"""The formulas from papers give what can be worked out by hand; then the measuring code of the quality chapter gives what they give."""

import numpy as np
import pytest

from tests.golden.book import papers
from tests.quality import book_measure as measure


def test_order_flow_by_hand() -> None:
    tops = [(100.0, 5.0, 101.0, 7.0), (100.0, 8.0, 101.0, 7.0), (101.0, 2.0, 102.0, 4.0), (100.0, 6.0, 102.0, 1.0)]
    # three more to buy; the bid rises and counts whole, the ask rises and is gone; the bid falls and is lost, the ask shrinks by three
    assert papers.order_flow(tops) == [3.0, 2.0 + 7.0, -2.0 - 1.0 + 4.0]


def test_imbalance_and_weighted_mid_by_hand() -> None:
    assert papers.queue_imbalance([3.0], [1.0]) == 0.5
    assert papers.weighted_mid((100.0, 3.0, 101.0, 1.0)) == 100.75
    top = (100.0, 3.0, 101.0, 1.0)
    assert papers.weighted_mid(top) == 100.5 + 0.5 * (top[2] - top[0]) * papers.queue_imbalance([3.0], [1.0])


def test_micro_price_by_hand() -> None:
    """Two mirrored states: from the upper the mid rises with probability .3 and falls with .1, and lands in either state alike.

    x = (.5 x + .1 y) + .2 half ticks with y = -x gives G1 = .2 / .6 = 1/3; the sums over where it lands cancel, so that the limit is G1.
    """
    stay = [[0.5, 0.1], [0.1, 0.5]]
    jump = [{0.5: 0.3 * 2, -0.5: 0.1 * 2}, {0.5: 0.1 * 2, -0.5: 0.3 * 2}]  # in half ticks, hence times two
    assert papers.micro_adjustment(stay, jump, [[0.2, 0.2], [0.2, 0.2]]) == pytest.approx([1 / 3, -1 / 3])
    # where it lands among its like with .3 and the other with .1: (I - Q)^-1 (.2) = .2 / .6, so G* = G1 / (1 - 1/3) = 1/2
    assert papers.micro_adjustment(stay, jump, [[0.3, 0.1], [0.1, 0.3]]) == pytest.approx([1 / 2, -1 / 2])


def test_scores_by_hand() -> None:
    up, p = [True, True, False, False], [0.9, 0.4, 0.4, 0.2]
    assert papers.auc(up, p) == 3.5 / 4
    assert papers.mcc(up, [v > 0.5 for v in p]) == pytest.approx(2 / 12**0.5)
    assert papers.brier(up, p) == pytest.approx((0.01 + 0.36 + 0.16 + 0.04) / 4)
    assert papers.log_loss([True, False], [0.5, 0.5]) == pytest.approx(np.log(2.0))
    assert papers.calibration_error(up, p, 2) == pytest.approx(0.75 * abs(1.0 / 3 - 1 / 3) + 0.25 * 0.1)


@pytest.mark.parametrize("seed", range(5))
def test_the_chapter_scores_as_the_papers_do(seed: int) -> None:
    rng = np.random.default_rng(seed)
    up = rng.random(300) < 0.4
    p = np.round(np.clip(0.4 + 0.3 * (up - 0.4) + rng.normal(0.0, 0.2, 300), 0.01, 0.99), 2)  # rounded: there are ties
    assert measure.auc(up, p) == pytest.approx(papers.auc(up.tolist(), p.tolist()))
    assert measure.mcc(up, p) == pytest.approx(papers.mcc(up.tolist(), (p > 0.5).tolist()))
    assert measure.brier(up, p) == pytest.approx(papers.brier(up.tolist(), p.tolist()))
    assert measure.log_loss(up, p) == pytest.approx(papers.log_loss(up.tolist(), p.tolist()))
    assert measure.calibration_error(up, p) == pytest.approx(papers.calibration_error(up.tolist(), p.tolist(), measure.BINS))
    tops = np.round(rng.random((200, 4)) * 3.0 + np.array([100.0, 1.0, 104.0, 1.0]))
    assert measure.order_flow(tops)[1:] == pytest.approx(papers.order_flow([tuple(row) for row in tops.tolist()]))


def test_an_event_that_counts_thrice_is_three_events() -> None:
    rng = np.random.default_rng(9)
    up, p, times = rng.random(200) < 0.5, np.round(rng.random(200), 1), rng.integers(0, 4, 200)
    assert measure.scores(up, p, times.astype(float)) == pytest.approx(measure.scores(np.repeat(up, times), np.repeat(p, times)))


def test_the_error_of_the_word_counts_a_fall_that_was_called_as_a_hit() -> None:
    up, p = np.array([True, False, False, True]), np.array([0.8, 0.2, 0.8, 0.2])
    assert measure.word_error(up, p) == pytest.approx(0.8 - 0.5)  # four words of .8, two of them true
    assert measure.calibration_error(up, p) == pytest.approx(0.3)
    assert measure.word_error(~up, 1 - p) == measure.word_error(up, p)
    rising = np.ones(4, bool)
    assert (
        measure.word_error(rising, np.array([0.8, 0.8, 0.8, 0.4])),
        measure.calibration_error(rising, np.array([0.9, 0.1, 0.9, 0.1])),
    ) == (
        pytest.approx((3 * 0.2 + 0.6) / 4),
        pytest.approx(0.5),
    )
