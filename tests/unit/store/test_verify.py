"""A damaged file never passes for a whole one."""

from pathlib import Path

import numpy as np
import pytest

from rpsd.core.errors import CorruptData
from rpsd.core.feature import View
from rpsd.core.market import Samples
from rpsd.core.model import Packet
from rpsd.store import audit, derived, live, model, series, standing, view, view_standing
from rpsd.store.db import Connection, Database, verify_database
from rpsd.store.practices import WRITER, connect, migrate, migrations


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    t = np.arange(5000, dtype=np.int64)

    def fill(c: Connection) -> None:
        for offset in (0.0, 1.0):  # the second post makes revisions
            series.upsert(c, "A", "1s", Samples(t.copy(), {"close": t + offset}), now_ns=10**18)
        info = series.require(c, "A", "1s")
        series.upsert(c, "A", "1s", Samples(np.array([9000]), {"close": np.array([1.0])}), now_ns=10**18)
        derived.write_group(c, info, "smooth", {"method": "ema"}, Samples(t.copy(), {"x": t * 1.0}), 1)
        live.declare(c, info, "slow", {"method": "ema"}, ("slow",), 1)
        [column] = live.columns(c, info)
        live.keep(c, column, live.Checkpoint(4095, 4096, b"state"))
        view.add(c, View("v", 1, {"features": ["sma_20"]}, "hash", ("sma_20",), ("close",), 19, 1, "me"))
        view_standing.put(c, info, view_standing.ViewStanding("v", 0, 1, "hash", "close", head_ns=4999, rows=5000, memory=b"memory"))
        packet = Packet({"k": 2}, {"means": np.zeros(2)}).pack()
        standing.put(c, info, standing.Stood("regime:A:1s:2_state", 1, 4999, None, 4999, b"state"))
        model.add(c, "m", packet, trained_from_ns=0, trained_until_ns=1, data_fingerprint="f", card={}, now_ns=1)
        for number in range(3):
            audit.append(c, "me", "test", "it", {"n": number}, number)

    with Database.open(tmp_path / "data", clock=lambda: 0) as database:
        database.write(fill).result()
        database.snapshot(tmp_path / "copy.db")
    return tmp_path / "copy.db"


def test_a_whole_file_passes_with_its_counts(whole: Path) -> None:
    facts = verify_database(whole)
    assert (facts["rows"], facts["schema"], facts["bytes"]) == (5001, 12, whole.stat().st_size)
    assert facts["tables"] == {
        "series": 1, "block": 4, "tail": 1, "revision": 2, "derived": 2, "live": 1, "checkpoint": 1, "standing": 1, "model": 1,
        "feature_view": 1, "view_standing": 1, "key": 0, "job": 0, "audit": 3, "book": 0, "book_chunk": 0, "book_fault": 0,
        "run": 0, "run_artifact": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("UPDATE block SET payload = zeroblob(length(payload)) WHERE id = (SELECT min(id) FROM block)", "series A 1s: block"),
        ("UPDATE block SET payload = zeroblob(length(payload)) WHERE group_id > 0", "group smooth: block"),
        ("UPDATE revision SET payload = zeroblob(length(payload)) WHERE id = 2", "series A 1s: revision 2"),
        ("UPDATE checkpoint SET state = x'00'", "live column slow: the checkpoint at 4095 ns"),
        ("UPDATE checkpoint SET samples = samples + 1", "live column slow: the checkpoint at 4095 ns"),
        ("UPDATE standing SET state = x'00'", "where the filter of regime:A:1s:2_state stands at 4999 ns"),
        ("UPDATE standing SET kept_ns = 5000", "where the filter of regime:A:1s:2_state stands"),
        ("UPDATE standing SET waits_ns = 0", "where the filter of regime:A:1s:2_state stands"),
        ("UPDATE view_standing SET memory = x'00'", "where the view v stands for A 1s"),
        ("UPDATE view_standing SET rows = 4999", "where the view v stands for A 1s"),
        ("UPDATE tail SET crc = crc + 1", "series A 1s: the tail's row"),
        ("UPDATE series SET rows = rows + 1", "series A 1s: 5001 rows are stored"),
        ("DELETE FROM block WHERE first_ns > 0", "series A 1s: 4097 rows are stored"),
        ("UPDATE model SET packet = zeroblob(40)", "model m version 1"),
        ("DROP TRIGGER audit_keeps_words; UPDATE audit SET actor = 'you' WHERE seq = 2", "audit row 2"),
        ("DROP TRIGGER audit_keeps_rows; DELETE FROM audit WHERE seq = 1", "audit row 1"),
        ("PRAGMA application_id = 1", "not a database of rpsd"),
        ("PRAGMA foreign_keys = off; DELETE FROM series", "belongs to nothing"),
    ],
)
def test_every_damage_is_named(whole: Path, damage: str, words: str) -> None:
    c = Connection(str(whole))
    c.execute(damage)
    c.close()
    with pytest.raises(CorruptData, match=words):
        verify_database(whole)


def served(path: Path) -> list[bytes]:
    """Everything that the copy serves of its series, as it stands and as of a moment before the revisions."""
    c = Connection(str(path))
    try:
        info = series.require(c, "A", "1s")
        reads = [series.read(c, info), series.read(c, info, as_of_ns=10**17), derived.read_group(c, info, "smooth")[1]]
        return [array.tobytes() for samples in reads for array in (samples.t, *samples.columns.values())]
    finally:
        c.close()


def test_a_flipped_bit_is_found_or_changes_nothing(whole: Path) -> None:
    clean, rng, found = whole.read_bytes(), np.random.default_rng(3), 0
    before = served(whole)
    for position in rng.integers(0, len(clean), 60):
        damaged = bytearray(clean)
        damaged[position] ^= 1 << int(rng.integers(8))
        whole.write_bytes(damaged)
        try:
            verify_database(whole)
        except CorruptData:
            found += 1
        else:
            assert served(whole) == before  # the flip fell on an unused byte
    assert found > 20  # the pages of tables without rows are mostly unused


def test_no_file_and_no_database(tmp_path: Path) -> None:
    with pytest.raises(CorruptData):
        verify_database(tmp_path / "none.db")
    (tmp_path / "text.db").write_text("hello" * 1000)
    with pytest.raises(CorruptData):
        verify_database(tmp_path / "text.db")


@pytest.mark.parametrize("schema", [5, 7])
def test_a_file_of_an_older_release_is_whole_without_the_tables_of_today(tmp_path: Path, schema: int) -> None:
    path = tmp_path / "old.db"
    c = connect(path, WRITER)
    migrate(c, migrations()[:schema])
    series.upsert(c, "A", "1s", Samples(np.arange(9), {"close": np.ones(9)}), now_ns=1)
    c.close()
    told = verify_database(path)
    assert (told["schema"], told["rows"], "view_standing" in told["tables"]) == (schema, 9, schema >= 6)


def test_an_artifact_that_is_not_what_its_digest_says_is_found(whole: Path) -> None:
    c = Connection(str(whole))
    c.execute("INSERT INTO artifact_content (sha256, data) VALUES (zeroblob(32), x'00')")
    c.close()
    with pytest.raises(CorruptData, match="artifact"):
        verify_database(whole)


def test_a_file_of_today_without_one_of_its_tables_is_damaged(whole: Path) -> None:
    c = Connection(str(whole))
    c.execute("DROP TABLE view_standing")
    c.close()
    with pytest.raises(CorruptData):
        verify_database(whole)
