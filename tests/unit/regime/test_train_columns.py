"""Training of models that see more than the return, by every engine: served bar by bar as in bulk, and never gone on from another sight."""

from typing import Any

import numpy as np
import pytest

from rpsd.core.drift import Tolerance
from rpsd.core.market import Vector
from rpsd.core.model import Packet
from rpsd.core.observed import JUMP_SIGHT
from rpsd.core.parameters import HmmParameters
from rpsd.regime import standing
from rpsd.regime.hmm import filtered
from rpsd.regime.observe import observations
from rpsd.regime.train import Case, train_many

SIGHTS = {"numba": ("return", "diff:vix", "volatility:5"), "hmmlearn": ("return", "value:vix"), "jump": JUMP_SIGHT}


def cells(two: Any) -> dict[str, Vector]:
    noise = np.random.default_rng(4).normal(size=two.prices.size)
    return {"vix": 20 + 5 * np.append(0, two.states == 0) + noise}


def trained(two: Any, engine: str, columns: tuple[str, ...], n: int, previous: Packet | None = None) -> Packet:
    further = {name: column[:n] for name, column in cells(two).items()}
    case = Case(two.prices[:n], two.t[:n], "2_state", "1d", previous, False, columns, further)
    (done,) = train_many([case], HmmParameters(engine=engine, starts=4), seed=0, tolerance=Tolerance())
    assert isinstance(done, Packet), done
    return done


@pytest.mark.parametrize("engine", SIGHTS)
def test_a_model_of_columns_is_served_bar_by_bar_as_in_bulk(two: Any, engine: str) -> None:
    columns = SIGHTS[engine]
    model = Packet.unpack(trained(two, engine, columns, 700).pack())
    assert model.head["columns"] == list(columns)
    assert model.head["evaluation"]["gain"] > 0
    at, steps = standing.beginning(model), []
    for i in range(700, two.t.size):
        one = slice(i, i + 1)
        at, _, alpha = standing.advance(model, at, two.t[one], two.prices[one], {name: column[one] for name, column in cells(two).items()})
        steps.append(alpha)
    whole = observations(two.prices, two.t, "1d", 2, columns=columns, cells=cells(two))
    assert np.array_equal(np.concatenate(steps), filtered(model, whole.rows)[-len(steps) :])


@pytest.mark.parametrize("engine", SIGHTS)
def test_a_retrain_goes_on_from_the_same_sight_alone(two: Any, engine: str) -> None:
    columns = SIGHTS[engine]
    before = trained(two, engine, columns, 700)
    again = trained(two, engine, columns, 720, before)
    assert again.head["started"] == "warm"
    assert again.head["labels_kept"]
    assert again.head["evaluation"]["predecessor_per_bar"] is not None
    other = trained(two, engine, ("return",), 720, before)
    assert (other.head["started"], other.head["drift"]) == ("cold", None)
    assert other.head["columns"] == ["return"]
    assert other.head["evaluation"]["predecessor_per_bar"] is None
