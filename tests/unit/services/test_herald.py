"""What is told of series and models: what was committed, in its order, as it is read afterwards, and nothing else."""

import threading
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from rpsd.core import instant
from rpsd.core.errors import DiskFull, StateConflict
from rpsd.core.market import DAY_NS, SECOND_NS, Samples
from rpsd.services import herald
from rpsd.services.denoise.live import Wanted
from rpsd.services.events import Listener
from rpsd.services.wiring import Services
from rpsd.store import derived
from rpsd.store.idempotency import Once
from tests.conftest import Clock
from tests.unit.services.conftest import NOW_NS, daily, two_moods

LATER = instant.parse("2026-01-01")
FIRST = instant.parse("2024-06-01")


def seconds(start: int, values: list[float]) -> Samples:
    t = NOW_NS + np.arange(start, start + len(values), dtype=np.int64) * SECOND_NS
    return Samples(t, {"close": np.array(values), "volume": np.full(len(values), np.nan)})


def days(first: int, prices: np.ndarray) -> Samples:
    return Samples(FIRST + np.arange(first, first + prices.size, dtype=np.int64) * DAY_NS, {"close": prices.copy()})


@contextmanager
def hearing(services: Services, *channels: str) -> Any:
    with services.events.listen(channels) as reader:
        yield reader


def told(reader: Listener) -> list[Any]:
    assert not reader.missed
    return [event.data for event in reader.take()]


def test_a_post_is_told_once_with_its_counts_and_its_newest_bar(services: Services) -> None:
    with hearing(services, "samples:A:1s") as reader:
        once = Once("k", "p", "r", "h")
        answers = [services.series.append("A", "1s", seconds(0, [1.0, 2.0]), once=once) for _ in range(2)]
        services.series.append("A", "1s", seconds(1, [2.0, 3.0, 4.0]))
        services.series.append("B", "1s", seconds(0, [1.0]))
        found = told(reader)
    assert answers[0] == answers[1]
    assert found == [
        {
            **{"symbol": "A", "interval": "1s", "accepted": 2, "inserted": 2, "updated": 0, "unchanged": 0, "rejected": 0},
            "last": answers[0]["last"],
            "bar": {"t": answers[0]["last"], "close": 2.0, "volume": None},
        },
        {
            **{"symbol": "A", "interval": "1s", "accepted": 3, "inserted": 2, "updated": 0, "unchanged": 1, "rejected": 0},
            "last": instant.text(NOW_NS + 3 * SECOND_NS),
            "bar": {"t": instant.text(NOW_NS + 3 * SECOND_NS), "close": 4.0, "volume": None},
        },
    ]


