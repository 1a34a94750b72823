"""The registry in the user's words."""

import pytest

from rpsd.core.errors import UnknownModel, UnknownSeries
from rpsd.services.model import RegimeName
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
