"""Live books: bit for bit the same over restarts, folds and evictions; what was not committed never shows; old tapes go."""

import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rpsd.config import read
from rpsd.core.book import NO_SEQUENCE, Phase, Tape, Updates
from rpsd.core.errors import BadBook, BadParameter, BadRange, BookGap, DiskFull, UnknownBook
from rpsd.core.market import DAY_NS, SECOND_NS
from rpsd.services.backup import restore
from rpsd.services.book.live import STATE_BYTES
from rpsd.services.upkeep import keep_trim
from rpsd.services.wiring import Services, open_services
from rpsd.store import book, query
from rpsd.store.db import Connection
from rpsd.store.practices import migrations
from rpsd.store.tape import cut
from tests.conftest import Clock


def walk(n: int, end_ns: int, seed: int = 1) -> Tape:
    """Books of three levels 10 ms apart, tick 0.5, the last at end_ns."""
    rng = np.random.default_rng(seed)
    mid = 1000.0 + np.cumsum(rng.integers(-1, 2, n))
    steps = np.arange(3)
    bids, asks = (
        np.stack([(mid[:, None] + sign * (1 + steps)) * 0.5, rng.integers(1, 50, (n, 3)).astype(float)], axis=-1) for sign in (-1, 1)
    )
    return Tape.of_books(end_ns - np.arange(n)[::-1] * 10_000_000, bids, asks, np.full((n, 2), 3))


def settings_of(path: Path) -> object:
    return read(environ={"RPSD_STORAGE__DATA_DIR": str(path / "data"), "RPSD_STORAGE__MIN_FREE_BYTES": "0"})


def test_a_restart_changes_no_bit(tmp_path: Path, clock: Clock) -> None:
    tape = walk(900, clock())
    whole = tmp_path / "whole"
    with open_services(settings_of(whole), clock=clock, worker=False) as services:
        services.book.ingest("A", tape, tick=0.5)
        want = services.book.live("A")
        columns = services.book.features("A")[0]
    for begin, stop in ((0, 1), (1, 500), (500, 501), (501, 900)):
        with open_services(settings_of(tmp_path), clock=clock, worker=False) as services:
            services.book.ingest("A", cut(tape, begin, stop), tick=0.5)
    with open_services(settings_of(tmp_path), clock=clock, worker=False) as services:
        live = services.book.live("A")
        assert services.book.at_hand("A") is not None
        assert live.phase is Phase.VALID
        assert live.memory.pack() == want.memory.pack()
        assert live.features.tobytes() == want.features.tobytes()
        assert live.tops.tobytes() == want.tops.tobytes()
        again = services.book.features("A")[0]
        assert all(again[name].tobytes() == columns[name].tobytes() for name in columns)
        kept = services.database.read(lambda c: book.require(c, "A"))
        assert len(kept.memory) + len(kept.watch) <= STATE_BYTES


def test_small_posts_are_folded_on_the_way_and_by_upkeep(services: Services, clock: Clock) -> None:
    tape = walk(150, clock())
    for at in range(150):
        services.book.ingest("A", cut(tape, at, at + 1), tick=0.5)
    chunks = "SELECT count(*) FROM book_chunk"
    assert services.database.read(lambda c: query.value(c, chunks)) < 70
    done = keep_trim(services.database, clock(), lambda *_: None, tapes_ns=DAY_NS)
    assert done["tapes_folded"] > 0
    assert services.database.read(lambda c: query.value(c, chunks)) == 1
    [(held, tick)] = services.book.stretches("A")
    assert (held.n, tick) == (150, 0.5)
    assert held.bids.tobytes() == tape.bids.tobytes()
    services.book.ingest("A", walk(1, clock() + 10_000_000, seed=2))
    assert services.book.info("A")["events"] == 151


def test_old_tapes_go_and_the_book_stays(services: Services, clock: Clock) -> None:
    services.book.ingest("A", walk(200, clock() - 2 * DAY_NS), tick=0.5)
    assert keep_trim(services.database, clock(), lambda *_: None)["tapes_dropped"] == 0
    assert keep_trim(services.database, clock(), lambda *_: None, tapes_ns=DAY_NS)["tapes_dropped"] == 1
    info = services.book.info("A")
    assert (info["first"], info["events"], info["state"]) == (None, 200, "stale")
    assert services.book.tape("A").n == 0
    services.book.ingest("A", walk(5, clock(), seed=3))
    assert services.book.info("A")["first"] is not None