def test_nothing_is_made_of_what_nobody_hears(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(herald, "_bar", lambda _: pytest.fail("nobody hears it"))
    services.series.append("A", "1s", seconds(0, [1.0]))


def test_what_was_not_committed_is_not_told(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    with hearing(services, "samples:A:1s") as reader:
        monkeypatch.setattr(services.database._writer, "_min_free_bytes", 1 << 62)
        with pytest.raises(DiskFull):
            services.series.append("A", "1s", seconds(0, [1.0]))
        assert told(reader) == []


def test_posts_from_many_threads_are_told_in_the_order_in_which_they_were_committed(services: Services) -> None:
    services.series.append("A", "1s", seconds(0, [0.0]))
    with hearing(services, "samples:A:1s") as reader:

        def post(thread: int) -> None:
            for step in range(25):
                services.series.append("A", "1s", seconds(0, [1000.0 * thread + step]))

        threads = [threading.Thread(target=post, args=(number,)) for number in range(1, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = [data["bar"]["close"] for data in told(reader)]
    assert len(found) == 100
    final = services.series.read("A", "1s", columns=["close"], start_ns=NOW_NS, end_ns=NOW_NS)
    assert found[-1] == final.columns["close"][0]
    for number in range(1, 5):
        assert [close for close in found if close // 1000 == number] == [1000.0 * number + step for step in range(25)]


@pytest.mark.parametrize("wanted", [Wanted("close", "ema", name="x"), Wanted("close", "fixed_lag", lag=3, name="x")])
def test_live_values_are_told_as_they_are_read_and_again_after_a_late_row(services: Services, wanted: Wanted) -> None:
    walk = (100.0 + np.cumsum(np.random.default_rng(3).normal(0.0, 0.1, 60))).tolist()
    services.series.append("A", "1s", seconds(0, walk[:10]))
    held: dict[str, tuple[float | None, str]] = {}
    with hearing(services, "denoise:A:1s") as reader:
        services.live.declare("A", "1s", [wanted])
        for step in range(10, 60, 7):
            if step != 31:
                services.series.append("A", "1s", seconds(step, walk[step : step + 7]))
        services.series.append("A", "1s", seconds(31, walk[31:38]))  # late
        found = told(reader)
    assert found[-1]["replayed_from"] is not None
    for data in found:
        if data["replayed_from"] is not None:
            held = {t: cell for t, cell in held.items() if t < data["replayed_from"]}
        assert (data["column"], data["omitted"]) == ("x", 0)
        held |= dict(zip(data["t"], zip(data["values"], data["available_at"], strict=True), strict=True))
    rows = services.series.read("A", "1s", columns=["x"])
    texts = instant.texts(rows.t)
    assert list(held) == texts
    assert [value for value, _ in held.values()] == rows.columns["x"].tolist()
    if rows.available_at is not None:
        assert [at for _, at in held.values()] == instant.texts(rows.available_at)


def test_a_long_stretch_is_told_by_its_newest_rows(services: Services) -> None:
    services.series.append("A", "1s", seconds(0, [1.0]))
    services.live.declare("A", "1s", [Wanted("close", "ema", name="x")])
    with hearing(services, "denoise:A:1s") as reader:
        services.series.append("A", "1s", seconds(1, np.linspace(1.0, 2.0, 1000).tolist()))
        [data] = told(reader)
    assert len(data["t"]) == len(data["values"]) == len(data["available_at"]) == herald.MOST_ROWS
    assert data["omitted"] == 1000 - herald.MOST_ROWS
    assert data["t"][-1] == instant.text(NOW_NS + 1000 * SECOND_NS)


def test_rows_of_a_live_regime_are_told_as_the_history_has_them(services: Services, clock: Clock) -> None:
    services.series.append("X", "1d", daily(two_moods(700)))
    services.regime.train("regime:X:1d:2_state")
    walk = two_moods(760)[700:730] * 0.9
    clock.now_ns = FIRST + 20 * DAY_NS  # the later bars have not closed
    with hearing(services, "regime:X:1d") as reader:
        for step in range(0, 30, 5):
            services.series.append("X", "1d", days(step, walk[step : step + 5]))
        clock.now_ns = LATER
        services.series.append("X", "1d", days(3, walk[3:4] * 1.01))  # revised: what was served stays
        services.regime.current("X", "1d", "2_state")
        found = told(reader)
    rows = [row for data in found for row in data["regimes"]]
    history = services.regime.history("X", "1d", "2_state", start_ns=FIRST, end_ns=None, limit=1000)["regimes"]
    assert len(rows) == 30
    assert rows == [row for row in history if not row["in_sample"]]
    assert {(data["symbol"], data["regime_type"], data["model"], data["omitted"]) for data in found} == {
        ("X", "2_state", "regime:X:1d:2_state", 0)
    }


def test_what_a_damaged_derived_group_keeps_from_being_stored_is_not_told(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    services.series.append("A", "1s", seconds(0, [1.0]))
    services.live.declare("A", "1s", [Wanted("close", "ema", name="x")])

    def broken(*_: Any) -> None:
        raise RuntimeError("not stored")

    monkeypatch.setattr(derived, "append_rows", broken)
    with hearing(services, "denoise:A:1s", "samples:A:1s") as reader:
        services.series.append("A", "1s", seconds(1, [2.0]))
        assert [set(data) >= {"accepted"} for data in told(reader)] == [True]


def test_promotions_and_rollbacks_are_told_and_refusals_are_not(services: Services, clock: Clock) -> None:
    services.series.append("X", "1d", daily(two_moods(700)))
    name = "regime:X:1d:2_state"
    with hearing(services, "models") as reader:
        services.regime.train(name)
        clock.now_ns = LATER
        services.series.append("X", "1d", days(0, two_moods(760)[700:]))
        services.regime.train(name)
        with pytest.raises(StateConflict):
            services.model.promote(name, services.model.serving_version(name), "no", "t")
        if services.model.serving_version(name) == 1:  # the gate kept the second back, which may have seen too little that is new
            services.model.promote(name, 2, "by hand", "t", force=True)
        answer = services.model.rollback(name, 1, "back", "t")
        found = told(reader)
    assert [data["event"] for data in found] == ["promoted", "promoted", "rolled_back"]
    assert found[-1]["model"] == answer
    assert [data["model"]["version"] for data in found] == [1, 2, 1]
