"""The number of states that `auto` chooses, and the table that says why."""

from typing import Any

import numpy as np
import pytest

from rpsd.core.errors import TooShort
from rpsd.core.model import Packet
from rpsd.core.parameters import HmmParameters
from rpsd.regime import select


def test_the_planted_number_is_chosen(one: Any, two: Any, three: Any) -> None:
    assert [select.choose(planted.x, 0).k for planted in (one, two, three)] == [1, 2, 3]


def test_the_table_tells_every_number_and_why(two: Any) -> None:
    found = select.choose(two.x, 0)
    assert [row["n_states"] for row in found.table] == [1, 2, 3, 4, 5]
    assert [row["n_states"] for row in found.table if row["chosen"]] == [2]
    for row in found.table:
        assert row["guards"] is (not row["broken"])
        assert row["reason"]
        assert np.isfinite([row[name] for name in ("log_likelihood", "aic", "bic", "icl")]).all()
        if row["broken"]:
            assert all(guard in row["reason"] for guard in row["broken"])
        assert row["score"] == pytest.approx(row["aic"] - 2 * (row["n_states"] - 1))
    score = {row["n_states"]: row["score"] for row in found.table if row["guards"] and row["n_states"] > 1}
    assert min(score, key=lambda k: score[k]) == 2


def test_an_episode_is_no_regime(two: Any) -> None:
    """Eight wild bars in a thousand raise every likelihood; the guard of occupancy leaves the number at one."""
    x = np.random.default_rng(4).normal(size=1000)
    x[500:508] *= 12.0
    found = select.choose(x, 0)
    assert found.k == 1
    assert "occupancy" in found.table[1]["broken"]
    assert found.table[1]["bic"] < found.table[0]["bic"]


def test_few_bars_allow_few_states() -> None:
    x = np.random.default_rng(1).normal(size=70)
    assert [row["n_states"] for row in select.choose(x, 0).table] == [1, 2, 3]
    with pytest.raises(TooShort):
        select.choose(x[:19], 0)


def test_a_choice_repeats_itself(three: Any) -> None:
    assert select.choose(three.x, 3) == select.choose(three.x, 3)


def fitted(k: int, bic: float, aic: float, stay: float = 0.95) -> Packet:
    """A model that passes the guards when its states stay."""
    transmat = np.full((k, k), (1 - stay) / max(k - 1, 1))
    np.fill_diagonal(transmat, stay if k > 1 else 1.0)
    head = {"k": k, "n": 1000, "bic": bic, "aic": aic, "icl": bic, "log_likelihood": -1.0, "converged": True, "collapsed": []}
    return Packet(head, {"transmat": transmat, "weights": np.full(k, 1000 / k)})


@pytest.mark.parametrize(
    ("bic", "aic", "stay", "expected"),
    [
        ([100, 101, 102, 103, 104], [90, 80, 70, 60, 50], [0.95] * 5, 1),  # none beats one by BIC, whatever AIC says
        ([100, 99, 102, 103, 104], [90, 80, 70, 74, 78], [0.95] * 5, 3),  # one of them does: AIC decides
        ([100, 99, 102, 103, 104], [90, 80, 70, 71.5, 78], [0.95] * 5, 4),  # 71.5 - 6 is below 70 - 4: the start is not counted
        ([100, 99, 102, 103, 104], [90, 80, 70, 74, 78], [1.0, 0.95, 0.79, 0.95, 0.95], 4),  # three states last too short
        ([100, 99, 98, 97, 96], [90, 80, 70, 60, 50], [1.0, 0.5, 0.5, 0.5, 0.5], 1),
    ],
)
def test_bic_says_whether_and_the_score_how_many(
    monkeypatch: pytest.MonkeyPatch, bic: list[float], aic: list[float], stay: list[float], expected: int
) -> None:
    def fit(x: np.ndarray, params: HmmParameters, *, seed: int) -> Packet:
        assert (params.emission, params.sticky, params.spread) == ("t", 0.0, 0.0)
        return fitted(params.k, bic[params.k - 1], aic[params.k - 1], stay[params.k - 1])

    monkeypatch.setattr(select.hmm, "fit", fit)
    assert select.choose(np.zeros(1000), 0).k == expected
