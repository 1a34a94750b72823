"""The watch on real models: each bar scored once, a bad promotion taken back, a good one left, the challenger scored beside."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rpsd.core import instant
from rpsd.core.errors import NoModel, UnknownModel
from rpsd.core.market import DAY_NS, Samples
from rpsd.core.model import Packet
from rpsd.services.model.service import Candidate, Verdict
from rpsd.services.retraining.shadow import PREDECESSOR
from rpsd.services.retraining.watch import is_ahead
from rpsd.store import model as models
from rpsd.store import score
from rpsd.store.score import Row, Scores
from tests.conftest import Clock
from tests.flow.web import book_model
from tests.unit.services.conftest import daily, two_moods

NAME = "regime:X:1d:2_state"
PRICES = two_moods(900)
LAST_NS = instant.parse("2024-05-31")


@pytest.fixture
def alerts(services: Any, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    raised: list[tuple[str, ...]] = []
    monkeypatch.setattr(services.watch, "_alert", lambda *told: raised.append(told))
    return raised


@pytest.fixture
def fitted(services: Any) -> Any:
    services.series.append("X", "1d", daily(PRICES[:700]))
    services.regime.train(NAME)
    return services


@pytest.fixture
def days(fitted: Any, clock: Clock) -> Callable[[int], None]:
    """Lets so many further days close."""
    done = [0]

    def go(n: int) -> None:
        t = LAST_NS + (done[0] + np.arange(1, n + 1, dtype=np.int64)) * DAY_NS
        fitted.series.append("X", "1d", Samples(t, {"close": PRICES[700 + done[0] : 700 + done[0] + n]}))
        done[0] += n
        clock.now_ns += n * DAY_NS

    return go


def register(services: Any, off_by: float, *, promoted: bool) -> int:
    """Another version of the model that expects returns so many percent too high."""
    version, packet = services.model.production(NAME)
    arrays = dict(packet.arrays)
    arrays["location"] = arrays["location"] + off_by
    card = dict(version.card) | {"predecessor": version.version, "started": "warm"}
    one = Candidate(NAME, Packet(packet.head, arrays), card, Verdict(promoted, "by hand"))
    return int(services.model.register(one, "me").version)


def scored(services: Any) -> dict[int, Row]:
    found: dict[int, Row] = services.database.read(lambda c: score.find(c, NAME))
    return found


def test_each_bar_is_scored_once_and_keeps_its_score(fitted: Any, days: Callable[[int], None]) -> None:
    assert fitted.watch.look() == {"scored": 0, "rolled_back": []}
    days(3)
    assert fitted.watch.look()["scored"] == 1
    first = scored(fitted)[0].scores
    assert (first.t.size, set(first.by.tolist())) == (3, {1})
    assert fitted.watch.look()["scored"] == 0
    t = np.array([LAST_NS + DAY_NS], np.int64)
    fitted.series.append("X", "1d", Samples(t, {"close": np.array([55.0])}))  # revised: what was said stays judged by what was seen
    days(2)
    fitted.watch.look()
    second = scored(fitted)[0].scores
    assert second.t.size == 5
    assert second.values[:3].tobytes() == first.values.tobytes()
    assert fitted.shadow.told(NAME)["scored"] == 5


def test_a_model_whose_book_is_gone_keeps_no_other_from_being_watched(fitted: Any, days: Callable[[int], None]) -> None:
    book_model.serve(fitted, "book:GONE:next_mid_move")
    days(3)
    assert fitted.watch.look()["scored"] == 1


def test_an_open_bar_is_not_scored(fitted: Any, clock: Clock, days: Callable[[int], None]) -> None:
    days(2)
    clock.now_ns = LAST_NS + 2 * DAY_NS  # the second of them opens
    fitted.watch.look()
    assert scored(fitted)[0].scores.t.size == 1


def test_a_version_that_does_worse_than_its_predecessor_is_taken_back(
    fitted: Any, days: Callable[[int], None], alerts: list[tuple[str, ...]]
) -> None:
    assert register(fitted, 4.0, promoted=True) == 2
    looks = []
    for _ in range(40):
        days(1)
        looks.append(fitted.watch.look(job=9)["rolled_back"])
    [at] = [i for i, taken in enumerate(looks) if taken]
    assert 19 <= at < 35  # twenty bars are the least
    [done] = looks[at]
    assert (done["model"], done["version"]) == (NAME, 1)
    assert "version 1 would have done better by" in done["reason"]
    assert fitted.model.production(NAME)[0].version == 1
    assert alerts == [("model_rollback", NAME, "HIGH", done["reason"])]
    [decision] = fitted.retraining.page(choice="rollback")[0]
    assert (decision["cause"], decision["version"], decision["job"]) == ("live_score", 1, 9)
    [row] = [one for one in fitted.access.audit(None, 100)[0] if one["action"] == "model.rollback"]
    assert (row["actor"], row["detail"]["from"]) == ("watch", 2)
    assert set(scored(fitted)[0].scores.by.tolist()) == {1}  # what serves now begins a line of its own


def test_what_is_no_worse_stays_and_so_does_everything_when_rollback_is_off(
    fitted: Any, days: Callable[[int], None], alerts: list[tuple[str, ...]]
) -> None:
    register(fitted, 0.02, promoted=True)
    for _ in range(8):
        days(10)
        assert fitted.watch.look()["rolled_back"] == []
    register(fitted, 4.0, promoted=True)
    object.__setattr__(fitted.settings.models.watch, "rollback", False)
    days(60)
    assert fitted.watch.look() == {"scored": 1, "rolled_back": []}
    told = fitted.shadow.told(NAME)
    assert (told["version"], told["scored"]) == (3, 140)
    [rival] = told["rivals"]
    assert (rival["role"], rival["version"], rival["scored"]) == ("predecessor", 2, 60)
    assert rival["lead"] > 0.5
    assert rival["p"] < 0.01
    assert alerts == []


def test_nightly_fits_are_held_to_the_version_of_so_many_bars_ago(fitted: Any, days: Callable[[int], None]) -> None:
    for _ in range(24):
        days(1)
        fitted.watch.look()
        fitted.regime.train(NAME)
    days(1)
    fitted.watch.look()
    serving = fitted.model.production(NAME)[0].version
    rows = scored(fitted)
    [rival] = [row for row in rows.values() if row.role == PREDECESSOR]
    assert rival.facts["scored"] == 20
    assert rival.version < serving - 15
    assert len(set(rows[0].scores.by.tolist())) > 15


def test_the_challenger_is_scored_beside_and_shadow_can_be_off(fitted: Any, days: Callable[[int], None], monkeypatch: Any) -> None:
    version = register(fitted, 0.01, promoted=False)
    monkeypatch.setattr(fitted.shadow, "_challenger", lambda c, name: models.find(c, name, version))
    days(5)
    fitted.watch.look()
    [rival] = fitted.shadow.told(NAME)["rivals"]
    assert (rival["role"], rival["version"], rival["scored"], rival["p"]) == ("challenger", 2, 5, None)
    object.__setattr__(fitted.settings.models, "shadow", False)
    days(5)
    assert fitted.watch.look() == {"scored": 0, "rolled_back": []}


def test_a_damaged_predecessor_cannot_be_scored_and_the_rest_can(fitted: Any, days: Callable[[int], None]) -> None:
    register(fitted, 4.0, promoted=True)
    fitted.database.write(lambda c: c.execute("UPDATE model SET packet = zeroblob(99) WHERE version = 1")).result()
    days(30)
    assert fitted.watch.look() == {"scored": 1, "rolled_back": []}
    assert fitted.shadow.told(NAME)["rivals"] == []


def test_what_has_no_model_has_no_shadow(fitted: Any) -> None:
    with pytest.raises(UnknownModel):
        fitted.shadow.told("regime:Y:1d:2_state")
    assert fitted.shadow.told(NAME)["scored"] == 0
    fitted.database.write(lambda c: c.execute("UPDATE model SET stage = 'archived'")).result()
    with pytest.raises(NoModel):
        fitted.shadow.told(NAME)
    assert fitted.watch.look(["regime:Y:1d:2_state", NAME]) == {"scored": 0, "rolled_back": []}


@pytest.mark.parametrize(
    ("p", "lead", "ahead"), [(0.099, 0.07, True), (0.101, 0.07, False), (0.0, 0.069, False), (0.0, -0.07, False), (None, 0.07, False)]
)
def test_a_lead_counts_on_one_side_and_beyond_chance(p: float | None, lead: float, ahead: bool) -> None:
    row = Row(1, PREDECESSOR, {"p": p, "lead": lead, "scored": 100}, 0, Scores.none())  # 6.9 nats are a ratio of 1000
    assert is_ahead(row, 0.001) is ahead


def test_scores_of_models_that_no_longer_serve_are_dropped_and_a_damaged_row_counts_for_nothing(
    fitted: Any, days: Callable[[int], None]
) -> None:
    days(3)
    fitted.watch.look()
    fitted.database.write(lambda c: c.execute("UPDATE model_score SET scores = zeroblob(7)")).result()
    assert scored(fitted) == {}
    days(1)
    fitted.watch.look()
    assert scored(fitted)[0].scores.t.size == 4
    assert fitted.watch.prune() == 0
    fitted.database.write(lambda c: c.execute("UPDATE model SET stage = 'archived'")).result()
    assert fitted.watch.prune() == 1
