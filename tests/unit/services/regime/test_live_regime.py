"""Live regimes: moved on by each post in its own transaction, the same bit for bit however the bars came, served from memory."""

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rpsd.config import read
from rpsd.core import instant
from rpsd.core.errors import NoModel, Unavailable
from rpsd.core.market import DAY_NS, Samples
from rpsd.core.model import Packet
from rpsd.services.model.service import Candidate, Verdict
from rpsd.services.regime import standing as moving
from rpsd.services.wiring import Services, open_services
from rpsd.store import derived, model, series, standing
from tests.conftest import Clock
from tests.unit.services.conftest import NOW_NS, daily, two_moods

NAME = "regime:X:1d:2_state"
FIRST = instant.parse("2024-06-01")
LATER = instant.parse("2026-01-01")


@pytest.fixture
def stocked(services: Services) -> Services:
    services.series.append("X", "1d", daily(two_moods(700)))
    services.regime.train(NAME)
    return services


def post(services: Services, days: list[int], prices: list[float]) -> None:
    t = FIRST + np.array(days, np.int64) * DAY_NS
    services.series.append("X", "1d", Samples(t, {"close": np.array(prices)}))


def stood(services: Services) -> standing.Stood:
    [found] = services.database.read(lambda c: standing.serving(c, [NAME]))
    return found


def kept(services: Services) -> Samples:
    return services.database.read(lambda c: derived.read_group(c, series.require(c, "X", "1d"), "regime_2_state"))[1]


def walk(n: int) -> list[float]:
    return (two_moods(760)[700 : 700 + n] * 0.9).tolist()


def test_a_post_moves_the_filter_in_its_own_transaction(stocked: Services, clock: Clock) -> None:
    clock.now_ns = LATER
    post(stocked, [0], [60.0])
    assert stood(stocked).seen_ns == FIRST
    assert kept(stocked).t.tolist() == [FIRST]
    before = stood(stocked)
    with pytest.raises(RuntimeError):

        def both(c: object) -> None:
            samples = Samples(np.array([FIRST + DAY_NS]), {"close": np.array([61.0])})
            done = series.upsert(c, "X", "1d", samples, now_ns=LATER)  # type: ignore[arg-type]
            stocked.keeper.follow(c, "X", "1d", samples, done, LATER)  # type: ignore[arg-type]
            [moved] = standing.serving(c, [NAME])  # type: ignore[arg-type]
            assert moved.seen_ns == FIRST + DAY_NS
            raise RuntimeError

        stocked.database.write(both).result()
    assert stood(stocked) == before
    assert kept(stocked).n == 1


def test_however_the_bars_come_the_filter_stands_where_one_filter_over_all_of_them_does(tmp_path: Path) -> None:
    prices, found = walk(40), []
    for number, sizes in enumerate(([40], [1] * 40, [7, 1, 20, 12])):
        with opened(tmp_path / str(number)) as services:
            at = 0
            for size in sizes:
                post(services, list(range(at, at + size)), prices[at : at + size])
                at += size
            whole = services.database.read(lambda c: model.packet(c, NAME, 1))
            found.append((stood(services).state, services.regime.current_text("X", "1d", "2_state"), kept(services).columns["p0"].tolist()))
    assert found[0] == found[1] == found[2]
    from rpsd.regime import hmm
    from rpsd.regime.observe import log_returns

    x = log_returns(np.array([whole.head["last_price"], *prices]))
    alpha, _ = hmm.filter_from(whole, hmm.ahead(whole, whole.arrays["alpha"]), x)
    assert found[0][2] == alpha[:, 0].tolist()


