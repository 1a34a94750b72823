"""Online vectors: what a view says of the last closed bar, the same bits as the materialised row, never stale."""

import numpy as np
import pytest

from rpsd.core import instant
from rpsd.core.errors import BadTime, FeatureGraphChanged, TooShort, UnknownSeries
from rpsd.core.market import DAY_NS, Samples
from rpsd.services.feature import vector as feature_vector
from rpsd.services.wiring import Services
from tests.conftest import Clock
from tests.unit.services.feature.feature_bars import FIRST, bars

CORE = "core_technical"


def vector(services: Services, of: str = "A", **asked: object) -> dict[str, object]:
    return services.feature.vectors.of(CORE, of, **asked)  # type: ignore[arg-type]


def row(services: Services, at: int = -1) -> list[float | None]:
    features = services.feature.frames.read(CORE, "A").piece.features[at].tolist()
    return [None if np.isnan(value) else value for value in features]


def values(told: dict[str, object]) -> list[float | None]:
    found = told["features"]
    assert isinstance(found, dict)
    return list(found.values())


def test_a_vector_is_the_last_row_of_the_frame(services: Services, clock: Clock) -> None:
    services.series.append("A", "1d", bars(0, 300))
    told = vector(services)
    last = FIRST + 299 * DAY_NS
    assert (told["view"], told["version"], told["entity"]) == (CORE, 2, "A:1d")
    assert (told["event_time"], told["known_time"]) == (instant.text(last), instant.text(last + DAY_NS))
    assert told["freshness_seconds"] == (clock.now_ns - last - DAY_NS) / 1e9
    assert (told["quality"], told["faults"], told["warnings"]) == (1.0, [], [])
    assert values(told) == row(services)
    services.feature.materialiser.run()
    assert values(vector(services)) == row(services)


def test_it_moves_with_every_write_and_never_waits_for_the_job(services: Services) -> None:
    services.series.append("A", "1d", bars(0, 300))
    services.feature.materialiser.run()
    for stop in range(301, 310):
        services.series.append("A", "1d", bars(stop - 1, stop))
        assert vector(services)["event_time"] == instant.text(FIRST + (stop - 1) * DAY_NS)
        assert values(vector(services)) == row(services)
    revised = {name: cells * 1.01 for name, cells in bars(200, 201).columns.items()}
    before = values(vector(services))
    services.series.append("A", "1d", Samples(bars(200, 201).t, revised))
    after = values(vector(services))
    assert after != before
    services.feature.materialiser.run()
    assert values(vector(services)) == after


def test_an_open_bar_counts_from_its_close_on(services: Services, clock: Clock) -> None:
    clock.now_ns = FIRST + 300 * DAY_NS + 5
    services.series.append("A", "1d", bars(0, 301))
    assert vector(services)["event_time"] == instant.text(FIRST + 299 * DAY_NS)
    clock.now_ns = FIRST + 301 * DAY_NS
    assert vector(services)["event_time"] == instant.text(FIRST + 300 * DAY_NS)


def test_at_hand_it_is_not_computed_again(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    services.series.append("A", "1d", bars(0, 300))
    services.series.append("B", "1d", bars(0, 10))
    first, calls, computed = vector(services), [], feature_vector.last_row
    monkeypatch.setattr(feature_vector, "last_row", lambda *a: calls.append(1) or computed(*a))
    assert vector(services) == first
    services.series.append("B", "1d", bars(10, 11))  # another series
    assert vector(services) == first
    assert not calls
    services.series.append("A", "1d", bars(300, 301))
    assert vector(services) != first
    assert len(calls) == 1


def test_a_short_history_is_of_poor_quality_and_says_why(services: Services) -> None:
    services.series.append("A", "1d", bars(0, 60))
    told = vector(services)
    names = [fault["feature"] for fault in told["faults"]]  # type: ignore[attr-defined]
    assert names == ["sma_200", "momentum_63"]
    assert told["quality"] == pytest.approx(1 - 2 / 21)
    assert told["warnings"] == []
    services.series.append("S", "1d", bars(0, 25))
    [warning] = vector(services, "S")["warnings"]  # type: ignore[misc]
    assert warning["code"] == "feature_quality_low"


def test_as_of_a_moment(services: Services, clock: Clock) -> None:
    services.series.append("A", "1d", bars(0, 300))
    told = vector(services, as_of_ns=FIRST + 250 * DAY_NS + 5)
    assert told["event_time"] == instant.text(FIRST + 249 * DAY_NS)
    assert values(told) == row(services, 249)
    assert told["freshness_seconds"] == pytest.approx(5e-9)
    with pytest.raises(BadTime):
        vector(services, as_of_ns=clock.now_ns + 1)
    with pytest.raises(TooShort):
        vector(services, as_of_ns=FIRST)


def test_refusals(services: Services, clock: Clock) -> None:
    with pytest.raises(UnknownSeries):
        vector(services, "NONE")
    clock.now_ns = FIRST + 1
    services.series.append("A", "1d", bars(0, 1))
    with pytest.raises(TooShort):
        vector(services)
    clock.now_ns = FIRST + 10 * DAY_NS
    graph = vector(services)["graph"]
    assert vector(services, expect=graph)["graph"] == graph
    with pytest.raises(FeatureGraphChanged):
        vector(services, expect="0" * 64)


def test_a_damaged_standing_or_lost_rows_change_nothing(services: Services) -> None:
    services.series.append("A", "1d", bars(0, 300))
    services.feature.materialiser.run()
    want = values(vector(services))
    for damage in ("UPDATE view_standing SET memory = x'00'", "DELETE FROM derived"):
        services.database.write(lambda c, damage=damage: c.execute(damage) and None).result()  # type: ignore[misc]
        fresh = feature_vector.FeatureVectors(
            services.settings, services.database, services.feature.views, services.feature.frames, services.clock
        )
        assert values(fresh.of(CORE, "A")) == want
