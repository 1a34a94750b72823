"""Training in batches: what is read, what is refused and told, and what a lost worker does to the others."""

import hashlib
import json
from typing import Any

import numpy as np
import pytest

from rpsd.core import instant
from rpsd.core.errors import (
    Cancelled,
    InternalError,
    NoModel,
    RpsdError,
    StateConflict,
    TooShort,
    UnknownModel,
    UnknownSeries,
    WorkerFailed,
)
from rpsd.core.market import DAY_NS, Samples
from rpsd.core.model import Packet
from rpsd.services.model.name import RegimeName
from rpsd.services.model.service import Candidate, Verdict
from tests.unit.services.conftest import daily, two_moods

NAME = "regime:X:1d:2_state"


def names(*symbols: str) -> list[str]:
    return [str(RegimeName(symbol, "1d", "2_state")) for symbol in symbols]


def train(services: Any, asked: list[str], **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = services.regime.train_many(asked, **{"progress": lambda *_: None, "cancelled": lambda: False} | more)
    return found


@pytest.fixture
def many(services: Any) -> Any:
    """Forty series, more than one batch, two of them no good."""
    for i in range(38):
        services.series.append(f"S{i}", "1d", daily(two_moods(300, seed=i)))
    services.series.append("FLAT", "1d", daily(np.ones(300)))
    services.series.append("TINY", "1d", daily(two_moods(30)))
    return services


def test_many_are_trained_in_batches_and_the_bad_ones_are_told(many: Any) -> None:
    asked, steps = [*names(*(f"S{i}" for i in range(38)), "FLAT", "TINY", "NONE")], []
    done = train(many, asked, progress=lambda share, words: steps.append((share, words)), by="me")
    assert list(done) == asked
    codes = {name: one.code for name, one in done.items() if isinstance(one, RpsdError)}
    assert codes == dict(zip(names("FLAT", "TINY", "NONE"), ["constant_series", "too_short", "unknown_series"], strict=True))
    assert steps[-1] == (1.0, "41 of 41")
    assert len(steps) > 1
    assert {one["version"] for one in done.values() if not isinstance(one, RpsdError)} == {1}
    told = {row["subject"]: row["detail"] for row in many.access.audit(None, 100)[0] if row["action"] == "model.refuse"}
    assert told[names("FLAT")[0]]["code"] == "constant_series"
    again = train(many, asked[:3])
    assert all("nothing has changed" in one["reason"] for one in again.values())


def test_batches_and_single_trainings_come_to_the_same(many: Any, clock: Any) -> None:
    train(many, names("S1", "S2"))
    digest = many.model.card(names("S1")[0])["digest"]
    many.database.write(lambda c: c.execute("DELETE FROM model")).result()
    many.regime.train(names("S1")[0])
    assert many.model.card(names("S1")[0])["digest"] == digest


def test_bad_bars_promote_nothing_and_say_why(services: Any, clock: Any) -> None:
    services.series.append("X", "1d", daily(two_moods(700)))
    services.regime.train(NAME)
    t = instant.parse("2024-06-01") + np.arange(3, dtype=np.int64) * DAY_NS
    last = two_moods(700)[-1]
    services.series.append("X", "1d", Samples(t, {"close": np.array([last, last / 2, last / 2])}))
    clock.now_ns += 3 * DAY_NS
    done = services.regime.train(NAME)
    assert (done["version"], done["promoted"]) == (2, False)
    assert "look like a split" in done["reason"]
    assert services.model.production(NAME)[0].version == 1
    services.series.append("X", "1d", Samples(t, {"close": np.array([last, -1.0, last])}))
    with pytest.raises(RpsdError, match="-1") as caught:
        services.regime.train(NAME)
    assert caught.value.code == "not_positive"
    assert services.model.production(NAME)[0].version == 1
    row = services.access.audit(None, 1)[0][0]
    assert (row["action"], row["detail"]["code"]) == ("model.refuse", "not_positive")


def test_the_window_counts_back_from_the_last_closed_bar_even_behind_an_open_one(services: Any, clock: Any) -> None:
    services.series.append("X", "1d", daily(two_moods(700)))
    clock.now_ns += 1500 * DAY_NS
    today = clock.now_ns // DAY_NS * DAY_NS
    services.series.append("X", "1d", Samples(np.array([today], np.int64), {"close": two_moods(701)[700:]}))
    done = services.regime.train(NAME)
    assert done["trained_until"] == "2024-05-31T00:00:00Z"
    assert services.model.versions(NAME)[0]["card"]["window"]["bars"] == 700


def test_the_card_tells_lineage_drift_and_evaluation(services: Any, clock: Any) -> None:
    services.series.append("X", "1d", daily(two_moods(700)))
    services.regime.train(NAME)
    t = instant.parse("2024-06-01") + np.arange(30, dtype=np.int64) * DAY_NS
    services.series.append("X", "1d", Samples(t, {"close": two_moods(730)[700:]}))
    clock.now_ns += 31 * DAY_NS
    services.regime.train(NAME)
    first, second = reversed([version["card"] for version in services.model.versions(NAME)])
    assert (first["predecessor"], second["predecessor"]) == (None, 1)
    assert (first["drift"], second["drift"]["bars"]) == (None, 30)
    assert second["evaluation"]["predecessor_per_bar"] is not None
    assert second["cold_tried"]  # a month has passed
    assert second["cold_ns"] == clock.now_ns
    assert len(services.model.production(NAME)[1].pack()) < 2**20


def test_one_series_that_kills_the_worker_does_not_stop_the_rest(many: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    compute = many.regime._training._compute
    honest, poison = compute.run, many.series.read("S3", "1d").columns["close"][-1]

    def run(task: str, packet: Any, **more: Any) -> Any:
        if any(name.startswith("prices/") and array[-1] == poison for name, array in packet.arrays.items()):
            raise WorkerFailed("the worker was lost")
        return honest(task, packet, **more)

    monkeypatch.setattr(compute, "run", run)
    done = train(many, names("S2", "S3", "S4"))
    assert [getattr(one, "code", "fine") for one in done.values()] == ["fine", "worker_failed", "fine"]


def test_a_training_can_be_cancelled_and_refuses_what_is_no_name(many: Any) -> None:
    with pytest.raises(Cancelled):
        train(many, names("S0"), cancelled=lambda: True)
    with pytest.raises(UnknownModel):
        train(many, ["nonsense"])
    with pytest.raises(UnknownSeries):
        many.regime.train(names("NONE")[0])
    with pytest.raises(TooShort):
        many.regime.train(names("TINY")[0])


def aged(services: Any, name: str) -> None:
    """Leave of the model in production what a release before live regimes kept."""
    version, packet = services.model.production(name)
    kept = ("startprob", "transmat", "means", "variances", "weights", "stationary", "alpha", "trace")
    head = {
        word: value for word, value in packet.head.items() if word not in ("columns", "engine", "emission", "drift", "step_ns", "carry_ns")
    }
    data = Packet(head, {word: packet.arrays[word] for word in kept}).pack()
    card = {word: value for word, value in version.card.items() if word not in ("columns", "emission", "drift", "cold_ns")}
    services.database.write(
        lambda c: c.execute(
            "UPDATE model SET packet = ?, digest = ?, card = ? WHERE name = ?",
            (data, hashlib.sha256(data).hexdigest(), json.dumps(card), name),
        )
    ).result()


def test_a_model_of_an_older_release_is_replaced_by_the_next_training(services: Any, clock: Any) -> None:
    services.series.append("X", "1d", daily(two_moods(700)))
    services.series.append("Y", "1d", daily(two_moods(700, seed=2)))
    train(services, [NAME, *names("Y")])
    aged(services, NAME)
    with pytest.raises(NoModel) as refused:
        services.regime.current("X", "1d", "2_state")
    assert "retrain" in str(refused.value.advice)
    t = np.array([instant.parse("2024-06-01")])
    services.series.append("X", "1d", Samples(t, {"close": two_moods(701)[-1:]}))
    clock.now_ns += 2 * DAY_NS
    done = train(services, [NAME, *names("Y")])
    assert not any(isinstance(one, RpsdError) for one in done.values()), done
    assert (done[NAME]["version"], done[NAME]["promoted"]) == (2, True)
    assert services.regime.current("X", "1d", "2_state")["model_version"] == 2
    assert services.model.card(NAME)["predecessor"] == 1
    with pytest.raises(StateConflict, match="older rpsd"):
        services.model.rollback(NAME, 1, "back", "me")
    assert services.regime.current("X", "1d", "2_state")["model_version"] == 2


def test_a_defect_met_by_one_model_does_not_stop_the_others(many: Any, monkeypatch: Any) -> None:
    run = many.regime._training._compute.run

    def broken(task: str, packet: Any, **more: Any) -> Any:
        if any(packet.arrays["prices/" + str(i)].size == 301 for i in range(len(packet.head["cases"]))):
            raise InternalError("the task raised KeyError")
        return run(task, packet, **more)

    many.series.append("ODD", "1d", daily(two_moods(301)))
    monkeypatch.setattr(many.regime._training._compute, "run", broken)
    done = train(many, names("S1", "ODD", "S2"))
    assert {name: one.code for name, one in done.items() if isinstance(one, RpsdError)} == {names("ODD")[0]: "internal_error"}
    told = [row["subject"] for row in many.access.audit(None, 10)[0] if row["action"] == "model.refuse"]
    assert told == names("ODD")


def test_a_fit_that_another_promotion_overtook_stays_a_candidate(services: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    services.series.append("X", "1d", daily(two_moods(400)))
    services.regime.train(NAME)
    services.regime.train_many([NAME], progress=lambda *_: None, cancelled=lambda: False)
    packet, card = services.model.production(NAME)[1], dict(services.model.card(NAME)["card"])
    services.series.append("X", "1d", daily(two_moods(401)))
    run = services.compute.run

    def overtaken(task: str, *given: Any, **more: Any) -> Packet:
        """While the worker fits, an operator puts a version of their own into production."""
        answer: Packet = run(task, *given, **more)
        services.model.register(Candidate(NAME, packet, card, Verdict(True, "mine")), "operator")
        return answer

    monkeypatch.setattr(services.compute, "run", overtaken)
    told = services.regime.train(NAME)
    assert (told["version"], told["stage"], told["promoted"]) == (3, "candidate", False)
    assert "version 2 serves since the fit began" in told["reason"]
    assert services.model.serving_version(NAME) == 2
    assert services.model_alias.resolve(NAME, "challenger").version == 3  # it has passed the gate: shadow scores and people decide
    assert services.model.promote(NAME, 3, "looked at it", "operator")["stage"] == "production"
