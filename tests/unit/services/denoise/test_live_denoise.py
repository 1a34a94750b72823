"""Live columns through the services: declared, kept level, sent back by late rows, ended."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rpsd.config import read
from rpsd.core.errors import BadRows, InvalidRequest, NoModel, UnknownColumn, UnknownMethod
from rpsd.core.market import INTERVALS, SECOND_NS, Samples, Times, Vector
from rpsd.core.parameters import GuardrailParameters
from rpsd.denoise import live as numerics
from rpsd.denoise.run import denoise
from rpsd.services import keeping
from rpsd.services.denoise.live import Wanted
from rpsd.services.following import Follower
from rpsd.services.wiring import Services, open_services
from rpsd.store import live as store
from rpsd.store import series as rows

EMA = Wanted("close", "ema", name="x")


def opened(directory: Path, *, worker: bool = False) -> Services:
    return open_services(read(environ={"RPSD_DATA_DIR": str(directory), "RPSD_STORAGE__MIN_FREE_BYTES": "0"}), worker=worker)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with opened(tmp_path / "d") as found:
        yield found


def walk(n: int, seed: int = 0) -> tuple[Times, Vector]:
    rng = np.random.default_rng(seed)
    steps = np.where(rng.random(n) < 0.01, 500, 1) * SECOND_NS
    return np.cumsum(steps).astype(np.int64), 100.0 + np.cumsum(rng.normal(0.0, 0.1, n))


def post(services: Services, t: Times, values: Vector, column: str = "close", interval: str = "1s", **more: Any) -> dict[str, Any]:
    columns = {column: np.array(values), **more}
    return services.series.append("A", interval, Samples(np.array(t), columns))


def column(services: Services, interval: str = "1s", place: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = services.live.show("A", interval)["denoise"][place]
    return found


def answer(t: Times, values: Vector, method: str = "ema", **how: Any) -> Vector:
    return denoise(
        values, t=t, method=method, causality="causal", fill="bridge", guardrails=GuardrailParameters(policy="none"), **how
    ).values


def live_rows(services: Services, name: str = "x", interval: str = "1s") -> Samples:
    return services.series.read("A", interval, columns=[name])


def test_history_then_posts_of_every_size(services: Services) -> None:
    t, values = walk(12_000)
    post(services, t[:5000], values[:5000])
    services.live.declare("A", "1s", [EMA])
    assert (column(services)["samples"], column(services)["behind"], column(services)["checkpoints"]) == (5000, 0, 1)
    at = 5000
    for size in [1, 1, 64, 65, 1000, 4096, 500, 1, 9000]:
        post(services, t[at : at + size], values[at : at + size])
        at += size
    found = live_rows(services)
    np.testing.assert_array_equal(found.t, t)
    np.testing.assert_array_equal(found.columns["x"], answer(t, values))
    told = column(services)
    assert (told["rows"], told["checkpoints"], told["replays"], told["causal"], told["lag"]) == (12_000, 2, 0, True, 0)
    assert services.database.read(store.behind) == []


@pytest.mark.parametrize("place", [0, 1, 4095, 4096, 8000, 9999])
def test_a_revised_row_anywhere_gives_what_would_have_been(services: Services, place: int) -> None:
    t, values = walk(10_000)
    post(services, t, values)
    services.live.declare("A", "1s", [EMA])
    values[place] += 7.0
    assert post(services, t[place : place + 1], values[place : place + 1])["updated"] == 1
    np.testing.assert_array_equal(live_rows(services).columns["x"], answer(t, values))
    told = column(services)
    assert told["replays"] == 1
    assert told["last_replay"]["samples"] == 10_000 - place // 4096 * 4096
    assert told["checkpoints"] == 2


def test_late_rows_make_new_sessions_and_new_beginnings(services: Services) -> None:
    t, values = walk(9000)
    late = np.array([0, 10, 4000, 8990])
    on_time = np.setdiff1d(np.arange(9000), late)
    post(services, t[on_time], values[on_time])
    services.live.declare("A", "1s", [EMA])
    for row in late[::-1]:
        post(services, t[row : row + 1], values[row : row + 1])
    np.testing.assert_array_equal(live_rows(services).columns["x"], answer(t, values))
    assert column(services)["replays"] == 4


def test_the_same_rows_again_change_nothing(services: Services) -> None:
    t, values = walk(300)
    post(services, t, values)
    services.live.declare("A", "1s", [EMA])
    assert post(services, t, values)["unchanged"] == 300
    assert (column(services)["replays"], column(services)["rows"]) == (0, 300)


def test_missing_cells_are_bridged_by_the_last_value(services: Services) -> None:
    t, values = walk(200)
    gappy = values.copy()
    gappy[[50, 51, 120]] = np.nan
    post(services, t[:100], gappy[:100], volume=np.ones(100))
    services.live.declare("A", "1s", [EMA])
    post(services, t[100:], gappy[100:], volume=np.ones(100))
    np.testing.assert_array_equal(live_rows(services).columns["x"], answer(t, gappy))
    post(services, t[-1:] + SECOND_NS, np.ones(1), column="volume")  # a row without the column
    assert live_rows(services).n == 201


def test_values_that_wait_carry_when_they_were_available(services: Services) -> None:
    t, values = np.arange(200, dtype=np.int64) * 60 * SECOND_NS, walk(200)[1]
    post(services, t[:150], values[:150], interval="1m")
    services.live.declare("A", "1m", [Wanted("close", lag=5, name="x"), Wanted("close", "ema", name="y")])
    post(services, t[150:], values[150:], interval="1m")
    found = live_rows(services, interval="1m")
    assert found.n == 195
    assert found.available_at is not None
    np.testing.assert_array_equal(found.available_at, t[:195] + 5 * 60 * SECOND_NS + INTERVALS["1m"])
    beside = services.series.read("A", "1m", columns=["close", "x"])
    assert np.isnan(beside.columns["x"][195:]).all()
    assert (beside.available_at >= beside.t + INTERVALS["1m"]).all()
    assert services.series.read("A", "1m", columns=["y"]).available_at is None
    assert column(services, "1m")["causal"] is False


def test_ticks_of_one_time_count_as_the_last_of_them(services: Services) -> None:
    t, values = walk(600)
    times, prices = np.repeat(t, 2), np.repeat(values, 2)
    prices[::2] += 50.0  # the first of each pair is superseded within its nanosecond
    sequence = np.tile([1.0, 2.0], 600)
    post(services, times[:500], prices[:500], interval="tick", sequence=sequence[:500])
    services.live.declare("A", "tick", [EMA])
    for a, b in [(500, 701), (701, 702), (702, 1200)]:  # the second and third post tear pairs apart
        post(services, times[a:b], prices[a:b], interval="tick", sequence=sequence[a:b])
    found = live_rows(services, interval="tick")
    np.testing.assert_array_equal(found.t, t)
    np.testing.assert_array_equal(found.columns["x"], answer(t, values))
    assert column(services, "tick")["behind"] == 0


def test_a_stop_in_between_changes_no_bit(tmp_path: Path) -> None:
    t, values = walk(9000)
    for number, (a, b) in enumerate([(0, 100), (100, 4500), (4500, 4501), (4501, 9000)]):
        with opened(tmp_path / "d") as services:
            if number == 1:
                services.live.declare("A", "1s", [EMA, Wanted("close", "kalman", name="k")])
            post(services, t[a:b], values[a:b])
    with opened(tmp_path / "d") as services:
        np.testing.assert_array_equal(live_rows(services).columns["x"], answer(t, values))
        np.testing.assert_array_equal(live_rows(services, "k").columns["k"], answer(t, values, "kalman"))
        assert column(services)["replays"] == 0


@pytest.mark.parametrize("late", [False, True])
def test_a_checkpoint_of_another_release_is_passed_over(tmp_path: Path, *, late: bool) -> None:
    t, values = np.arange(6000) * SECOND_NS, walk(6000)[1]  # one session: what a wrong beginning does is not forgotten
    with opened(tmp_path / "d") as services:
        services.series.append("A", "1s", Samples(t[:5000], {"close": values[:5000]}))
        services.live.declare("A", "1s", [Wanted("close", "ema", {"span": 1e5}, name="x")])

        def foreign(c: Any) -> None:
            column = store.find(c, rows.require(c, "A", "1s"), "x")
            assert column is not None
            held = store.before(c, column, 2**62)
            assert held is not None
            other = numerics.pack(numerics.beginning(numerics.plan("kalman", {})))
            store.keep(c, column, store.Checkpoint(held.t, held.samples, other))

        services.database.write(foreign).result()
    with opened(tmp_path / "d") as services:
        if late:
            values[4990] += 1.0
            post(services, t[4990:4991], values[4990:4991])
        post(services, t[5000:], values[5000:])
        np.testing.assert_array_equal(live_rows(services).columns["x"], answer(t, values, params={"span": 1e5}))


def test_what_is_posted_before_the_kernels_are_warm_is_taken_up_then(tmp_path: Path) -> None:
    t, values = walk(9000)
    with opened(tmp_path / "d") as services:
        post(services, t[:5000], values[:5000])
        services.live.declare("A", "1s", [EMA])
    with opened(tmp_path / "d") as services:
        services.keeper.ready = False
        values[100] += 1.0
        post(services, t[100:101], values[100:101])
        assert live_rows(services).n == 0  # nothing that would be wrong is shown
        post(services, t[5000:], values[5000:])
        assert column(services)["behind"] == 9000
        services.keeper.begin()
        for _ in range(1000):
            if not column(services)["behind"]:
                break
            time.sleep(0.01)
        np.testing.assert_array_equal(live_rows(services).columns["x"], answer(t, values))


def test_a_large_post_follows_in_slices(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "_AT_ONCE", 1000)
    t, values = walk(12_000)
    post(services, t[:10], values[:10])
    services.live.declare("A", "1s", [EMA])
    services.keeper.begin()
    post(services, t[10:], values[10:])
    services.live._wait("A", "1s", ["x"])
    np.testing.assert_array_equal(live_rows(services).columns["x"], answer(t, values))


def test_samples_are_stored_though_a_column_cannot_be_computed(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    t, values = walk(300)
    post(services, t[:100], values[:100])
    services.live.declare("A", "1s", [EMA])
    with monkeypatch.context() as patched:
        patched.setattr(numerics, "advance", lambda *_: 1 / 0)
        assert post(services, t[100:200], values[100:200])["inserted"] == 100
    assert column(services)["behind"] == 100
    services.live._wait("A", "1s", ["x"])
    post(services, t[200:], values[200:])
    np.testing.assert_array_equal(live_rows(services).columns["x"], answer(t, values))


def test_what_is_remembered_of_a_write_that_failed_is_not_used(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    t, values = walk(300)
    post(services, t[:100], values[:100])
    services.live.declare("A", "1s", [EMA])
    held = Follower.take

    def fail_after(self: Follower, *given: Any) -> Any:
        held(self, *given)
        raise ArithmeticError

    with monkeypatch.context() as patched:
        patched.setattr(Follower, "take", fail_after)
        post(services, t[100:150], values[100:150])
    assert column(services)["samples"] == 100
    services.live._wait("A", "1s", ["x"])
    post(services, t[150:], values[150:])
    np.testing.assert_array_equal(live_rows(services).columns["x"], answer(t, values))


def test_declaring_again_keeps_what_is_equal_and_ends_what_is_left_out(services: Services) -> None:
    t, values = walk(300)
    post(services, t, values)
    services.live.declare("A", "1s", [EMA, Wanted("close", "ema", {"span": 30}, name="y")])
    first = column(services)["declared"]
    told = services.live.declare("A", "1s", [EMA, Wanted("close", "kalman")])
    assert [one["as"] for one in told["denoise"]] == ["x", "close_kalman"]
    assert told["denoise"][0]["declared"] == first
    assert told["denoise"][1]["columns"] == ["close_kalman", "close_kalman_deviation"]
    band = live_rows(services, "close_kalman_deviation").columns["close_kalman_deviation"]
    assert np.isfinite(band[-10:]).all()
    with pytest.raises(UnknownColumn):
        live_rows(services, "y")
    assert services.live.end("A", "1s") == ["x", "close_kalman"]
    assert services.live.show("A", "1s")["denoise"] == []


def test_what_cannot_be_live_is_refused_with_its_place(services: Services) -> None:
    t, values = walk(300)
    post(services, t, values)
    services.denoise.stored("A", "1s", save_as="kept")
    cases: list[tuple[list[Wanted], type[Exception], str]] = [
        ([EMA, Wanted("nosuch", "ema")], UnknownColumn, "/denoise/1/column"),
        ([Wanted("close", "wavelet")], UnknownMethod, "/denoise/0/method"),
        ([Wanted("close", "ema", name="close")], InvalidRequest, "/denoise/0/as"),
        ([Wanted("close", "ema", name="kept")], InvalidRequest, "/denoise/0/as"),
        ([Wanted("close", "ema", name="regime_x")], InvalidRequest, "/denoise/0/as"),
        ([Wanted("close", "ema", name="sequence")], InvalidRequest, "/denoise/0/as"),
        ([Wanted("close", "ema", name="No Name!")], InvalidRequest, "/denoise/0/as"),
        ([EMA, EMA], InvalidRequest, "/denoise/1/as"),
        ([EMA] * 17, InvalidRequest, "/denoise"),
    ]
    for wanted, error, pointer in cases:
        with pytest.raises(error) as caught:
            services.live.declare("A", "1s", wanted)
        assert [fault.pointer for fault in caught.value.errors] == [pointer], wanted
    with pytest.raises(NoModel):
        services.live.declare("A", "1s", [], regime=True)
    assert services.live.show("A", "1s")["denoise"] == []


def test_the_name_of_a_live_column_is_taken(services: Services) -> None:
    t, values = walk(300)
    post(services, t, values)
    services.live.declare("A", "1s", [EMA])
    with pytest.raises(InvalidRequest, match="x is a live column"):
        services.denoise.stored("A", "1s", save_as="x")
    with pytest.raises(BadRows, match="x is a live column"):
        post(services, t[:1], values[:1], x=np.ones(1))
    assert services.series.require("A", "1s").columns == ("close",)


def test_a_deleted_series_takes_its_live_columns_along(services: Services) -> None:
    t, values = walk(5000)
    post(services, t, values)
    services.live.declare("A", "1s", [EMA])
    services.series.delete("A", "1s", by="me")
    tables = ("live", "checkpoint", "derived", "block", "tail")
    assert services.database.read(lambda c: [c.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0] for name in tables]) == [0] * 5
    post(services, t[:50], values[:50])
    assert services.live.show("A", "1s")["denoise"] == []
