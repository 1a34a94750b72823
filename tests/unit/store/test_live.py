"""Live columns in the store: rows behind one another, the way back, and what the schema before had in its tail."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rpsd.core.errors import CorruptData
from rpsd.core.market import INTERVALS, Samples, SeriesInfo
from rpsd.store import derived, extent, live, placing, query, series
from rpsd.store.blocks import AT_CLOSE, Rows, checksum, compact_known
from rpsd.store.db import Connection
from rpsd.store.practices import migrate, migrations

MOVES = st.lists(
    st.one_of(st.tuples(st.just("append"), st.integers(1, 40)), st.tuples(st.just("truncate"), st.integers(0, 60)), st.just(("fold", 0))),
    max_size=14,
)


def series_with_column(c: Connection) -> tuple[SeriesInfo, live.LiveColumn]:
    series.upsert(c, "A", "1s", Samples(np.array([0]), {"close": np.array([1.0])}), now_ns=0)
    info = series.require(c, "A", "1s")
    live.declare(c, info, "x", {"method": "ema"}, ("x", "x_deviation"), 1)
    [column] = live.columns(c, info)
    return info, column


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(moves=MOVES, late=st.integers(0, 2))
def test_rows_go_behind_one_another_and_back(
    moves: list[tuple[str, int]], late: int, fresh: Callable[[], Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extent, "BLOCK_ROWS", 8)
    monkeypatch.setattr(placing, "SINGLE_ROWS", 3)
    monkeypatch.setattr(placing, "TAIL_ROWS", 6)
    c = fresh()
    info, column = series_with_column(c)
    ledger: list[tuple[int, float, int]] = []
    step = INTERVALS["1s"]
    for move, count in moves:
        end = ledger[-1][0] + step if ledger else 0
        if move == "append":
            t = end + np.arange(count, dtype=np.int64) * step
            known = t + step * (1 + late)
            values = np.stack([t / 7.0, t / 9.0])
            derived.append_rows(c, info, column.group, Rows(t, values, compact_known(t, known, step)), 5)
            ledger += zip(t.tolist(), values[0].tolist(), known.tolist(), strict=True)
        elif move == "truncate":
            since = end - count * step
            derived.truncate(c, info, column.group, since, 6)
            ledger = [row for row in ledger if row[0] < since]
        else:
            derived.fold(c)
    _, found = derived.read_group(c, info, "x")
    known_at = found.t + step if found.known_at is None else found.known_at
    assert list(zip(found.t.tolist(), found.columns["x"].tolist(), known_at.tolist(), strict=True)) == ledger
    n, first, last = derived.totals(c, info, column.group)
    assert (n, first, last) == (len(ledger), ledger[0][0] if ledger else None, ledger[-1][0] if ledger else None)
    _, page = derived.read_group(c, info, "x", step, None, 5)
    assert page.t.tolist() == [row[0] for row in ledger if row[0] >= step][:5]


def test_checkpoints_are_found_dropped_and_checked(c: Connection) -> None:
    _, column = series_with_column(c)
    for number in (1, 2, 3):
        live.keep(c, column, live.Checkpoint(number * 10, number, bytes([number])))
    assert live.before(c, column, 10) is None
    assert live.before(c, column, 30) == live.Checkpoint(20, 2, b"\x02")
    live.drop_checkpoints(c, column, 20)
    assert live.checkpoints(c, column) == 1
    c.execute("UPDATE checkpoint SET t = 11")
    with pytest.raises(CorruptData, match="live column x: the checkpoint at 11 ns"):
        live.before(c, column, 30)


def test_a_step_that_fails_undoes_its_own_changes_alone(c: Connection) -> None:
    info, column = series_with_column(c)

    def fail() -> None:
        live.advance(c, column, 5, 5, 5)
        raise ArithmeticError

    with c:
        live.note_replay(c, column, 1, 1)
        assert isinstance(live.apart(c, fail), ArithmeticError)
    [after] = live.columns(c, info)
    assert (after.head_ns, after.replays) == (None, 1)


def test_the_tail_of_the_schema_before_is_taken_over() -> None:
    c = Connection(":memory:")
    migrate(c, migrations()[:1])
    c.execute(
        """INSERT INTO series (id, symbol, interval, columns, rows, tail_rows, last_ns, created_ns, updated_ns)
           VALUES (1, 'A', '1s', '["close"]', 1, 1, 7, 0, 0)"""
    )
    cells = np.array([2.5]).tobytes()
    crc = checksum(cells, 1, 7, AT_CLOSE)
    c.execute("INSERT INTO tail VALUES (1, 7, NULL, 3, ?, ?)", (crc, cells))
    migrate(c, migrations())
    found = series.read(c, series.require(c, "A", "1s"))
    assert (found.t.tolist(), found.columns["close"].tolist()) == ([7], [2.5])
    assert query.value(c, "SELECT group_id FROM tail") == 0