def test_an_open_bar_is_taken_in_once_it_has_closed(stocked: Services, clock: Clock) -> None:
    clock.now_ns = FIRST + DAY_NS // 2
    post(stocked, [0], [60.0])
    assert (stood(stocked).seen_ns, stood(stocked).waits_ns) == (FIRST - DAY_NS, FIRST + DAY_NS)
    text = stocked.regime.current_text("X", "1d", "2_state")
    post(stocked, [0], [64.0])  # it goes on changing until it closes, and nothing of it is served
    assert stocked.regime.current_at_hand("X", "1d", "2_state") == text
    clock.now_ns = FIRST + DAY_NS - 1
    assert stocked.regime.current_at_hand("X", "1d", "2_state") == text
    clock.now_ns += 1
    assert stocked.regime.current_at_hand("X", "1d", "2_state") is None
    assert stocked.regime.current("X", "1d", "2_state")["t"] == instant.text(FIRST)
    assert stood(stocked).waits_ns is None
    clock.now_ns += DAY_NS // 2
    post(stocked, [1], [65.0])
    clock.now_ns += DAY_NS
    post(stocked, [2], [66.0])  # the bar of day 1 has closed, that of day 2 has not: taken in by a post, with no question asked
    assert stood(stocked).seen_ns == FIRST + DAY_NS
    from rpsd.regime.standing import unpack

    assert unpack(stood(stocked).state or b"").carry.memory[2] == 65.0


def opened(directory: Path) -> Services:
    settings = read(environ={"RPSD_STORAGE__DATA_DIR": str(directory), "RPSD_STORAGE__MIN_FREE_BYTES": "0"})
    services = open_services(settings, clock=(clock := Clock(NOW_NS)), worker=False)
    services.series.append("X", "1d", daily(two_moods(700)))
    services.regime.train(NAME)
    clock.now_ns = LATER
    return services


def shuffled(services: Services, prices: list[float]) -> None:
    """Post the bars out of order, now and then a wrong one, and at last all of them; no row that was served may change."""
    rng, waiting = random.Random(5), list(range(len(prices)))
    seen: dict[int, float] = {}
    while waiting:
        near = waiting[: rng.choice([1, 1, 6])]
        day = near[-1] if rng.random() < 0.4 else near[0]
        waiting.remove(day)
        post(services, [day], [prices[day] * rng.choice([1.0, 1.0, 1.1])])
        for t, p in zip(kept(services).t.tolist(), kept(services).columns["p0"].tolist(), strict=True):
            assert seen.setdefault(t, p) == p
        assert len(seen) == len(prices) - len(waiting)
    post(services, list(range(len(prices))), prices)


