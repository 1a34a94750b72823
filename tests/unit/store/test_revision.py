"""Point in time: what was known when."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rpsd.core.errors import CorruptData
from rpsd.core.market import SECOND_NS, Samples
from rpsd.store import extent, placing, query, series, verify
from rpsd.store.db import Connection


def put(c: Connection, now_ns: int, t: list[int], close: list[float], known: list[int] | None = None) -> None:
    late = None if known is None else np.array(known, np.int64)
    series.upsert(c, "X", "1s", Samples(np.array(t, np.int64), {"close": np.array(close, float)}, late), now_ns=now_ns)


def seen(c: Connection, as_of_ns: int | None) -> dict[int, float]:
    got = series.read(c, series.require(c, "X", "1s"), as_of_ns=as_of_ns)
    return dict(zip(got.t.tolist(), got.columns["close"].tolist(), strict=True))


def test_a_bar_is_known_at_its_close_and_a_revision_from_its_commit(c: Connection) -> None:
    close = SECOND_NS  # of the bar at 0
    put(c, 10 * SECOND_NS, [0], [1])
    assert seen(c, close - 1) == {}
    assert seen(c, close) == {0: 1.0}
    put(c, 20 * SECOND_NS, [0], [2])
    put(c, 30 * SECOND_NS, [0], [3])
    moments = [close - 1, close, 20 * SECOND_NS - 1, 20 * SECOND_NS, 30 * SECOND_NS - 1, 30 * SECOND_NS, None]
    assert [seen(c, moment).get(0) for moment in moments] == [None, 1, 1, 2, 2, 3, 3]


def test_a_bar_corrected_before_its_close_was_never_known_otherwise(c: Connection) -> None:
    put(c, SECOND_NS // 2, [0], [1])
    put(c, SECOND_NS // 2 + 1, [0], [2])
    assert seen(c, SECOND_NS) == {0: 2.0}
    assert query.value(c, "SELECT count(*) FROM revision") == 0


def test_known_at_of_the_sender_stands_until_a_revision(c: Connection) -> None:
    put(c, 10 * SECOND_NS, [0, 5], [1, 2], known=[3 * SECOND_NS, 4 * SECOND_NS])
    assert seen(c, 3 * SECOND_NS) == {0: 1.0}
    put(c, 11 * SECOND_NS, [0], [1])  # unchanged: nothing happens
    got = series.read(c, series.require(c, "X", "1s"))
    assert got.known_at is not None
    assert got.known_at.tolist() == [3 * SECOND_NS, 4 * SECOND_NS]


def test_a_damaged_revision_is_named(c: Connection) -> None:
    put(c, 10 * SECOND_NS, [0], [1])
    put(c, 20 * SECOND_NS, [0], [2])
    c.execute("UPDATE revision SET payload = zeroblob(length(payload))")
    with pytest.raises(CorruptData, match="series X 1s: revision 1"):
        seen(c, 15 * SECOND_NS)


@dataclass
class Ledger:
    """The store as a dictionary: every version of every row with the span in which it was known."""

    now: dict[int, tuple[int, dict[str, float]]] = field(default_factory=dict)
    past: list[tuple[int, int, int, dict[str, float]]] = field(default_factory=list)

    def post(self, now_ns: int, t: int, cells: dict[str, float], known: int | None) -> None:
        if t not in self.now:
            self.now[t] = (t + SECOND_NS if known is None else known, cells)
            return
        since, old = self.now[t]
        if (new := old | cells) == old:
            return
        if since < now_ns:
            self.past.append((t, since, now_ns, old))
        self.now[t] = (max(since, now_ns), new)

    def seen(self, moment: int) -> dict[int, dict[str, float]]:
        rows = {t: old for t, since, until, old in self.past if since <= moment < until}
        return dict(sorted((rows | {t: row for t, (since, row) in self.now.items() if since <= moment}).items()))


POSTS = st.lists(
    st.tuples(
        st.dictionaries(st.integers(0, 40), st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=20),
        st.sampled_from([("a",), ("b",), ("a", "b")]),
        st.booleans(),
        st.sampled_from(["", "", "fold", "compress"]),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(posts=POSTS)
def test_the_store_is_a_ledger(posts: list, fresh: Callable[[], Connection], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is posted, folded and compressed, every read as of every moment is the ledger's (small blocks, so that they split)."""
    monkeypatch.setattr(extent, "BLOCK_ROWS", 8)
    monkeypatch.setattr(placing, "SINGLE_ROWS", 3)
    monkeypatch.setattr(placing, "TAIL_ROWS", 6)
    c, ledger = fresh(), Ledger()
    for number, (cells, names, with_known, care) in enumerate(posts):
        now_ns = (number + 1) * 15 * SECOND_NS
        times = sorted(cells)
        # two draws make a cell: 2 stands for a missing one
        columns = {name: np.array([cells[t][i] if cells[t][i] < 2 else np.nan for t in times], float) for i, name in enumerate(names)}
        t_ns = [t * SECOND_NS for t in times]
        known = [t + 3 * SECOND_NS for t in t_ns] if with_known else None
        samples = Samples(np.array(t_ns, np.int64), columns, None if known is None else np.array(known, np.int64))
        series.upsert(c, "X", "1s", samples, now_ns=now_ns)
        for row, t in enumerate(t_ns):
            given_cells = {name: float(columns[name][row]) for name in names if not np.isnan(columns[name][row])}
            ledger.post(now_ns, t, given_cells, None if known is None else known[row])
        if care == "fold":
            series.fold(c, None)
        if care == "compress":
            series.compress(c, 2**62, most=3)
    info = series.require(c, "X", "1s")
    assert info.rows == len(ledger.now)
    for moment in [2**62, *range(0, 130 * SECOND_NS, 5 * SECOND_NS)]:
        got = series.read(c, info, as_of_ns=moment)
        rows = {int(t): {name: float(v[i]) for name, v in got.columns.items() if not np.isnan(v[i])} for i, t in enumerate(got.t)}
        assert rows == ledger.seen(moment)
    verify.verify_series(c)
    c.close()
