"""Samples beyond storage.retention go, in short writes; what is kept reads as before, and what rests on it goes on."""

import numpy as np
import pytest

from rpsd.core.errors import Cancelled
from rpsd.core.market import DAY_NS, Samples
from rpsd.services.denoise.live import Wanted
from rpsd.services.retention import drop_old
from rpsd.store import retention as room
from tests.unit.services.conftest import NOW_NS

MINUTE_NS = 60 * 10**9


def bars(n: int, *, step_ns: int = MINUTE_NS, last_ns: int = NOW_NS) -> Samples:
    t = last_ns - np.arange(n, 0, -1, dtype=np.int64) * step_ns
    return Samples(t, {"close": 100 + np.sin(np.arange(n) / 50.0), "volume": np.arange(n, dtype=float)})


def kept(services, symbol="X", interval="1m"):
    return services.series.read(symbol, interval)


def drop(services, retention=None, go_on=lambda _share, _step: None):
    return drop_old(services.database, retention or {"1m": 86_400.0 * 5}, services.clock(), go_on)


def test_old_rows_go_and_the_rest_reads_as_before(services) -> None:
    whole = bars(20_000)  # nearly fourteen days
    services.series.append("X", "1m", whole, by="t")
    services.series.append("KEPT", "1h", bars(20_000, step_ns=60 * MINUTE_NS), by="t")
    stays = whole.t >= NOW_NS - 5 * DAY_NS
    assert drop(services) == {"samples_dropped": int((~stays).sum()), "series_cut": 1}
    found = kept(services)
    assert (found.t == whole.t[stays]).all()
    assert (found.columns["close"] == whole.columns["close"][stays]).all()
    told = services.series.info("X", "1m")
    assert (told["rows"], told["gaps"]) == (int(stays.sum()), 0)
    assert services.series.info("KEPT", "1h")["rows"] == 20_000
    [row] = [row for row in services.access.audit(None, 10)[0] if row["action"] == "retention.drop"]
    assert (row["subject"], row["detail"]["rows"], row["detail"]["series"]) == ("1m", int((~stays).sum()), 1)
    assert drop(services) == {"samples_dropped": 0, "series_cut": 0}


def test_a_compressed_series_with_late_rows_and_revisions_is_cut_alike(services) -> None:
    whole = bars(20_000)
    services.series.append("X", "1m", whole, by="t")
    services.database.write(lambda c: room.upsert.compress(c, NOW_NS)).result()
    services.clock.advance(1)
    for at in (3, 19_990):  # a revision of a row that goes, and of one that stays
        services.series.append("X", "1m", Samples(whole.t[at : at + 1], {"close": np.array([5.0])}), by="t")
    drop(services)
    found = kept(services)
    assert found.t[0] >= NOW_NS - 5 * DAY_NS
    assert found.columns["close"][found.t == whole.t[19_990]] == 5.0
    assert services.database.read(lambda c: c.execute("SELECT count(*) FROM revision").fetchall())[0][0] == 1
    assert services.series.info("X", "1m")["rows"] == found.n


def test_the_newest_row_of_a_series_that_has_ended_stays(services) -> None:
    services.series.append("X", "1m", bars(5000, last_ns=NOW_NS - 400 * DAY_NS), by="t")
    drop(services)
    assert kept(services).n == 1


def test_ticks_of_one_time_go_together(services) -> None:
    t = np.repeat(NOW_NS - np.arange(3000, 0, -1, dtype=np.int64) * 10 * MINUTE_NS, 2)
    rows = Samples(t, {"price": np.arange(6000.0), "sequence": np.tile([1.0, 2.0], 3000)})
    services.series.append("X", "tick", rows, by="t")
    drop(services, {"tick": 86_400.0 * 5})
    found = kept(services, "X", "tick")
    stays = t >= NOW_NS - 5 * DAY_NS
    assert found.n == int(stays.sum())
    assert (found.columns["price"] == np.arange(6000.0)[stays]).all()


def test_a_live_column_goes_on_as_if_nothing_had_been_dropped(services) -> None:
    """Both series get the same rows; one is cut in between, and after that a late row sends both columns back."""
    whole, wanted = bars(20_000), [Wanted("close", "ema")]
    after = Samples(NOW_NS + np.arange(500, dtype=np.int64) * MINUTE_NS, {"close": np.cos(np.arange(500) / 9.0)})
    for symbol, interval in (("CUT", "1m"), ("WHOLE", "5m")):  # another interval, which retention leaves alone
        services.series.append(symbol, interval, whole, by="t")
        services.live.declare(symbol, interval, wanted)
    drop(services)
    assert kept(services, "CUT").n < kept(services, "WHOLE", "5m").n
    late = Samples(NOW_NS - np.array([100], np.int64) * MINUTE_NS, {"close": np.array([90.0])})
    for symbol, interval in (("CUT", "1m"), ("WHOLE", "5m")):
        services.keeper._follower._standing.clear()  # as after a restart: the state comes from the last checkpoint
        services.series.append(symbol, interval, after, by="t")
        services.series.append(symbol, interval, late, by="t")
    name = "close_ema"
    cut, all_ = (services.series.read(s, i, columns=[name]) for s, i in (("CUT", "1m"), ("WHOLE", "5m")))
    same = np.isin(all_.t, cut.t)
    assert cut.n == same.sum()
    assert (cut.columns[name] == all_.columns[name][same]).all()
    assert cut.t[0] >= NOW_NS - 5 * DAY_NS - MINUTE_NS


def test_samples_that_a_live_column_would_need_again_stay(services) -> None:
    services.series.append("X", "1m", bars(3000, last_ns=NOW_NS - 30 * DAY_NS), by="t")
    services.live.declare("X", "1m", [Wanted("close", "ema")])  # fewer than 4096: no checkpoint yet
    drop(services)
    assert kept(services).n == 3000


def test_it_stops_between_two_short_writes_when_asked(services, monkeypatch) -> None:
    monkeypatch.setattr(room, "_BLOCKS", 1)
    whole = bars(20_000)
    services.series.append("X", "1m", whole, by="t")
    asked = []

    def go_on(_share, step):
        asked.append(step)
        if len(asked) == 3:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        drop(services, go_on=go_on)
    found = kept(services)
    assert 0 < found.n < whole.n
    assert (found.t == whole.t[-found.n :]).all()
    assert services.series.info("X", "1m")["rows"] == found.n
    drop(services)
    assert kept(services).t[0] >= NOW_NS - 5 * DAY_NS
