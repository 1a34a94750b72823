"""Live regimes in trouble: damaged records, bars that come before the numerics are ready, and two who promote at once."""

import json
import threading

import numpy as np
import pytest

from rpsd.core import instant
from rpsd.core.errors import CorruptData, FeatureGraphChanged, RpsdError, StateConflict
from rpsd.core.market import DAY_NS, Samples
from rpsd.services.model.service import Candidate, Verdict
from rpsd.services.regime import standing as moving
from rpsd.services.wiring import Services
from tests.conftest import Clock
from tests.unit.services.conftest import daily, two_moods

KINDS = ("2_state", "3_state", "auto")
FIRST = instant.parse("2024-06-01")
LATER = instant.parse("2024-07-15")


@pytest.fixture
def stocked(services: Services) -> Services:
    services.series.append("X", "1d", daily(two_moods(700)))
    for kind in KINDS:
        services.regime.train(f"regime:X:1d:{kind}")
    return services


def post(services: Services, days: list[int], prices: list[float]) -> None:
    t = FIRST + np.array(days, np.int64) * DAY_NS
    services.series.append("X", "1d", Samples(t, {"close": np.array(prices)}))


def current(services: Services, kind: str = "2_state") -> dict[str, object]:
    return services.regime.current("X", "1d", kind)["current"]


def execute(services: Services, sql: str) -> None:
    services.database.write(lambda c: c.execute(sql) and None).result()


def walk(n: int) -> list[float]:
    return (two_moods(760)[700 : 700 + n] * 0.9).tolist()


def afresh(services: Services, kind: str = "2_state") -> dict[str, object]:
    """What the filter says when it begins again where the training ended."""
    execute(services, "DELETE FROM standing")
    return current(services, kind)


def test_a_damaged_standing_is_made_anew_and_keeps_no_post_out(stocked: Services, clock: Clock) -> None:
    clock.now_ns = LATER
    post(stocked, [*range(20)], walk(20))
    before = {kind: current(stocked, kind) for kind in KINDS}
    execute(stocked, "UPDATE standing SET state = zeroblob(length(state)) WHERE name = 'regime:X:1d:2_state'")
    assert {kind: current(stocked, kind) for kind in KINDS} == before
    execute(stocked, "UPDATE standing SET state = zeroblob(length(state)) WHERE name = 'regime:X:1d:2_state'")
    post(stocked, [20], walk(21)[20:])
    found = {kind: current(stocked, kind) for kind in KINDS}
    assert found == {kind: afresh(stocked, kind) for kind in KINDS}


def test_a_late_bar_behind_a_damaged_checkpoint_still_counts(stocked: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "_PIECE", 5)
    clock.now_ns = LATER
    post(stocked, [*range(20)], walk(20))
    execute(stocked, "UPDATE standing SET crc = crc + 1 WHERE slot > 0")
    post(stocked, [12], [walk(20)[11]])
    assert current(stocked) == afresh(stocked)


def test_a_damaged_model_takes_down_its_own_name_alone(stocked: Services, clock: Clock) -> None:
    clock.now_ns = LATER
    execute(stocked, "UPDATE model SET packet = zeroblob(100) WHERE name = 'regime:X:1d:2_state'")
    stocked.keeper._standings._models._held.clear()
    post(stocked, [0], walk(1))
    with pytest.raises(CorruptData, match="2_state version 1"):
        current(stocked)
    for kind in KINDS[1:]:
        assert stocked.regime.current("X", "1d", kind)["t"].startswith("2024-06-01")
    texts = stocked.regime.current_many(["X"], "1d", "2_state")["results"]
    assert texts[0]["error"]["code"] == "corrupt_data"
    stocked.health.refresh()
    assert stocked.regime.train("regime:X:1d:2_state")["promoted"]
    assert stocked.regime.current("X", "1d", "2_state")["model_version"] == 2


@pytest.mark.parametrize("days", [[20], [18], [18, 20], [20, 21]])
def test_bars_that_come_before_the_numerics_are_ready_are_taken_in_later(stocked: Services, clock: Clock, days: list[int]) -> None:
    clock.now_ns = LATER
    post(stocked, [*range(20)], walk(20))
    before, standings = current(stocked), stocked.keeper._standings
    standings.ready = False
    post(stocked, days, [60.0 + day for day in days])
    standings.ready = True
    found = stocked.regime.current("X", "1d", "2_state")
    assert found["t"] == instant.text(FIRST + max(19, *days) * DAY_NS)
    assert found["current"] == afresh(stocked) != before


def test_of_two_who_promote_at_once_one_wins_and_the_filter_follows(stocked: Services, clock: Clock) -> None:
    name = "regime:X:1d:2_state"
    clock.now_ns = LATER
    post(stocked, [*range(30)], walk(30))
    assert stocked.regime.train(name)["promoted"]
    outcomes: list[object] = []
    at_once = threading.Barrier(2)

    def back() -> None:
        at_once.wait()
        try:
            outcomes.append(stocked.model.promote(name, 1, "back", "me")["version"])
        except RpsdError as error:
            outcomes.append(type(error))

    threads = [threading.Thread(target=back) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes, key=str) == [1, StateConflict]
    told = stocked.regime.current("X", "1d", "2_state")
    assert (told["model_version"], told["t"], told["in_sample"]) == (1, instant.text(FIRST + 29 * DAY_NS), False)
    assert told["current"] == afresh(stocked)
    stocked.model.rollback(name, 2, "forth", "me")
    assert stocked.regime.current("X", "1d", "2_state")["model_version"] == 2
    json.dumps(told, allow_nan=False)


def warned(services: Services) -> list[str]:
    codes = [one["code"] for one in services.regime.current("X", "1d", "2_state")["warnings"]]
    return [code for code in codes if code in ("looks_like_split", "bar_not_observed")]


def test_live_bars_that_look_like_a_split_or_cannot_be_observed_are_warned_about(stocked: Services, clock: Clock) -> None:
    clock.now_ns = LATER
    prices = walk(5)
    post(stocked, [0, 1], prices[:2])
    assert warned(stocked) == []
    post(stocked, [2], [0.0])
    assert warned(stocked) == ["bar_not_observed"]
    assert stocked.regime.current("X", "1d", "2_state")["t"].startswith("2024-06-02")
    post(stocked, [3, 4], [price / 2 for price in prices[3:]])
    assert warned(stocked) == ["looks_like_split"]
    post(stocked, [3, 4], prices[3:])  # revised: adjusted after all
    assert warned(stocked) == []


def test_a_model_whose_features_mean_something_else_now_says_so(stocked: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rpsd.core.observed._FORMULAS", 0)
    post(stocked, [0], walk(1))
    with pytest.raises(FeatureGraphChanged, match="computed otherwise") as refused:
        stocked.regime.current("X", "1d", "2_state")
    assert "retrain" in str(refused.value.advice)
    with pytest.raises(FeatureGraphChanged):
        stocked.model.promote("regime:X:1d:2_state", stocked.model.register(as_candidate(stocked), "me").version, "why", "me", force=True)
    clock.now_ns = LATER
    done = stocked.regime.train("regime:X:1d:2_state")  # the fit that follows is on the features of now
    assert (done["version"], done["promoted"]) == (3, True)
    assert stocked.regime.current("X", "1d", "2_state")["model_version"] == 3


def as_candidate(services: Services) -> Candidate:
    """The model in production once more, not promoted."""
    [(version, packet)] = [found for found in [services.model.production("regime:X:1d:2_state")] if found]
    return Candidate("regime:X:1d:2_state", packet, dict(version.card), Verdict(False, "by hand"))
