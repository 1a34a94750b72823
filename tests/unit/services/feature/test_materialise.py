"""Materialising views: what is new and nothing else, exactly once, the same bits however the bars came."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rpsd.core.errors import UnknownSeries, UnknownView
from rpsd.core.market import DAY_NS, Samples
from rpsd.feature import run
from rpsd.services.feature import materialise
from rpsd.services.wiring import Services, open_services
from rpsd.store import derived, query, series, view_standing
from rpsd.store.db import verify_database
from tests.conftest import Clock
from tests.unit.services.feature.feature_bars import FIRST, bars

CORE = "core_technical"


def kept(services: Services, symbol: str = "A", view: str = CORE) -> tuple[Any, Samples]:
    return services.database.read(lambda c: derived.read_group(c, series.require(c, symbol, "1d"), f"view:{view}"))


def stood(services: Services, symbol: str = "A", view: str = CORE) -> view_standing.ViewStanding:
    found = services.database.read(lambda c: view_standing.find(c, series.require(c, symbol, "1d"), view))
    assert found is not None
    return found


def whole(services: Services, samples: Samples, version: int = 2) -> np.ndarray:
    """All rows (n, F) computed at once."""
    view = next(one for one in services.feature.views.versions(CORE) if one["version"] == version)
    found = services.database.read(lambda c: services.feature.views.fitting(c, CORE, series.require(c, "A", "1d"), view["version"]))
    return run.compute(found[1], {name: samples.columns[name] for name in found[1].inputs})


def matrix(samples: Samples) -> np.ndarray:
    return np.stack(list(samples.columns.values()), axis=1)


def equal(a: np.ndarray, b: np.ndarray) -> bool:
    return a.tobytes() == np.ascontiguousarray(b).tobytes()


def level(services: Services, **asked: Any) -> dict[str, Any]:
    return services.feature.materialiser.run(**asked)


def test_rows_are_those_of_one_computation_over_all_bars(services: Services) -> None:
    given = bars(0, 400)
    services.series.append("A", "1d", given)
    assert level(services)[CORE] == {"series": 1, "rows": 400, "values": 400 * 21, "skipped": []}
    meta, found = kept(services)
    assert meta["kind"] == "view"
    assert (meta["view"], meta["version"], meta["causal"]) == (CORE, 2, True)
    assert equal(matrix(found), whole(services, given))
    assert found.t.tolist() == given.t.tolist()
    assert level(services)[CORE]["rows"] == 0


@pytest.mark.parametrize("sizes", [[1] * 30, [7, 1, 15, 7]])
def test_however_the_bars_come_the_rows_are_the_same(services: Services, sizes: list[int]) -> None:
    at = 250
    services.series.append("A", "1d", bars(0, at))
    level(services)
    for size in sizes:
        services.series.append("A", "1d", bars(at, at + size))
        assert level(services)[CORE]["rows"] == size
        at += size
    _, found = kept(services)
    assert equal(matrix(found), whole(services, bars(0, at)))
    verify_database(services.database.path)


def test_an_open_bar_waits(services: Services, clock: Clock) -> None:
    clock.now_ns = FIRST + 300 * DAY_NS + DAY_NS // 2
    services.series.append("A", "1d", bars(0, 301))
    assert level(services)[CORE]["rows"] == 300
    clock.now_ns += DAY_NS
    assert level(services)[CORE]["rows"] == 1


@pytest.mark.parametrize("checkpoint", [100, 4096])
def test_a_late_and_a_revised_bar_are_computed_again_from_there(
    services: Services, monkeypatch: pytest.MonkeyPatch, checkpoint: int
) -> None:
    from rpsd.services.feature import rows as feature_rows

    monkeypatch.setattr(feature_rows, "CHECKPOINT", checkpoint)
    monkeypatch.setattr(materialise, "CHECKPOINT", checkpoint)
    given = bars(0, 450)
    early = Samples(np.delete(given.t, 333), {name: np.delete(values, 333) for name, values in given.columns.items()})
    services.series.append("A", "1d", early)
    assert level(services)[CORE]["rows"] == 449
    services.series.append("A", "1d", bars(333, 334))
    assert stood(services).dirty_ns == FIRST + 333 * DAY_NS
    back = 150 if checkpoint == 100 else 450
    assert level(services)[CORE]["rows"] == back
    assert equal(matrix(kept(services)[1]), whole(services, given))
    revised = {name: values.copy() for name, values in bars(222, 223).columns.items()}
    revised["close"] *= 1.001
    services.series.append("A", "1d", Samples(bars(222, 223).t, revised))
    assert level(services)[CORE]["rows"] == (250 if checkpoint == 100 else 450)
    close = {name: values.copy() for name, values in given.columns.items()}
    close["close"][222] *= 1.001
    assert equal(matrix(kept(services)[1]), whole(services, Samples(given.t, close)))
    assert stood(services).dirty_ns is None
    assert not stood(services).ordered
    verify_database(services.database.path)


def test_a_late_bar_that_comes_while_the_rows_are_computed_is_not_lost(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    given = bars(0, 300)
    services.series.append("A", "1d", Samples(np.delete(given.t, 5), {k: np.delete(v, 5) for k, v in given.columns.items()}))
    steps, calls = services.feature.materialiser._steps, []

    def between(*arguments: Any) -> Any:
        found = steps(*arguments)
        if not calls:
            services.series.append("A", "1d", bars(5, 6))
        calls.append(1)
        return found

    monkeypatch.setattr(services.feature.materialiser, "_steps", between)
    level(services)
    assert len(calls) > 1
    assert equal(matrix(kept(services)[1]), whole(services, given))


def test_rows_and_standing_go_together(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    services.series.append("A", "1d", bars(0, 300))
    level(services)
    before = stood(services)
    services.series.append("A", "1d", bars(300, 310))

    def broken(*_: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(view_standing, "put", broken)
    with pytest.raises(RuntimeError):
        level(services)
    monkeypatch.undo()
    assert stood(services) == before
    assert kept(services)[1].n == 300
    assert level(services)[CORE]["rows"] == 10


def test_a_series_of_closes_has_the_classic_pair_until_more_columns_come(services: Services) -> None:
    given = bars(0, 300)
    services.series.append("A", "1d", Samples(given.t, {"close": given.columns["close"]}))
    services.series.append("N", "1d", Samples(given.t, {"low": given.columns["low"], "high": given.columns["high"]}))
    told = level(services)[CORE]
    assert told["rows"] == 300
    assert [(one["entity"], one["code"]) for one in told["skipped"]] == [("N:1d", "bad_view")]
    assert list(kept(services)[1].columns) == ["sma_20", "rsi_14"]
    services.series.append("A", "1d", given)
    assert level(services)[CORE]["rows"] == 300
    assert equal(matrix(kept(services)[1]), whole(services, given))


def test_another_price_column_begins_anew(services: Services) -> None:
    given = bars(0, 60)
    services.series.append("A", "1d", Samples(given.t, {"adj_close": given.columns["close"] * 2}))
    level(services)
    assert kept(services)[1].columns["sma_20"][-1] == pytest.approx(given.columns["close"][-20:].mean() * 2)
    services.series.append("A", "1d", Samples(given.t[-1:], {"close": given.columns["close"][-1:]}))
    level(services)
    found = kept(services)[1]
    assert found.n == 60
    assert np.isnan(found.columns["sma_20"]).all()


def test_damage_to_the_standing_or_loss_of_the_rows_is_made_good(services: Services) -> None:
    given = bars(0, 300)
    services.series.append("A", "1d", given)
    level(services)
    services.database.write(lambda c: c.execute("UPDATE view_standing SET memory = x'00'") and None).result()
    assert stood(services).memory is None
    level(services)
    assert equal(matrix(kept(services)[1]), whole(services, given))
    services.database.write(lambda c: derived.delete_group(c, series.require(c, "A", "1d"), f"view:{CORE}")).result()
    services.series.append("A", "1d", bars(300, 301))
    level(services)
    assert equal(matrix(kept(services)[1]), whole(services, bars(0, 301)))


def test_a_view_of_ones_own_is_kept_for_the_series_it_was_asked_for(services: Services) -> None:
    services.feature.views.register("mine", {"features": ["sma_37"]}, "me")
    for symbol in ("A", "B"):
        services.series.append(symbol, "1d", bars(0, 100))
    level(services)
    with pytest.raises(Exception, match="no derived columns"):
        kept(services, view="mine")
    assert level(services, name="mine", entities=["A"])["mine"]["rows"] == 100
    for symbol in ("A", "B"):
        services.series.append(symbol, "1d", bars(100, 110))
    assert level(services)["mine"]["rows"] == 10
    assert services.database.read(lambda c: query.value(c, "SELECT count(*) FROM view_standing WHERE view = 'mine'")) == 1


def test_what_is_not_there_is_refused(services: Services) -> None:
    with pytest.raises(UnknownView):
        level(services, name="none")
    with pytest.raises(UnknownSeries):
        level(services, name=CORE, entities=["NONE:1d"])


def test_minutes_and_ticks_and_a_deleted_series(services: Services) -> None:
    from rpsd.core.market import SECOND_NS

    t = FIRST + np.arange(10_000, dtype=np.int64) * 60 * SECOND_NS
    close = 100 + np.sin(np.arange(10_000) / 50.0)
    services.series.append("M", "1m", Samples(t, {"close": close.copy()}))
    ticks = np.repeat(t[:50], 2)
    services.series.append("T", "tick", Samples(ticks, {"price": np.arange(100.0), "sequence": np.tile([0.0, 1.0], 50)}))
    told = level(services)[CORE]
    assert told["rows"] == 10_050
    assert services.database.read(lambda c: query.value(c, "SELECT count(*) FROM view_standing WHERE slot > 0")) == 2
    services.series.delete("M", "1m", by="me")
    assert services.database.read(lambda c: query.value(c, "SELECT count(*) FROM view_standing")) == 1
    verify_database(services.database.path)


def test_a_stopped_run_has_written_what_it_got_to(services: Services) -> None:
    from rpsd.core.errors import Cancelled

    for number in range(40):
        services.series.append(f"S{number:02}", "1d", bars(0, 60))
    seen: list[str] = []

    def go_on(_share: float, words: str) -> None:
        seen.append(words)
        if len(seen) == 2:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        level(services, go_on=go_on)
    assert level(services)[CORE]["series"] < 40
    assert services.database.read(lambda c: query.value(c, "SELECT count(*) FROM view_standing WHERE rows = 60")) == 40


def test_a_further_version_comes_when_formulas_have_changed(tmp_path: Path, services: Services) -> None:
    services.feature.views.register("mine", {"features": ["sma_3"]}, "me")
    services.database.write(lambda c: c.execute("UPDATE feature_view SET graph = 'old' WHERE name = 'mine'") and None).result()
    with _same(services) as again:
        again.feature.views.begin()
        assert [one["version"] for one in again.feature.views.versions("mine")] == [2, 1]


def _same(services: Services) -> Services:
    services.close()
    return open_services(services.settings, clock=services.clock, worker=False)


def test_poor_rows_raise_an_alert_until_better_ones_come(services: Services) -> None:
    services.series.append("A", "1d", bars(0, 300))
    level(services)
    assert services.alert.active() == []
    nothing = {name: np.where(name == "close", np.nan, column) for name, column in bars(300, 301).columns.items()}
    services.series.append("A", "1d", Samples(bars(300, 301).t, nothing))
    level(services)
    [alert] = services.alert.active()
    assert (alert["name"], alert["subject"], alert["severity"]) == ("feature_quality", CORE, "MEDIUM")
    assert "1 of 1 series" in alert["detail"]
    assert "A:1d" in alert["detail"]
    services.series.append("A", "1d", Samples(bars(300, 301).t, dict(bars(300, 301).columns)))
    level(services)
    assert services.alert.active() == []
