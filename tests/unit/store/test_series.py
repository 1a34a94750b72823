"""Samples in and out: upsert, merge, tail, blocks, gaps, streams, deletion."""

import itertools

import numpy as np
import pytest

from rpsd.core.errors import BadRows, CorruptData, UnknownColumn, UnknownSeries
from rpsd.core.market import SECOND_NS, Samples, Upsert
from rpsd.store import extent, listing, query, series, tail
from rpsd.store.blocks import Rows
from rpsd.store.db import Connection

MINUTE = 60 * SECOND_NS
NAN = float("nan")


def table(t: list[int] | range, **columns: object) -> Samples:
    return Samples(np.array(t, np.int64) * MINUTE, {name: np.array(cells, float) for name, cells in columns.items()})


def post(c: Connection, samples: Samples, now_ns: int = 10**18, **more: object) -> Upsert:
    return series.upsert(c, "AAPL", "1m", samples, now_ns=now_ns, **more)  # type: ignore[arg-type]


def read(c: Connection, **more: object) -> Samples:
    return series.read(c, series.require(c, "AAPL", "1m"), **more)  # type: ignore[arg-type]


def blocks(c: Connection) -> list[int]:
    return [row[0] for row in query.rows(c, "SELECT rows FROM block ORDER BY first_ns")]


def test_first_post_creates_the_series(c: Connection) -> None:
    assert post(c, table([1, 2], close=[5, 6]), unit="USD") == Upsert(2, 0, 0, 2 * MINUTE)
    info = series.require(c, "AAPL", "1m")
    assert (info.columns, info.unit, info.rows, info.first_ns, info.last_ns) == (("close",), "USD", 2, MINUTE, 2 * MINUTE)
    assert read(c).columns["close"].tolist() == [5, 6]


def test_same_rows_again_are_unchanged_and_one_cell_is_an_update(c: Connection) -> None:
    post(c, table(range(200), close=range(200)))
    assert post(c, table(range(200), close=range(200))) == Upsert(0, 0, 200, 199 * MINUTE)
    assert post(c, table([3, 200], close=[3.5, 200])) == Upsert(1, 1, 0, 200 * MINUTE)
    assert read(c, start_ns=3 * MINUTE, limit=1).columns["close"].tolist() == [3.5]
    assert read(c).n == 201


def test_fewer_columns_and_missing_cells_merge_into_the_stored_row(c: Connection) -> None:
    post(c, table([1, 2], open=[1, 2], close=[10, 20]))
    assert post(c, table([1, 2], close=[11, NAN], volume=[7, 8])) == Upsert(0, 2, 0, 2 * MINUTE)
    got = read(c)
    assert list(got.columns) == ["open", "close", "volume"]
    assert [got.columns[name].tolist() for name in got.columns] == [[1, 2], [11, 20], [7, 8]]


def test_a_column_added_later_is_missing_before(c: Connection) -> None:
    post(c, table(range(100), close=range(100)))
    post(c, table([500], volume=[1]))
    got = read(c)
    assert np.isnan(got.columns["volume"][:-1]).all()
    assert np.isnan(got.columns["close"][-1])


def test_single_rows_wait_in_the_tail_and_fold_moves_them(c: Connection) -> None:
    for minute in (5, 3, 9, 4):
        post(c, table([minute], close=[minute]))
    assert blocks(c) == []
    assert series.fold(c, None) == 4
    assert series.fold(c, None) == 0
    assert blocks(c) == [4]
    assert read(c).t.tolist() == [3 * MINUTE, 4 * MINUTE, 5 * MINUTE, 9 * MINUTE]


def test_the_tail_folds_itself(c: Connection) -> None:
    for minute in range(1100):
        post(c, table([minute], close=[minute]))
    assert query.value(c, "SELECT count(*) FROM tail") < 1024
    assert read(c).columns["close"].tolist() == list(range(1100))


def test_long_posts_fill_blocks_and_late_ones_touch_only_theirs(c: Connection) -> None:
    post(c, table(range(0, 20_000, 2), close=range(10_000)))
    assert blocks(c) == [4096, 4096, 1808]
    before = query.rows(c, "SELECT id FROM block ORDER BY first_ns")
    post(c, table(range(8193, 8393, 2), close=range(100)))
    after = query.rows(c, "SELECT id FROM block ORDER BY first_ns")
    assert before[0] in after
    assert before[2] in after
    assert before[1] not in after
    assert read(c).n == 10_100
    assert bool((np.diff(read(c).t) > 0).all())


def test_appends_fill_the_last_block(c: Connection) -> None:
    for start in range(0, 5000, 500):
        post(c, table(range(start, start + 500), close=range(500)))
    assert blocks(c) == [4096, 904]


def test_ranges_limits_columns_and_chunks(c: Connection) -> None:
    post(c, table(range(10_000), close=range(10_000), volume=range(10_000)))
    post(c, table([10_500], close=[1]))
    got = read(c, start_ns=4000 * MINUTE, end_ns=4200 * MINUTE, columns=["volume"], limit=150)
    assert (got.n, list(got.columns), got.columns["volume"][0]) == (150, ["volume"], 4000)
    assert read(c, start_ns=10_001 * MINUTE).n == 1
    assert read(c, start_ns=20_000 * MINUTE).n == 0
    assert read(c, end_ns=-1).n == 0
    assert read(c, start_ns=9 * MINUTE, end_ns=3 * MINUTE).n == 0
    assert read(c, limit=0).n == 0
    parts = list(series.stream(c, series.require(c, "AAPL", "1m"), chunk_rows=5000, limit=9500))
    assert [part.n for part in parts] == [8192, 1308]
    assert np.concatenate([part.columns["close"] for part in parts]).tolist() == list(range(9500))
    with pytest.raises(UnknownColumn):
        read(c, columns=["bid"])