def test_late_and_revised_bars_replay_the_filter_and_leave_what_was_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the order, the filter ends as if the final bars had come in order; each served row stays as it first was."""
    monkeypatch.setattr(moving, "_PIECE", 4)
    prices, results = walk(60), []
    for order in ("shuffled", "straight"):
        with opened(tmp_path / order) as services:
            if order == "shuffled":
                shuffled(services, prices)
            else:
                post(services, list(range(60)), prices)
            results.append((stood(services).state, services.regime.current("X", "1d", "2_state")["current"]))
            assert services.database.read(lambda c: len(list(standing.checked(c, series.require(c, "X", "1d"))))) > 10
    assert results[0] == results[1]


def test_a_late_bar_says_when_it_was_known(stocked: Services, clock: Clock) -> None:
    clock.now_ns = LATER
    post(stocked, [0, 2], [60.0, 61.0])
    post(stocked, [1], [50.0])
    assert kept(stocked).known_at is not None
    assert kept(stocked).known_at.tolist() == [FIRST + DAY_NS, LATER, FIRST + 3 * DAY_NS]


def test_a_missing_or_zero_price_is_passed_over_until_it_is_filled(stocked: Services, clock: Clock) -> None:
    clock.now_ns = LATER
    post(stocked, [0, 1, 2], [60.0, float("nan"), 0.0])
    assert stood(stocked).seen_ns == FIRST + 2 * DAY_NS
    assert stocked.regime.current("X", "1d", "2_state")["t"] == instant.text(FIRST)
    post(stocked, [1], [61.0])
    assert stocked.regime.current("X", "1d", "2_state")["t"] == instant.text(FIRST + DAY_NS)


def test_a_restart_changes_no_bit(tmp_path: Path) -> None:
    settings = read(environ={"RPSD_STORAGE__DATA_DIR": str(tmp_path / "data"), "RPSD_STORAGE__MIN_FREE_BYTES": "0"})
    clock, texts, states = Clock(NOW_NS), [], []
    with open_services(settings, clock=clock, worker=False) as services:
        services.series.append("X", "1d", daily(two_moods(700)))
        services.regime.train(NAME)
        clock.now_ns = LATER
        post(services, list(range(20)), walk(20))
        texts.append(services.regime.current_text("X", "1d", "2_state"))
        states.append(stood(services))
    with open_services(settings, clock=clock, worker=False) as services:
        texts.append(services.regime.current_text("X", "1d", "2_state"))
        states.append(stood(services))
        post(services, list(range(20, 30)), walk(30)[20:])
        assert stood(services).seen_ns == FIRST + 29 * DAY_NS
    assert texts[0] == texts[1]
    assert states[0] == states[1]


def test_promotion_and_rollback_switch_the_filter(stocked: Services, clock: Clock) -> None:
    clock.now_ns = LATER
    post(stocked, list(range(10)), walk(10))
    first = stocked.regime.current("X", "1d", "2_state")
    rows = kept(stocked)
    assert stocked.regime.train(NAME)["version"] == 2
    assert stocked.regime.current_at_hand("X", "1d", "2_state") is None
    second = stocked.regime.current("X", "1d", "2_state")
    assert (second["model_version"], second["in_sample"], second["t"]) == (2, True, first["t"])
    post(stocked, [10], [70.0])
    assert kept(stocked).columns["model_version"].tolist() == [1.0] * 10 + [2.0]
    assert kept(stocked).columns["p0"][:10].tolist() == rows.columns["p0"].tolist()
    stocked.database.write(lambda c: model.promote(c, NAME, 1, "back", "me", LATER)).result()
    post(stocked, [11], [71.0])
    assert stocked.regime.current("X", "1d", "2_state")["model_version"] == 1
    assert kept(stocked).columns["model_version"].tolist() == [1.0] * 10 + [2.0, 1.0]
    served = stocked.regime.history("X", "1d", "2_state", start_ns=FIRST)["regimes"]
    assert [row["model_version"] for row in served] == [1] * 10 + [2, 1]


def test_what_cannot_be_computed_does_not_keep_a_post_out(stocked: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    from rpsd.regime import standing as numerics

    clock.now_ns = LATER
    working = numerics.advance

    def broken(*_: object) -> None:
        raise ValueError("no such filter")

    monkeypatch.setattr(numerics, "advance", broken)
    post(stocked, [0], [60.0])
    post(stocked, [1], [61.0])
    assert stocked.series.info("X", "1d")["rows"] == 702
    monkeypatch.setattr(numerics, "advance", working)
    assert stocked.regime.current("X", "1d", "2_state")["t"] == instant.text(FIRST + DAY_NS)
    assert kept(stocked).n == 2


def test_a_store_that_takes_no_writes_does_not_stop_the_answer(stocked: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    clock.now_ns = FIRST
    post(stocked, [0, 1, 2], [60.0, 61.0, 59.0])
    clock.now_ns = LATER

    def refused(*_: object) -> None:
        raise Unavailable("no writes now")

    with monkeypatch.context() as patch:
        patch.setattr(stocked.database, "write", refused)
        told = stocked.regime.current("X", "1d", "2_state")
    assert told["t"] == instant.text(FIRST + 2 * DAY_NS)
    assert stood(stocked).state is not None
    assert stood(stocked).seen_ns == FIRST - DAY_NS
    assert stocked.regime.current("X", "1d", "2_state") == told
    assert stood(stocked).seen_ns == FIRST + 2 * DAY_NS


def test_an_answer_lies_at_hand_until_something_changes(stocked: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stocked.regime.current_at_hand("X", "1d", "2_state") is None
    text = stocked.regime.current_text("X", "1d", "2_state")

    def unread(*_: object, **__: object) -> None:
        raise AssertionError("memory alone was to answer")

    with monkeypatch.context() as patch:
        patch.setattr(stocked.database, "read", unread)
        assert stocked.regime.current_at_hand("x", "1d", "2_state") is text
        assert stocked.regime.current_many_text(["X", "X"], "1d", "2_state") == b'{"results":[' + text + b"," + text + b"]}"
        assert stocked.regime.current_many_text(["X", "x"], "1d", "2_state") == b'{"results":[' + text + b"," + text + b"]}"
    stocked.series.append("OTHER", "1d", daily(two_moods(30)))
    assert stocked.regime.current_at_hand("X", "1d", "2_state") is text
    stocked.series.append("OTHER", "1d", daily(two_moods(31)))
    assert stocked.regime.current_many_text(["X"], "1d", "2_state") == b'{"results":[' + text + b"]}"
    clock.now_ns = FIRST + DAY_NS
    post(stocked, [0], [60.0])
    assert stocked.regime.current_at_hand("X", "1d", "2_state") is None
    assert json.loads(stocked.regime.current_many_text(["X"], "1d", "2_state"))["results"][0]["t"] == instant.text(FIRST)


def test_the_clock_alone_makes_an_answer_old(stocked: Services, clock: Clock) -> None:
    clock.now_ns = FIRST + DAY_NS
    post(stocked, [0], [60.0])
    stocked.regime.current("X", "1d", "2_state")
    for days, stale in ((29, False), (31, True), (33, True)):
        clock.now_ns = NOW_NS + days * DAY_NS
        told = stocked.regime.current("X", "1d", "2_state")
        assert [w["detail"].split()[1] for w in told["warnings"] if w["code"] == "stale_model"] == [str(days)] * stale
        assert stocked.regime.current_at_hand("X", "1d", "2_state") is not None


def test_a_series_made_anew_is_filtered_anew(stocked: Services, clock: Clock) -> None:
    clock.now_ns = LATER
    post(stocked, [0, 1], [60.0, 61.0])
    stocked.regime.current("X", "1d", "2_state")
    stocked.series.delete("X", "1d", "me")
    with pytest.raises(Exception, match="no series"):
        stocked.regime.current("X", "1d", "2_state")
    post(stocked, [5], [62.0])
    assert stood(stocked).seen_ns == FIRST + 5 * DAY_NS
    assert kept(stocked).n == 1
    with pytest.raises(NoModel, match="never trained"):
        stocked.regime.current("X", "1d", "3_state")


def test_more_bars_than_one_write_takes_in_follow_when_asked_for(stocked: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "_AT_ONCE", 10)
    clock.now_ns = LATER
    post(stocked, list(range(25)), walk(25))
    assert stood(stocked).seen_ns == FIRST + 9 * DAY_NS
    assert stocked.regime.current("X", "1d", "2_state")["t"] == instant.text(FIRST + 24 * DAY_NS)
    assert kept(stocked).n == 25


def test_history_is_cached_by_data_and_model(stocked: Services, clock: Clock) -> None:
    def history() -> dict[str, object]:
        return stocked.regime.history("X", "1d", "2_state", limit=5)

    first = history()
    again = history()
    assert (first["cache"], again["cache"]) == ("miss", "hit")
    assert content(first) == content(again)
    post(stocked, [-100], [two_moods(700)[600] * 1.01])  # within the training window
    assert (history()["cache"], history()["cache"]) == ("miss", "hit")
    clock.now_ns = LATER
    post(stocked, [0], walk(1))
    assert history()["cache"] == "hit"  # a live bar is not in the window
    assert stocked.regime.train(NAME)["promoted"]
    assert (history()["cache"], history()["cache"]) == ("miss", "hit")


def content(told: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in told.items() if name != "cache"}


def bars_of(prices: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    spread = np.abs(rng.normal(0.0, 0.01, prices.size)) + 1e-3
    return {"close": prices, "high": prices * (1 + spread), "low": prices * (1 - spread), "volume": rng.integers(1, 999, prices.size) * 1.0}


def test_a_model_of_several_columns_is_moved_by_whole_bars(services: Services, clock: Clock) -> None:
    from rpsd.core.observed import graph, observed
    from rpsd.core.parameters import HmmParameters
    from rpsd.regime import MODELS, hmm
    from rpsd.regime.labels import named
    from rpsd.regime.observe import observations
    from rpsd.regime.standing import continuation

    columns, names = ("return", "range", "volume"), ("high", "low", "volume")
    cells = bars_of(two_moods(700), 1)
    t = daily(two_moods(700)).t
    services.series.append("X", "1d", Samples(t.copy(), {name: values.copy() for name, values in cells.items()}))
    services.regime.train(NAME)
    [(version, alone)] = [found for found in [services.model.production(NAME)] if found]
    seen = observations(cells["close"], t, "1d", 2, columns=columns, cells={name: cells[name] for name in names})
    state = named(MODELS[0].fit(seen.x, HmmParameters(k=2), seed=0, z=seen.z))
    head, arrays = continuation(seen)
    head = {**alone.head, **state.head, **head, "columns": list(columns), "graph": graph(observed(columns))}
    arrays = {**alone.arrays, **state.arrays, **arrays, "alpha": hmm.filtered(state, seen.rows)[-1].copy()}
    services.model.register(Candidate(NAME, Packet(head, arrays), dict(version.card), Verdict(True, "by hand")), "me")

    clock.now_ns = LATER
    fresh = bars_of(two_moods(730)[700:], 2)
    for day in range(30):
        bar = {name: values[day : day + 1].copy() for name, values in fresh.items() if not (day == 10 and name == "volume")}
        services.series.append("X", "1d", Samples(FIRST + np.array([day]) * DAY_NS, bar))
    assert kept(services).n == 29  # without a volume the bar of day 10 cannot be seen
    services.series.append("X", "1d", Samples(FIRST + np.array([10]) * DAY_NS, {"volume": fresh["volume"][10:11].copy()}))
    assert kept(services).n == 30
    whole = {name: np.concatenate([cells[name], fresh[name]]) for name in cells}
    t = np.concatenate([t, FIRST + np.arange(30) * DAY_NS])
    all_seen = observations(whole["close"], t, "1d", 2, columns=columns, cells={name: whole[name] for name in names})
    alpha = hmm.filtered(state, all_seen.rows)
    current = services.regime.current("X", "1d", "2_state")
    assert (current["model_version"], list(current["current"]["probabilities"].values())) == (2, alpha[-1].tolist())
    told = services.regime.history("X", "1d", "2_state", end_ns=FIRST - DAY_NS)["regimes"]
    assert [row["probability"] for row in told] == alpha[: len(told)].max(axis=1).tolist()


def test_a_model_of_an_older_release_says_so(stocked: Services, clock: Clock) -> None:
    [(version, packet)] = [found for found in [stocked.model.production(NAME)] if found]
    old = Packet(packet.head, {name: array for name, array in packet.arrays.items() if name != "carry"})
    stocked.model.register(Candidate(NAME, old, dict(version.card), Verdict(True, "by hand")), "me")
    clock.now_ns = LATER
    post(stocked, [0], [60.0])
    with pytest.raises(NoModel, match="older rpsd"):
        stocked.regime.current("X", "1d", "2_state")


def test_a_state_that_another_release_packed_begins_anew(stocked: Services, clock: Clock) -> None:
    clock.now_ns = LATER
    post(stocked, list(range(5)), walk(5))
    right = stood(stocked)
    foreign = replace(right, state=b"\xff\xff" + (right.state or b"")[2:])
    stocked.database.write(lambda c: standing.put(c, series.require(c, "X", "1d"), foreign)).result()
    assert stocked.regime.current("X", "1d", "2_state")["t"] == instant.text(FIRST + 4 * DAY_NS)
    assert stood(stocked) == right
