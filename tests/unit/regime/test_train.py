"""Training many models at once: none depends on its neighbours, fresh starts must be worth it, drift brings them on."""

from typing import Any

import numpy as np
import pytest

from rpsd.core.drift import Tolerance
from rpsd.core.errors import ConstantSeries, RpsdError
from rpsd.core.market import DAY_NS
from rpsd.core.model import Packet
from rpsd.core.observed import RETURN, sight_of
from rpsd.core.parameters import HmmParameters
from rpsd.regime.drift import LEAST_BARS
from rpsd.regime.train import WORTH_NATS, Case, train_many

PARAMS = HmmParameters(starts=2)


def prices(n: int = 500, seed: int = 3, scale: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    wild = (np.arange(n) // 60) % 2 == 1
    x = scale * np.where(wild, rng.normal(-0.1, 2.2, n), rng.normal(0.08, 0.6, n))
    return 100 * np.exp(np.cumsum(x) / 100)


def days(n: int) -> np.ndarray:
    return np.arange(n, dtype=np.int64) * DAY_NS


def case(y: np.ndarray, regime_type: str = "2_state", previous: Packet | None = None, cold: bool = False) -> Case:
    return Case(y, days(y.size), regime_type, "1d", previous, cold)


def train(*cases: Case) -> list[Packet | RpsdError]:
    return train_many(cases, PARAMS, seed=0, tolerance=Tolerance())


def one(asked: Case) -> Packet:
    done = train(asked)[0]
    assert isinstance(done, Packet), done
    return done


def test_each_case_is_fitted_as_if_it_were_alone() -> None:
    first = one(case(prices()[:450]))
    asked = [case(prices()), case(np.ones(300)), case(prices(400, 4), "3_state"), case(prices(), previous=first), case(prices(30), "auto")]
    together = train(*asked)
    assert [type(one) for one in together] == [Packet, ConstantSeries, Packet, Packet, Packet]
    for alone, done in zip([train(c)[0] for c in asked], together, strict=True):
        if isinstance(done, Packet):
            assert isinstance(alone, Packet)
            assert done.pack() == alone.pack()


def test_a_warm_fit_goes_on_and_its_trial_saw_no_held_out_bar() -> None:
    y = prices()
    first = one(case(y[:-20]))
    warm = one(case(y, previous=first))
    assert (warm.head["started"], warm.head["cold_tried"], warm.head["fresh"], warm.head["labels_kept"]) == ("warm", False, False, True)
    trial = Packet.unpack(warm.arrays["trial"].tobytes())
    assert trial.head["started"] == "warm"
    assert trial.head["n"] + warm.head["evaluation"]["held_out_bars"] == warm.head["n"] == y.size - 1
    changed = y.copy()
    changed[-40:] *= np.exp(np.cumsum(np.full(40, 0.01)))  # only held-out bars differ, so the trial must not
    again = Packet.unpack(one(case(changed, previous=first)).arrays["trial"].tobytes())
    assert {k: a.tobytes() for k, a in again.arrays.items()} == {k: a.tobytes() for k, a in trial.arrays.items()}


def test_fresh_starts_win_only_when_they_are_worth_it() -> None:
    y = prices()
    first = one(case(y[:-20]))
    tried = one(case(y, previous=first, cold=True))
    assert tried.head["cold_tried"]
    assert tried.head["cold_gain"] <= WORTH_NATS
    assert not tried.head["fresh"]
    poor = {name: np.array(array) for name, array in first.arrays.items()}
    poor["location"][:] = 0.0  # two equal states are a saddle that EM does not leave
    poor["dispersion"][:] = y.var()
    poor["transmat"][:] = poor["startprob"][:] = 0.5
    stuck = Packet(first.head, poor)
    rescued = one(case(y, previous=stuck, cold=True))
    assert rescued.head["cold_gain"] > WORTH_NATS
    assert rescued.head["fresh"]


def test_the_record_grows_by_each_new_bar_and_begins_anew_with_fresh_parameters() -> None:
    y = prices(600)
    model = one(case(y[:500]))
    assert model.arrays["pits"].size == 0
    for end in (501, 520):
        model = one(case(y[:end], previous=model))
    assert model.arrays["pits"].size == 20
    assert ((model.arrays["pits"] >= 0) & (model.arrays["pits"] <= 1)).all()
    assert model.head["drift"]["bars"] == 20


def test_a_changed_world_is_high_drift_and_brings_fresh_starts() -> None:
    y = prices(400, seed=8)
    model = one(case(y))
    rng = np.random.default_rng(1)
    after = y[-1] * np.exp(np.cumsum(rng.normal(0, 12.0, 60)) / 100)  # five times what the wild state knows
    seen = []
    for upto in (LEAST_BARS + 5, LEAST_BARS + 6):
        model = one(case(np.concatenate([y, after[:upto]]), previous=model))
        seen.append((model.head["drift"]["significant"], model.head["drift"]["severity"], model.head["cold_tried"]))
    assert seen == [(True, "NONE", False), (True, "HIGH", True)]
    if model.head["fresh"]:
        assert model.arrays["pits"].size == 0


def test_after_drift_a_model_is_judged_by_the_newer_half_of_the_new_world() -> None:
    """The last fifth would ask a trial fit that saw nothing of the new world to foretell it: no model could ever pass."""
    y = prices(600, seed=8)
    first = one(case(y))
    rng = np.random.default_rng(1)
    storm = y[-1] * np.exp(np.cumsum(rng.normal(0, 12.0, 60)) / 100)
    new = np.concatenate([y, storm])
    blind = one(Case(new, days(new.size), "2_state", "1d", first, True)).head["evaluation"]
    told = one(Case(new, days(new.size), "2_state", "1d", first, True, drifted=True)).head["evaluation"]
    assert (blind["held_out_bars"], told["held_out_bars"]) == (131, 30)
    assert blind["gain"] < 0 < told["gain"]
    assert told["log_likelihood_per_bar"] > told["predecessor_per_bar"] + 1
    few = np.concatenate([y, storm[:30]])
    assert one(Case(few, days(few.size), "2_state", "1d", first, True, drifted=True)).head["evaluation"]["held_out_bars"] == 125


def test_evaluation_compares_with_one_state_and_the_predecessor() -> None:
    y = prices(700)
    first = one(case(y[:600]))
    assert first.head["evaluation"]["predecessor_per_bar"] is None
    told = one(case(y, previous=first)).head["evaluation"]
    assert told["gain"] == pytest.approx(told["log_likelihood_per_bar"] - told["one_state_per_bar"])
    assert told["gain"] > 0.05
    assert abs(told["predecessor_per_bar"] - told["log_likelihood_per_bar"]) < 0.1
    steady = told["filtered"]
    assert 0 <= steady["relabelled"] < 0.05
    assert 5 <= steady["switches"] <= 40
    assert 2 <= steady["expected_switches"] <= 40


def test_auto_keeps_its_number_of_states_until_fresh_starts_are_due() -> None:
    y = prices(600)
    model = one(case(y[:590], "auto"))
    warm = one(case(y, "auto", model))
    assert warm.head["n_states"] == model.head["n_states"]
    assert warm.head["selection"] == model.head["selection"]
    assert one(case(y, "auto", model, cold=True)).head["selection"] != model.head["selection"]


def test_new_moves_that_look_like_splits_are_counted() -> None:
    y = prices()
    first = one(case(y[:490]))
    split = y.copy()
    split[495:] /= 2
    done: Any = one(case(split, previous=first))
    assert done.head["split_like"] == 1
    assert one(case(split)).head["split_like"] == 0  # nothing to compare with: the warning alone tells


def test_a_day_more_hardly_changes_what_is_held_against_the_predecessor() -> None:
    """Trial against trial: the model in production has seen the bars that are held out, and would win by that alone."""
    for seed in range(6):
        y = prices(500, seed)
        told = one(case(y, previous=one(case(y[:-1])))).head["evaluation"]
        assert abs(told["predecessor_per_bar"] - told["log_likelihood_per_bar"]) * told["held_out_bars"] < 1.0


def test_a_trial_that_saw_held_out_bars_is_not_gone_on_from() -> None:
    y = prices(600)
    short = one(Case(y[300:], days(600)[300:], "2_state", "1d"))
    grown = one(case(y, previous=short))  # twice the window: more bars are held out than then
    assert Packet.unpack(grown.arrays["trial"].tobytes()).head["started"] == "cold"


def test_models_of_more_columns_are_judged_on_all_of_them() -> None:
    y = prices(500)
    volume = np.exp(np.random.default_rng(2).normal(10, 0.3, 500) + np.abs(np.diff(np.log(y), prepend=np.log(y[0]))) * 20)

    def seen(end: int, previous: Packet | None = None) -> Packet:
        return one(Case(y[:end], days(end), "2_state", "1d", previous, columns=("return", "volume"), cells={"volume": volume[:end]}))

    first = seen(480)
    assert (first.head["d"], first.head["columns"]) == (2, ["return", "volume"])
    warm = seen(500, first)
    assert (warm.head["started"], warm.arrays["pits"].size) == ("warm", 20)
    assert warm.head["evaluation"]["predecessor_per_bar"] is not None
    alone = one(case(y, previous=first))  # a model that sees something else is no predecessor to go on from or to compare with
    assert (alone.head["started"], alone.head["evaluation"]["predecessor_per_bar"]) == ("cold", None)


@pytest.mark.parametrize("engine", ["hmmlearn", "jump"])
def test_every_engine_trains(engine: str) -> None:
    y, params, previous = prices(500), HmmParameters(starts=2, engine=engine), None
    for end in (490, 500):
        asked = Case(y[:end], days(end), "2_state", "1d", previous, columns=sight_of(engine, RETURN))
        done = train_many([asked], params, seed=0, tolerance=Tolerance())[0]
        assert isinstance(done, Packet), done
        assert done.head["evaluation"] is not None
        previous = done
    assert previous is not None
    assert previous.head["started"] == "warm"
