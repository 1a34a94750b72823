"""SIGKILL while bars move a live regime: filter and served rows go on bit for bit, and a bar that was stored has moved the filter."""

import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rpsd.config import read
from rpsd.core.market import SECOND_NS, Samples, Vector
from rpsd.services.wiring import Services, open_services
from rpsd.store import derived, query, series, standing
from rpsd.store.db import FILE_NAME, Database, verify_database
from tests.fault.conftest import Record
from tests.fault.stream import Post, Stream
from tests.fault.victim import SERVE, victim

pytestmark = pytest.mark.fault

KILLS = 12
NAME = "regime:LIVE:1m:2_state"
MINUTE = 60 * SECOND_NS
FIRST = 1_600_000_020 * SECOND_NS
Found = dict[str, Any]


def walk(rng: np.random.Generator, n: int) -> Vector:
    wild = (np.arange(n) // 60) % 2 == 1
    return 100 * np.exp(np.cumsum(np.where(wild, rng.normal(-2e-4, 2.5e-3, n), rng.normal(1e-4, 6e-4, n))))


def opened(data: Path) -> Services:
    return open_services(read(environ={"RPSD_DATA_DIR": str(data), "RPSD_STORAGE__MIN_FREE_BYTES": "0"}), worker=False)


def trained(data: Path) -> None:
    """A series with a model in production."""
    with opened(data) as services:
        t = FIRST + np.arange(-600, 0, dtype=np.int64) * MINUTE
        services.series.append("LIVE", "1m", Samples(t, {"close": walk(np.random.default_rng(3), 600)}))
        assert services.regime.train(NAME)["promoted"]


def feed(seed: int) -> list[Post]:
    """Posts of 1 to 200 bars in order of time with pauses; now and then a bar comes late, or one is revised."""
    rng = random.Random(seed)
    prices = walk(np.random.default_rng(seed), 800_000).tolist()
    posts: list[Post] = []
    now, skipped = 0, [0]
    for _ in range(4000):
        bars = []
        for _ in range(rng.choice([1, 1, 1, 1, 5, 20, 200])):
            now += 1 if rng.random() < 0.99 else rng.choice([2, 2, 700])
            if rng.random() < 0.01:
                skipped.append(now)
                now += 1
            bars.append(now)
        if posts and rng.random() < 0.05:
            bars = [rng.choice([skipped[-1], int(posts[-1][0][0] - FIRST) // MINUTE])]
        t = FIRST + np.array(bars, np.int64) * MINUTE
        posts.append((t, np.array([prices[bar] for bar in bars]) * rng.choice([1.0] * 9 + [1.01])))
    return posts


def found_in(data: Path) -> Found:
    """What the file holds of the live regime: where the filter stands, and every row that was served."""
    with Database.open(data, clock=lambda: 0) as database:

        def look(c: Any) -> Found:
            [stood] = standing.serving(c, [NAME])
            _, rows = derived.read_group(c, series.require(c, "LIVE", "1m"), "regime_2_state")
            return {
                "standing": (stood.seen_ns, stood.state),
                "rows": {t: row.tobytes() for t, row in zip(rows.t.tolist(), np.stack(list(rows.columns.values()), axis=1), strict=True)},
                "checkpoints": query.value(c, "SELECT count(*) FROM standing WHERE slot > 0"),
            }

        return database.read(look)


def control(data: Path, posts: list[Post]) -> Found:
    """The same posts to one process that nothing interrupts."""
    with opened(data) as services:
        for t, values in posts:
            services.series.append("LIVE", "1m", Samples(t.copy(), {"close": values.copy()}))
    return found_in(data)


def lives(directory: Path, kills: int, entry: tuple[str, ...], seed: int) -> tuple[int, Found, Found]:
    """Posts done, and what the file holds after so many kills and after none."""
    rng, posts = random.Random(seed), feed(seed)
    with victim(directory, entry) as server:
        trained(server.data)
        shutil.copytree(server.data, directory / "control")
        stream = Stream(server, "/api/v1/series/LIVE/1m/samples", posts)
        server.start("/health/ready")
        stream.outlive(kills, rng)
        told = server.json("GET", "/api/v1/regimes/LIVE?interval=1m&regime_type=2_state")
        assert told["in_sample"] is False
        server.stop()
        verify_database(server.data / FILE_NAME)
        return stream.done, found_in(server.data), control(directory / "control", posts[: stream.done])


def test_a_live_regime_goes_on_bit_for_bit(tmp_path: Path, record: Record) -> None:
    posts, found, want = lives(tmp_path / "server", KILLS, SERVE, seed=21)
    differ = len(found["rows"].items() ^ want["rows"].items())
    facts = f"{len(want['rows'])} served rows, {differ} differ; {found['checkpoints']} checkpoints"
    record("live regime, server killed", f"{KILLS} kills in {posts} posts; {facts}; the filter stands bit for bit, integrity_check ok")
    assert differ == 0
    assert found == want
    assert found["checkpoints"] > 0


def test_failing_control_a_lost_filter_is_noticed(tmp_path: Path, record: Record) -> None:
    posts, found, want = lives(tmp_path / "server", 4, ("tests.fault.broken_server", "oblivious", "serve"), seed=22)
    differ = len(found["rows"].items() ^ want["rows"].items())
    record("control, server that forgets where its filters stand", f"4 kills in {posts} posts; {differ} served rows differ")
    assert differ