def test_what_was_not_committed_never_shows(services: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    tape = walk(120, clock())
    services.book.ingest("A", cut(tape, 0, 100), tick=0.5)
    before = services.book.live("A")
    held = services.database.write

    def full(_fn: object) -> None:
        raise DiskFull("no room")

    monkeypatch.setattr(services.database, "write", full)
    with pytest.raises(DiskFull):
        services.book.ingest("A", cut(tape, 100, 120))
    monkeypatch.setattr(services.database, "write", held)
    after = services.book.live("A")
    assert (after.version, after.memory.pack()) == (before.version, before.memory.pack())
    assert services.book.ingest("A", cut(tape, 100, 120))["accepted"] == 20


def test_the_newest_of_a_range_and_gaps_between(services: Services, clock: Clock) -> None:
    tape = walk(300, clock())
    for begin, stop in ((0, 100), (100, 200), (200, 300)):
        services.book.ingest("A", cut(tape, begin, stop), tick=0.5 if begin < 200 else 0.25)
    first, second = services.book.stretches("A")
    assert ((first[0].n, first[1]), (second[0].n, second[1])) == ((200, 0.5), (100, 0.25))
    assert [piece.n for piece, _ in services.book.stretches("A", most=130)] == [30, 100]
    assert services.book.tape("A", int(tape.t[50]), int(tape.t[59])).t.tolist() == tape.t[50:60].tolist()
    assert services.book.features("A", limit=7)[1] == int(tape.t[7])
    with pytest.raises(BadRange):
        services.book.features("A", 5, 4)


def test_refusals(services: Services, clock: Clock) -> None:
    with pytest.raises(UnknownBook):
        services.book.live("NONE")
    with pytest.raises(BadParameter):
        services.book.ingest("A", walk(3, clock()), tick=-1.0)
    assert services.book.at_hand("NONE") is None
    assert services.book.page() == ([], None)


def phases(services: Services) -> set[str]:
    """The phase of the only book, as each answer tells it."""
    return {services.book.live("A").phase.value, services.book.info("A")["state"], services.book.page()[0][0]["state"]}


def test_a_feed_whose_clock_is_ahead_dies_all_the_same(services: Services, clock: Clock) -> None:
    tape = walk(5, clock() + 3600 * SECOND_NS)
    services.book.ingest("A", replace(tape, received=tape.t.copy()), tick=0.5)
    assert phases(services) == {"valid"}
    clock.advance(5)
    assert phases(services) == {"valid"}
    clock.advance(1e-9)
    assert phases(services) == {"stale"}


def test_a_book_of_later_than_now_is_stale(services: Services, clock: Clock) -> None:
    services.book.ingest("A", walk(5, clock()), tick=0.5)
    clock.advance(-3)
    assert phases(services) == {"valid"}
    clock.advance(-3)
    assert phases(services) == {"stale"}


def test_trades_keep_no_book_fresh(services: Services, clock: Clock) -> None:
    services.book.ingest("A", walk(5, clock()), tick=0.5)
    for _ in range(3):
        clock.advance(2)
        services.book.ingest("A", Tape.of_trades(np.array([clock()]), np.array([[500.0, 1.0, 1.0]])))
    assert phases(services) == {"stale"}
    services.book.ingest("A", Tape.of_quotes(np.array([clock()]), np.array([[499.5, 1.0, 500.5, 2.0]])))
    assert phases(services) == {"valid"}


def test_many_updates_in_parts_are_one_request(services: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    def feed(told: list[tuple[int, int]]) -> Updates:
        t, m = clock() + np.arange(len(told)), len(told)
        first, last = (np.array(column) for column in zip(*told, strict=True))
        ids = (first, last, np.full(m, NO_SEQUENCE))
        side, price, size = np.tile([1, -1], m).astype(np.int8), np.tile([99.5, 100.5], m), np.arange(1.0, 2 * m + 1)
        return Updates(t, np.zeros(m, np.int64), *ids, np.arange(m) == 0, 2 * np.arange(m + 1), side, price, size)

    whole = feed([(n, n) for n in range(1, 101)])
    services.book.ingest("A", whole, tick=0.5)
    monkeypatch.setattr("rpsd.services.book.taking._PART", 7)
    assert services.book.ingest("B", whole, tick=0.5)["accepted"] == 100
    both = [services.book.features(symbol)[0] for symbol in "AB"]
    assert all(both[0][name].tobytes() == both[1][name].tobytes() for name in both[0])
    with pytest.raises(BookGap) as gap:
        services.book.ingest("C", feed([(n, n) for n in range(1, 60)] + [(n, n) for n in range(70, 90)]), tick=0.5)
    assert gap.value.errors[0].pointer == "/59"
    assert services.book.info("C")["events"] == 0


def step(clock: Clock, first: int, last: int, *, bid: float = 499.5, is_snapshot: bool = False) -> Updates:
    """One message of the best bid and the best ask."""
    t, ids = np.array([clock()]), (np.array([first]), np.array([last]), np.array([NO_SEQUENCE]))
    levels = (np.array([1, -1], np.int8), np.array([bid, 500.5]), np.array([float(last), 1.0]))
    return Updates(t, np.zeros(1, np.int64), *ids, np.array([is_snapshot]), np.array([0, 2]), *levels)


def test_a_restart_in_any_phase_goes_on_where_it_was(tmp_path: Path, clock: Clock) -> None:
    """EMPTY after a refused post, SYNCING with updates that wait, VALID, GAP with updates that wait, VALID again, AUCTION, VALID."""
    seen = []

    def restarted(*feeds: Tape | Updates) -> None:
        with open_services(settings_of(tmp_path), clock=clock, worker=False) as services:
            for feed in feeds:
                clock.advance(0.01)
                with suppress(BadBook, BookGap):
                    services.book.ingest("A", feed, tick=0.5)
        with open_services(settings_of(tmp_path), clock=clock, worker=False) as services:
            seen.append(services.book.live("A").phase.value)

    bad = walk(1, clock())
    restarted(replace(bad, bids=-bad.bids))
    restarted(step(clock, 11, 11), step(clock, 12, 12))
    restarted(step(clock, 10, 10, is_snapshot=True))
    restarted(step(clock, 20, 21))
    restarted(step(clock, 22, 22))
    restarted(step(clock, 21, 21, is_snapshot=True))
    crossed = [Tape.of_quotes(np.array([clock() + k]), np.array([[501.0, 1.0, 500.5, 2.0]])) for k in range(3)]
    restarted(*crossed)
    restarted(step(clock, 23, 23))
    assert seen == ["empty", "syncing", "valid", "gap", "gap", "valid", "auction", "valid"]
    with open_services(settings_of(tmp_path), clock=clock, worker=False) as services:
        live = services.book.info("A")
        assert (live["bids"], live["asks"]) == ([[499.5, 23.0]], [[500.5, 1.0]])


def test_books_come_back_from_a_backup_bit_for_bit(services: Services, clock: Clock, tmp_path: Path) -> None:
    services.book.ingest("A", walk(700, clock()), tick=0.5)
    services.book.ingest("L", step(clock, 10, 10, is_snapshot=True), tick=0.5)
    want = {symbol: services.book.live(symbol).memory.pack() for symbol in "AL"}  # type: ignore[union-attr]
    made = services.backup.create(by="test")
    elsewhere = settings_of(tmp_path / "elsewhere")
    restore.restore(elsewhere, Path(made["path"]))
    with open_services(elsewhere, clock=clock, worker=False) as restored:
        for symbol, packed in want.items():
            assert restored.book.live(symbol).memory.pack() == packed  # type: ignore[union-attr]
            both = [one.book.features(symbol)[0] for one in (services, restored)]
            assert all(both[0][name].tobytes() == both[1][name].tobytes() for name in both[0])
        assert restored.book.ingest("L", step(clock, 11, 11))["state"] == "valid"


def test_a_directory_of_the_release_before_takes_books(tmp_path: Path, clock: Clock) -> None:
    with open_services(settings_of(tmp_path), clock=clock, worker=False) as services:

        def back(c: Connection) -> None:
            since = "".join(migrations()[4:])
            for kind in ("TRIGGER", "INDEX", "TABLE"):
                for name in reversed(re.findall(rf"CREATE (?:UNIQUE )?{kind} (\w+)", since)):
                    c.execute(f"DROP {kind} {name}")
            for table, column in re.findall(r"ALTER TABLE (\w+) ADD COLUMN (\w+)", since):
                c.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
            c.execute("PRAGMA user_version = 4")

        services.database.write(back).result()
    with open_services(settings_of(tmp_path), clock=clock, worker=False) as services:
        assert services.book.page()[0] == []
        assert services.book.ingest("A", walk(3, clock()), tick=0.5)["accepted"] == 3


def test_a_gap_that_a_refused_book_should_heal_is_not_valid_yet(services: Services, clock: Clock) -> None:
    services.book.ingest("A", step(clock, 10, 10, is_snapshot=True), tick=0.5)
    assert services.book.ingest("A", step(clock, 20, 21), on_error="skip")["state"] == "gap"
    assert services.book.ingest("A", step(clock, 30, 30, bid=501.0, is_snapshot=True), on_error="skip")["counts"] == {"crossed": 1}
    assert phases(services) == {"syncing"}
    services.book.ingest("A", Tape.of_trades(np.array([clock()]), np.array([[500.0, 1.0, 1.0]])))
    assert phases(services) == {"syncing"}
    clock.advance(0.1)
    assert services.book.ingest("A", step(clock, 40, 40, is_snapshot=True))["state"] == "valid"