def test_compressed_blocks_read_the_same_and_take_late_rows(c: Connection) -> None:
    for start in range(0, 3000, 300):
        post(c, table(range(start, start + 200), close=range(200)))
    post(c, table(range(-300, -100), close=range(200)))
    before = read(c)
    assert series.compress(c, 10**18) > 0
    assert series.compress(c, 10**18) == 0
    assert {codec for (codec,) in query.rows(c, "SELECT codec FROM block")} == {1}
    assert np.array_equal(read(c).columns["close"], before.columns["close"])
    post(c, table(range(200, 300), close=range(100)))
    assert read(c).n == before.n + 100


def test_repack_never_joins_across_a_block_between(c: Connection) -> None:
    for start in (0, 10_000, 20_000):
        post(c, table(range(start, start + 4096), close=range(4096)))
    series.compress(c, 10**18)
    group = listing.group_of(series.require(c, "AAPL", "1m"))
    for start in (4200, 15_000):  # two small raw blocks with a compressed one between them
        extent.put(c, group, Rows(np.array([start * MINUTE], np.int64), np.array([[1.0]])), 1)
    series.compress(c, 10**18)
    spans = query.rows(c, "SELECT first_ns, last_ns FROM block ORDER BY first_ns")
    assert all(before[1] < after[0] for before, after in itertools.pairwise(spans))


def test_gaps_know_nights_and_weekends(c: Connection) -> None:
    post(c, table([0, 1, 2, 5, 6, 6 + 17 * 60, 6 + 17 * 60 + 1], close=range(7)))
    assert series.gaps(c, series.require(c, "AAPL", "1m")) == 1
    day = 1440
    daily = table([0, day, 4 * day, 5 * day, 12 * day], close=range(5))
    series.upsert(c, "AAPL", "1d", daily, now_ns=1)
    assert series.gaps(c, series.require(c, "AAPL", "1d")) == 1
    series.upsert(c, "AAPL", "tick", daily, now_ns=1)
    assert series.gaps(c, series.require(c, "AAPL", "tick")) == 0


def test_pages_and_deletion(c: Connection) -> None:
    for symbol in ("B", "A", "C"):
        series.upsert(c, symbol, "1d", table([1], close=[1]), now_ns=1)
    first = series.page(c, None, 2)
    assert [info.symbol for info in first] == ["A", "B"]
    assert [info.symbol for info in series.page(c, ("B", "1d"), 2)] == ["C"]
    series.upsert(c, "A", "1d", table(range(100), close=range(100)), now_ns=2 * 10**18)
    series.delete(c, first[0])
    assert [query.value(c, f"SELECT count(*) FROM {name}") for name in ("block", "revision", "tail")] == [0, 0, 2]
    for refused in (lambda: series.delete(c, first[0]), lambda: series.require(c, "A", "1d"), lambda: series.read(c, first[0])):
        with pytest.raises(UnknownSeries):
            refused()


def test_no_column_is_refused_and_no_row_is_nothing(c: Connection) -> None:
    with pytest.raises(BadRows):
        post(c, Samples(np.array([1], np.int64), {}))
    assert post(c, table([], close=[])) == Upsert(0, 0, 0, None)
    assert read(c).n == 0


@pytest.mark.parametrize("column", ["payload", "first_ns", "width"])
def test_a_damaged_block_is_named_and_never_served(c: Connection, column: str) -> None:
    post(c, table(range(5000), close=range(5000)))
    damage = "zeroblob(length(payload))" if column == "payload" else f"{column} - 1" if column == "first_ns" else "2"
    c.execute(f"UPDATE block SET {column} = {damage} WHERE id = 2")
    with pytest.raises(CorruptData, match="AAPL 1m: block 2"):
        read(c)
    assert read(c, end_ns=4000 * MINUTE).n == 4001  # the other block is served


def test_a_damaged_tail_row_is_named(c: Connection) -> None:
    post(c, table([7], close=[1]))
    c.execute("UPDATE tail SET cells = zeroblob(8)")
    with pytest.raises(CorruptData, match="AAPL 1m: the tail's row"):
        read(c)


def test_a_symbol_is_only_ever_a_value(c: Connection) -> None:
    series.upsert(c, "..", "1d", table([1], close=[1]), now_ns=1)
    series.upsert(c, "'; DROP TABLE series; --", "1d", table([1], close=[1]), now_ns=1)
    assert len(series.page(c, None, 10)) == 2
    assert tail.count(c, listing.group_of(series.require(c, "..", "1d"))) == 1


def test_a_series_does_not_grow_columns_without_bound(c: Connection) -> None:
    post(c, table([1], **{f"a{n}": [1.0] for n in range(999)}))
    with pytest.raises(BadRows, match="1000"):
        post(c, table([2], b0=[1.0], b1=[1.0]))
    assert len(listing.require(c, "AAPL", "1m").columns) == 999
