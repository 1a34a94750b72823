"""Standings in the store: only that of the version in production counts, and a file of the schema before has none."""

from dataclasses import replace

import numpy as np
import pytest

from rpsd.core.errors import CorruptData
from rpsd.core.market import Samples, SeriesInfo
from rpsd.core.model import Packet
from rpsd.store import model, query, series, standing
from rpsd.store.db import Connection
from rpsd.store.practices import migrate, migrations, pragma

NAME = "regime:A:1d:2_state"
HERE = standing.Stood(NAME, 1, 50, 70, 40, b"here")


def promoted(c: Connection, version: int) -> None:
    packet = Packet({"k": 2}, {}).pack()
    model.add(c, NAME, packet, trained_from_ns=0, trained_until_ns=1, data_fingerprint="f", card={}, now_ns=1)
    model.promote(c, NAME, version, "good", "me", 2)


def a_series(c: Connection) -> SeriesInfo:
    series.upsert(c, "A", "1d", Samples(np.array([0]), {"close": np.array([1.0])}), now_ns=0)
    return series.require(c, "A", "1d")


def test_a_version_without_a_standing_has_not_begun(c: Connection) -> None:
    assert standing.serving(c, [NAME, "other"]) == []
    assert standing.marks(c, [NAME]) == [None]
    promoted(c, 1)
    assert standing.serving(c, ["other", NAME]) == [standing.Stood(NAME, 1, None, None, None, None)]
    assert standing.marks(c, [NAME]) == [(1, None, None)]


def test_a_standing_counts_for_its_version_alone(c: Connection) -> None:
    info = a_series(c)
    promoted(c, 1)
    standing.put(c, info, HERE)
    assert standing.serving(c, [NAME]) == [HERE]
    assert standing.marks(c, [NAME, "other"]) == [(1, 70, b"here"), None]
    promoted(c, 2)
    [fresh] = standing.serving(c, [NAME])
    assert (fresh.version, fresh.state) == (2, None)
    standing.forget(c, fresh)
    model.promote(c, NAME, 1, "back", "me", 3)
    assert standing.serving(c, [NAME])[0].state is None


def test_the_last_checkpoint_before_a_moment(c: Connection) -> None:
    info = a_series(c)
    promoted(c, 1)
    standing.put(c, info, HERE)
    for slot in (1, 2, 3):
        standing.put(c, info, replace(HERE, seen_ns=slot * 10, state=bytes([slot])), slot)
    assert standing.before(c, HERE, 10) is None
    assert standing.before(c, HERE, 30) == b"\x02"
    assert standing.before(c, replace(HERE, version=2), 30) is None
    standing.forget(c, HERE, 20)
    assert standing.before(c, HERE, 99) == b"\x01"
    assert standing.serving(c, [NAME]) == [HERE]
    c.execute("UPDATE standing SET seen_ns = seen_ns + 1")
    with pytest.raises(CorruptData, match=NAME):
        list(standing.checked(c, info))
    assert standing.before(c, HERE, 99) is None
    assert standing.serving(c, [NAME]) == [standing.Stood(NAME, HERE.version, None, None, None, None, is_damaged=True)]


def test_what_has_looked_at_a_bar_is_dropped_when_that_bar_changes(c: Connection) -> None:
    info = a_series(c)
    promoted(c, 1)
    standing.put(c, info, HERE)
    assert HERE.seen_ns is not None
    standing.rewind(c, NAME, HERE.seen_ns + 1)
    assert standing.serving(c, [NAME]) == [HERE]
    standing.rewind(c, NAME, HERE.seen_ns)
    assert standing.serving(c, [NAME])[0].state is None


def test_it_goes_with_its_series(c: Connection) -> None:
    info = a_series(c)
    promoted(c, 1)
    standing.put(c, info, HERE)
    series.delete(c, info)
    assert query.value(c, "SELECT count(*) FROM standing") == 0


def test_a_file_of_the_schema_before_is_lifted_and_keeps_its_models() -> None:
    c = Connection(":memory:")
    migrate(c, migrations()[:3])
    assert pragma(c, "user_version") == 3
    promoted(c, 1)
    assert migrate(c, migrations()) == len(migrations())
    assert standing.serving(c, [NAME]) == [standing.Stood(NAME, 1, None, None, None, None)]
    standing.put(c, a_series(c), HERE)
    assert standing.serving(c, [NAME]) == [HERE]
