"""The drift monitor: reports, the second window, alerts, and what cannot be read."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from rpsd.core import instant
from rpsd.core.drift import DriftReport
from rpsd.core.errors import Cancelled, InvalidRequest, NoModel, UnknownRoute
from rpsd.core.market import DAY_NS, Samples
from rpsd.core.model import Packet
from rpsd.services.drift import service as module
from rpsd.services.drift.cases import MOST_CURRENT
from rpsd.services.wiring import Services
from rpsd.store import drift as rows
from tests.conftest import Clock
from tests.unit.services.conftest import daily, two_moods

Found = dict[str, Any]


def named(symbol: str) -> str:
    return f"regime:{symbol}:1d:3_state"


def trained(services: Services, symbol: str = "AAPL", n: int = 600, columns: tuple[str, ...] = ("close",)) -> str:
    """A model in production on a series of two moods."""
    bars, rng = daily(two_moods(n)), np.random.default_rng(1)
    close = bars.columns["close"]
    whole = {"close": close, "open": close, "high": close * 1.01, "low": close * 0.99, "volume": rng.uniform(1e6, 2e6, n)}
    services.series.append(symbol, "1d", Samples(bars.t, {name: whole[name] for name in columns}))
    services.regime.train(named(symbol))
    assert services.model.production(named(symbol)) is not None
    return named(symbol)


def grow(services: Services, clock: Clock, n: int, *, wild: bool, symbol: str = "AAPL", seed: int = 3) -> None:
    """Further daily bars, closed by now: of the two moods as before, or of another world."""
    held = services.series.read(symbol, "1d")
    last, price = int(held.t[-1]), float(held.columns["close"][-1])
    rng = np.random.default_rng(seed)
    returns = rng.normal(-0.02, 0.09, n) if wild else np.diff(np.log(two_moods(n + 1, seed)))
    t = last + (np.arange(n, dtype=np.int64) + 1) * DAY_NS
    services.series.append(symbol, "1d", Samples(t, {"close": price * np.exp(np.cumsum(returns))}))
    clock.now_ns = max(clock.now_ns, int(t[-1]) + 2 * DAY_NS)


def scan(services: Services, names: list[str] | None = None, *, only_new: bool = False) -> Found:
    return services.drift.scan(names, progress=lambda _share, _words: None, cancelled=lambda: False, only_new=only_new)


def newest(services: Services, name: str = named("AAPL")) -> Found:
    found, _ = services.drift.page(None, 1, name)
    return services.drift.find(found[0]["id"])


def gauge(services: Services, kind: str) -> float | None:
    return services.metrics.registry.get_sample_value("rpsd_drift_severity", {"kind": kind})


def test_no_models(services: Services, logged: Callable[[], str]) -> None:
    assert scan(services)["models"] == 0
    assert "no models" in logged()
    assert services.drift.page() == ([], None)
    assert gauge(services, "feature") == 0


def test_too_few_bars_are_told_and_replace_their_own_kind(services: Services, clock: Clock, logged: Callable[[], str]) -> None:
    name = trained(services)
    told = scan(services)
    assert "Drift scan complete" in logged()
    assert (told["models"], told["reports"], told["skipped"]) == (1, 1, 1)
    assert told["reasons"] == [{"model": name, "reason": "the window has 0 values, 50 are needed"}]
    report = newest(services)
    assert (report["severity"], report["rows"], report["version"]) == ("NONE", [], 1)
    clock.advance(60)
    scan(services)
    assert len(services.drift.page()[0]) == 1  # the second took the place of the first
    assert newest(services)["id"] != report["id"]


def test_the_same_world_is_no_drift(services: Services, clock: Clock) -> None:
    trained(services)
    grow(services, clock, 120, wild=False)
    for _ in range(2):
        told = scan(services)
        clock.advance(60)
    assert told["severities"] == {"none": 1, "low": 0, "medium": 0, "high": 0}
    report = newest(services)
    assert report["compared"] == 7
    assert {row["kind"] for row in report["rows"]} == {"feature", "prediction"}
    assert (report["view"], report["skipped"]) == ("core_technical@1", {})


def test_another_world_needs_a_second_window_then_raises_and_later_resolves(services: Services, clock: Clock) -> None:
    name = trained(services)
    grow(services, clock, 60, wild=True)
    with services.events.listen(["drift", "alerts"]) as listener:
        first = scan(services)
        assert (first["significant"], first["severities"]["high"]) == (1, 0)
        again = scan(services)  # the same window again is no second one
        assert (again["significant"], again["severities"]["high"], again["reports"]) == (1, 0, 1)
        assert services.alert.active() == []
        grow(services, clock, 5, wild=True, seed=4)
        assert scan(services)["severities"]["high"] == 0  # 5 new bars of 65 are not a tenth
        grow(services, clock, 5, wild=True, seed=5)
        assert scan(services)["severities"]["high"] == 1
        told = [(event.channel, event.data["event"]) for event in listener.take()]
    assert ("alerts", "raised") in told
    assert told.count(("drift", "scan")) == 4
    assert told.count(("drift", "report")) == 1
    report = newest(services)
    assert report["severity"] == "HIGH"
    assert "forecast.probability" in report["drifted"]
    [alert] = services.alert.active()
    assert (alert["name"], alert["subject"], alert["severity"]) == ("drift", name, "HIGH")
    assert str(report["id"]) in alert["detail"]
    assert services.database.read(rows.high)[name] == (clock(), alert["detail"])
    assert (gauge(services, "prediction"), gauge(services, "quality")) == (3, 0)

    services.regime.train(name)  # on a window that ends with the new world
    if services.model.production(name)[0].version == 1:  # type: ignore[index]
        services.model.promote(name, 2, "the world has changed", "me", force=True)
    scan(services)
    assert services.alert.active() == []
    assert services.database.read(rows.high) == {}
    assert gauge(services, "prediction") == 0


def test_by_schedule_only_what_has_new_bars_is_looked_at(services: Services, clock: Clock) -> None:
    trained(services)
    grow(services, clock, 60, wild=False)
    assert scan(services, only_new=True)["reports"] == 1
    told = scan(services, only_new=True)
    assert (told["reports"], told["unchanged"], told["skipped"]) == (0, 1, 0)
    open_bar = services.series.read("AAPL", "1d").t[-1:] + 3 * DAY_NS  # it closes tomorrow
    services.series.append("AAPL", "1d", Samples(open_bar, {"close": np.array([100.0])}))
    assert scan(services, only_new=True)["unchanged"] == 1
    clock.advance(2 * 86_400)
    assert scan(services, only_new=True)["reports"] == 1


def test_the_whole_view_where_its_columns_are_there(services: Services, clock: Clock) -> None:
    trained(services, columns=("open", "high", "low", "close", "volume"))
    held = services.series.read("AAPL", "1d")
    rng = np.random.default_rng(5)
    close = held.columns["close"][-1] * np.exp(np.cumsum(np.diff(np.log(two_moods(81, 5)))))
    t = held.t[-1] + (np.arange(80, dtype=np.int64) + 1) * DAY_NS
    further = {"open": close, "high": close * 1.01, "low": close * 0.99, "close": close, "volume": rng.uniform(1e6, 2e6, 80)}
    further["volume"][:] = np.nan
    services.series.append("AAPL", "1d", Samples(t, further))
    clock.now_ns = int(t[-1]) + 2 * DAY_NS
    scan(services)
    report = newest(services)
    found = {row["feature"]: row for row in report["rows"]}
    assert report["view"] == "core_technical@2"
    assert {"sma_200", "macd", "atr_14", "drawdown", "log_return", "quality.complete"} <= set(found) | set(report["skipped"])
    assert (found["quality.complete"]["significant"], found["quality.complete"]["kind"]) == (True, "quality")
    assert found["quality.complete"]["psi"] > 0.3
    assert "observed.return" not in found  # it is the view's log_return
    assert report["skipped"]["volume_ratio_20"].startswith("the window has 0 values")
    assert abs(found["sma_5"]["mean_shift"]) < 2  # of the price, not in its unit


def test_one_model_that_cannot_be_read_does_not_stop_the_others(services: Services, clock: Clock) -> None:
    trained(services)
    trained(services, "GONE")
    grow(services, clock, 60, wild=False)
    services.series.delete("GONE", "1d", by="me")
    told = scan(services)
    assert (told["models"], told["reports"], told["skipped"]) == (2, 1, 1)
    assert told["reasons"][0]["model"] == named("GONE")
    assert "GONE" in told["reasons"][0]["reason"]


def test_a_fresh_model_is_judged_by_the_record_of_those_before(services: Services, clock: Clock) -> None:
    name = trained(services)
    for seed in range(12):
        grow(services, clock, 10, wild=False, seed=seed)
        services.regime.train(name)
    version, packet = services.model.production(name)  # type: ignore[misc]
    assert version.version > 1
    assert packet.arrays["pits"].size >= 50  # no cold fit began a fresh record: there is something to judge by
    scan(services)
    report = newest(services)
    assert [row["feature"] for row in report["rows"]] == ["forecast.probability"]
    assert report["rows"][0]["n_current"] == min(packet.arrays["pits"].size, MOST_CURRENT)


def test_a_scan_that_is_cancelled_stores_nothing(services: Services, clock: Clock) -> None:
    trained(services)
    grow(services, clock, 60, wild=False)
    with pytest.raises(Cancelled):
        services.drift.scan(progress=lambda _share, _words: None, cancelled=lambda: True)
    assert services.drift.page() == ([], None)


def test_what_the_worker_answers_is_stored_whole_or_not_at_all(services: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    trained(services)
    grow(services, clock, 60, wild=True)
    real = services.compute.run

    def broken(task: str, packet: Packet, **options: Any) -> Packet:
        answer = real(task, packet, **options)
        rows_of: list[Mapping[str, Any]] = answer.head["reports"]
        return Packet({"reports": [{**one, "rows": [["too", "short"]]} for one in rows_of]}, {})

    monkeypatch.setattr(services.compute, "run", broken)
    with pytest.raises(TypeError):
        scan(services)
    assert services.drift.page() == ([], None)
    assert services.alert.active() == []


def test_asking_for_a_scan(services: Services) -> None:
    name = trained(services)
    trained(services, "MSFT")
    with pytest.raises(NoModel) as error:
        services.drift.submit([name, "regime:X:1d:3_state"], by="me")
    assert [fault.pointer for fault in error.value.errors] == ["/models/1"]
    with pytest.raises(InvalidRequest):
        services.drift.submit([], by="me")
    one = services.drift.submit([name], by="me")
    two = services.drift.submit([name, named("MSFT")], by="me")
    every = services.drift.submit(None, by="me")
    assert (one["args"], services.drift.given(one["id"])) == ({"model": name}, None)
    assert services.drift.given(two["id"]) == [name, named("MSFT")]
    assert (every["args"], services.drift.given(every["id"])) == ({}, None)


def test_reports_by_page_model_and_severity(services: Services, clock: Clock) -> None:
    for symbol in ("AAPL", "MSFT"):
        trained(services, symbol)
        grow(services, clock, 60, wild=symbol == "MSFT", symbol=symbol)
    scan(services)
    grow(services, clock, 20, wild=True, symbol="MSFT", seed=9)
    scan(services)
    first, following = services.drift.page(limit=3)
    assert len(first) == 3
    rest, end = services.drift.page(following, 3)
    assert (len(rest), end) == (1, None)
    assert {one["model"] for one in services.drift.page(model=named("AAPL"))[0]} == {named("AAPL")}
    assert [one["model"] for one in services.drift.page(severity="HIGH")[0]] == [named("MSFT")]
    assert "rows" not in first[0]
    with pytest.raises(InvalidRequest):
        services.drift.page(severity="high")
    with pytest.raises(UnknownRoute):
        services.drift.find(10_000)


def test_old_reports_are_forgotten_but_never_the_newest(services: Services, clock: Clock) -> None:
    row = [module.FeatureDrift("x", "feature", 500, 60, 60.0, 0.01, 0.02, 0.03, 0.04, 1.0, 0.5, False, "NONE")]

    def report(at_ns: int) -> DriftReport:
        return DriftReport("m", 1, at_ns, (0, 1), (2, 3), "NONE", tuple(row), {})

    now_ns = clock()
    for age in range(6, -1, -1):
        services.database.write(lambda c, age=age: rows.add(c, report(now_ns - age * DAY_NS), "", 3, frozenset())).result()  # type: ignore[misc]
    assert services.database.write(lambda c: rows.prune(c, now_ns - 4 * DAY_NS, 500)).result() == 2
    assert services.database.write(lambda c: rows.prune(c, now_ns - 4 * DAY_NS, 2)).result() == 3
    assert services.database.write(lambda c: rows.prune(c, now_ns + DAY_NS, 2)).result() == 1
    [left] = services.drift.page()[0]
    assert left["at"] == instant.text(now_ns)
    assert services.drift.find(left["id"])["rows"][0]["psi"] == 0.01


def test_a_deleted_model_leaves_no_alert(services: Services) -> None:
    services.alert.raise_("drift", "regime:NOBODY:1d:3_state", "HIGH", "x")
    scan(services)
    assert services.alert.active() == []


def test_when_the_last_scan_was(services: Services) -> None:
    assert services.drift.last_scan() is None
