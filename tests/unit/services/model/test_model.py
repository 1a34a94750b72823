"""The registry in the user's words."""

import pytest

from rpsd.core.errors import CorruptData, GateRefused, StateConflict, UnknownModel, UnknownSeries
from rpsd.services.model.name import RegimeName
from rpsd.services.model.service import Candidate, Verdict
from tests.unit.services.conftest import daily, two_moods

NAME = "regime:X:1d:2_state"


def test_names_round_trip_and_are_normalised() -> None:
    assert str(RegimeName.parse("regime:x:1d:2_state")) == NAME
    assert RegimeName.parse("regime:^GSPC:1d:auto") == RegimeName("^GSPC", "1d", "auto")


def test_pages_cards_and_versions(services) -> None:
    for symbol in ("X", "Y"):
        services.series.append(symbol, "1d", daily(two_moods(400)))
        services.regime.train(f"regime:{symbol}:1d:2_state")
    first, cursor = services.model.page(None, 1)
    second, end = services.model.page(cursor, 1)
    assert [row["name"] for row in first + second] == [NAME, "regime:Y:1d:2_state"]
    assert end is None
    assert first[0]["production_version"] == 1
    assert services.model.card(NAME)["digest"] == services.model.versions(NAME)[0]["digest"]
    with pytest.raises(UnknownModel):
        services.model.card("regime:Z:1d:2_state")


def test_a_retrain_is_a_job_of_a_series_that_exists(services) -> None:
    with pytest.raises(UnknownSeries):
        services.model.retrain(NAME, "me")
    with pytest.raises(UnknownModel):
        services.model.retrain("book:X:y", "me")
    services.series.append("X", "1d", daily(two_moods(50)))
    job = services.model.retrain("regime:x:1d:2_state", "me")
    assert (job["name"], job["args"], job["state"]) == ("retrain", {"model": NAME}, "queued")
    assert services.job.on_enqueue.is_set()


@pytest.fixture
def two_versions(services):
    """Version 1 served and was followed by version 2; version 3 was kept back by the gate."""
    services.series.append("X", "1d", daily(two_moods(400)))
    services.regime.train(NAME)
    _, packet = services.model.production(NAME)
    card = dict(services.model.card(NAME)["card"])
    services.model.register(Candidate(NAME, packet, card, Verdict(True, "better")), "me")
    services.model.register(Candidate(NAME, packet, card | {"gate": {"promoted": False}}, Verdict(False, "worse")), "me")
    return services.model


def serving(model) -> int:
    return model.production(NAME)[0].version


def test_a_version_that_passed_is_promoted_and_one_that_did_not_only_by_force(two_versions, services) -> None:
    assert serving(two_versions) == 2
    with pytest.raises(GateRefused, match="worse"):
        two_versions.promote(NAME, 3, "I like it", "me")
    assert serving(two_versions) == 2
    done = two_versions.promote(NAME, 3, "I insist", "boss", force=True)
    assert (done["stage"], done["reason"], done["promoted_by"], done["predecessor"]) == ("production", "I insist", "boss", 2)
    row = services.access.audit(None, 1)[0][0]
    assert (row["action"], row["detail"]["forced"], row["detail"]["from"]) == ("model.promote", True, 2)
    assert two_versions.promote(NAME, 1, "older", "me")["version"] == 1
    with pytest.raises(StateConflict):
        two_versions.promote(NAME, 1, "again", "me")
    with pytest.raises(UnknownModel):
        two_versions.promote(NAME, 9, "which", "me")


def test_a_rollback_goes_down_step_by_step_and_never_to_what_never_served(two_versions, services) -> None:
    with pytest.raises(GateRefused):
        two_versions.rollback(NAME, 3, "forward?", "me")
    assert two_versions.rollback(NAME, None, "bad feed", "me")["version"] == 1
    assert services.access.audit(None, 1)[0][0]["action"] == "model.rollback"
    with pytest.raises(StateConflict, match="before 1"):
        two_versions.rollback(NAME, None, "further", "me")
    assert two_versions.rollback(NAME, 2, "it was not the feed", "me")["version"] == 2
    with pytest.raises(UnknownModel):
        two_versions.rollback("regime:NONE:1d:2_state", None, "none", "me")


def test_a_damaged_version_does_not_serve(two_versions, services) -> None:
    services.database.write(lambda c: c.execute("UPDATE model SET packet = zeroblob(9) WHERE version = 1")).result()
    with pytest.raises(CorruptData):
        two_versions.rollback(NAME, None, "back", "me")
    assert serving(two_versions) == 2
