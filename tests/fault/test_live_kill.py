"""SIGKILL in the middle of a live stream: after the restart it goes on bit for bit, as if nothing had happened."""

import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rpsd.config import read
from rpsd.core.market import SECOND_NS, Samples
from rpsd.services.denoise.live import Wanted
from rpsd.services.wiring import open_services
from rpsd.store.db import FILE_NAME, verify_database
from tests.fault.conftest import Record
from tests.fault.stream import Post, Stream
from tests.fault.victim import SERVE, Victim, victim

pytestmark = pytest.mark.fault

KILLS = 12
PATH = "/api/v1/series/LIVE/1s"
DECLARED = {"denoise": [{"column": "close", "as": "quick"}, {"column": "close", "method": "ema", "params": {"span": 300}, "as": "slow"}]}
DECLARED["denoise"].append({"column": "close", "method": "fixed_lag", "lag": 5, "as": "late"})
NAMES = [column["as"] for column in DECLARED["denoise"]]


def feed(seed: int) -> list[Post]:
    """Posts of 1 to 700 rows in order of time with pauses; now and then a row comes late, or one is revised."""
    rng = random.Random(seed)
    posts: list[Post] = []
    now, price, skipped = 1_600_000_000, 100.0, [1_600_000_000]
    for _ in range(4000):
        count = rng.choice([1, 1, 1, 5, 60, 200, 700])
        t, values = [], []
        for _ in range(count):
            now += 1 if rng.random() < 0.995 else rng.choice([2, 2000])
            if rng.random() < 0.002:
                skipped.append(now)
                now += 1
            price += rng.gauss(0.0, 0.1)
            t.append(now)
            values.append(price)
        if rng.random() < 0.02:
            t, values = [rng.choice([skipped[-1], posts[-1][0][0] // SECOND_NS if posts else now])], [price + 5.0]
        posts.append((np.array(t, np.int64) * SECOND_NS, np.array(values)))
    return posts


def columns(told: dict[str, Any]) -> dict[str, dict[int, float]]:
    return {name: dict(zip(told["t"], told[name], strict=True)) for name in NAMES}


def served(server: Victim) -> dict[str, dict[int, float]]:
    """The live columns as the API gives them: name -> time in ns -> value."""
    found: dict[str, dict[int, float]] = {name: {} for name in NAMES}
    since = ""
    while True:
        page = server.json("GET", f"{PATH}/samples?time=ns&limit=200000&columns={','.join(NAMES)}{since}")
        for name, cells in columns(page).items():
            found[name] |= {t: value for t, value in cells.items() if value is not None}
        if page["next"] is None:
            return found
        since = f"&start={page['next']}"


def control(directory: Path, posts: list[Post]) -> dict[str, dict[int, float]]:
    """The same posts to one process that nothing interrupts."""
    settings = read(environ={"RPSD_DATA_DIR": str(directory), "RPSD_STORAGE__MIN_FREE_BYTES": "0"})
    with open_services(settings, worker=False) as services:
        for number, (t, values) in enumerate(posts):
            services.series.append("LIVE", "1s", Samples(t.copy(), {"close": values.copy()}))
            if number == 0:
                wanted = [
                    Wanted(c["column"], c.get("method", "auto"), c.get("params"), c.get("lag"), name=c["as"]) for c in DECLARED["denoise"]
                ]
                services.live.declare("LIVE", "1s", wanted)
        found: dict[str, dict[int, float]] = {}
        for name in NAMES:
            rows = services.series.read("LIVE", "1s", columns=[name])
            found[name] = dict(zip(rows.t.tolist(), rows.columns[name].tolist(), strict=True))
        return found


def lives(directory: Path, kills: int, entry: tuple[str, ...], seed: int) -> tuple[Victim, int, dict[str, int], dict[str, Any]]:
    """The server after so many kills; posts done, rows that differ from the control by column, and what the file holds."""
    rng, posts = random.Random(seed), feed(seed)
    with victim(directory, entry) as server:
        stream = Stream(server, f"{PATH}/samples", posts)
        server.start("/health/ready")
        stream.send(1)
        server.json("PUT", f"{PATH}/live", DECLARED)
        stream.outlive(kills, rng)
        until = time.monotonic() + 60
        while any(column["behind"] for column in server.json("GET", f"{PATH}/live")["denoise"]) and time.monotonic() < until:
            time.sleep(0.05)
        found = served(server)
        server.stop()
        file = verify_database(server.data / FILE_NAME)
    want = control(directory / "control", posts[: stream.done])
    wrong = {name: len(found[name].items() ^ want[name].items()) for name in NAMES}
    return server, stream.done, wrong, file | {"rows_of_columns": {name: len(want[name]) for name in NAMES}}


def test_a_live_column_goes_on_bit_for_bit(tmp_path: Path, record: Record) -> None:
    _, posts, wrong, file = lives(tmp_path / "server", KILLS, SERVE, seed=11)
    facts = f"{file['tables']['checkpoint']} checkpoints, integrity_check ok"
    record("live columns, server killed", f"{KILLS} kills in {posts} posts; {file['rows_of_columns']} rows, {wrong} differ; {facts}")
    assert wrong == dict.fromkeys(NAMES, 0)
    assert file["tables"]["checkpoint"] > KILLS / 2


def test_failing_control_a_lost_state_is_noticed(tmp_path: Path, record: Record) -> None:
    _, posts, wrong, _ = lives(tmp_path / "server", 4, ("tests.fault.broken_server", "amnesiac", "serve"), seed=12)
    record("control, server that forgets where live columns stood", f"4 kills in {posts} posts; rows that differ: {wrong}")
    assert all(wrong.values())
