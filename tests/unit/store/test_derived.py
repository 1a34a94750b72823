"""Derived groups: of one make, beside the samples."""

import numpy as np
import pytest

from rpsd.core.errors import BadRows, UnknownColumn, UnknownSeries
from rpsd.core.market import Samples, SeriesInfo
from rpsd.store import derived, query, series
from rpsd.store.db import Connection

META = {"method": "wavelet", "causal": False}


@pytest.fixture
def info(c: Connection) -> SeriesInfo:
    t = np.arange(6000, dtype=np.int64)
    series.upsert(c, "A", "1s", Samples(t, {"close": t * 1.0}), now_ns=1)
    return series.require(c, "A", "1s")


def write(c: Connection, info: SeriesInfo, start: int, stop: int, level: float, meta: dict[str, object] = META, name: str = "x") -> None:
    t = np.arange(start, stop, dtype=np.int64)
    derived.write_group(c, info, "smooth", meta, Samples(t, {name: np.full(t.size, level)}), start)


def test_rows_of_one_make_stand_over_one_another(c: Connection, info: SeriesInfo) -> None:
    write(c, info, 0, 5000, 1.0)
    write(c, info, 4900, 6000, 2.0)
    meta, got = derived.read_group(c, info, "smooth", 4800, 5100)
    assert (meta, got.n) == (META, 301)
    assert got.columns["x"].tolist() == [1.0] * 100 + [2.0] * 201
    (listed,) = derived.list_groups(c, info)
    assert (listed.name, listed.columns, listed.created_ns, listed.updated_ns) == ("smooth", ("x",), 0, 4900)
    assert series.read(c, info).n == 6000


def test_another_make_replaces_the_group(c: Connection, info: SeriesInfo) -> None:
    write(c, info, 0, 5000, 1.0)
    write(c, info, 0, 10, 2.0, {"method": "ema"})
    assert derived.read_group(c, info, "smooth")[1].n == 10
    write(c, info, 0, 5, 2.0, {"method": "ema"}, name="y")
    assert list(derived.read_group(c, info, "smooth")[1].columns) == ["y"]


def test_deletion_and_refusals(c: Connection, info: SeriesInfo) -> None:
    write(c, info, 0, 100, 1.0)
    series.compress(c, 10**18)
    assert derived.read_group(c, info, "smooth")[1].n == 100
    with pytest.raises(BadRows):
        derived.write_group(c, info, "smooth", META, Samples(np.array([2, 1]), {"x": np.zeros(2)}), 1)
    assert derived.delete_group(c, info, "smooth")
    assert not derived.delete_group(c, info, "smooth")
    with pytest.raises(UnknownColumn):
        derived.read_group(c, info, "smooth")
    write(c, info, 0, 100, 1.0)
    series.delete(c, info)
    assert query.value(c, "SELECT count(*) FROM block") == 0


def test_nothing_is_written_to_a_series_that_was_deleted_or_to_the_heir_of_its_id(c: Connection, info: SeriesInfo) -> None:
    series.delete(c, info)
    with pytest.raises(UnknownSeries):
        write(c, info, 0, 10, 1.0)
    series.upsert(c, "B", "1s", Samples(np.arange(5, dtype=np.int64), {"close": np.ones(5)}), now_ns=1)
    assert series.require(c, "B", "1s").id == info.id
    with pytest.raises(UnknownSeries):
        write(c, info, 0, 10, 1.0)
