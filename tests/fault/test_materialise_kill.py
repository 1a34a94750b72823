"""SIGKILL while feature views are materialised: every closed bar has its row once, bit for bit; the next run brings the rest."""

import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rpsd.config import read
from rpsd.core.market import SECOND_NS, Samples
from rpsd.feature import run
from rpsd.services.wiring import Services, open_services
from rpsd.store import derived, series, view_standing
from rpsd.store.db import FILE_NAME, verify_database
from tests.fault.conftest import Record
from tests.fault.victim import SERVE, Victim, victim

pytestmark = pytest.mark.fault

KILLS = 4
SERIES = 40
BARS = 6000
FIRST = 1_600_000_020 * SECOND_NS
MINUTE = 60 * SECOND_NS
VIEW = "core_technical"


def bars(number: int, start: int, stop: int) -> Samples:
    rng = np.random.default_rng(number)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 1e-3, 20 * BARS)))
    columns = {"open": close, "high": close * 1.001, "low": close * 0.999, "close": close, "volume": 1 + rng.random(20 * BARS)}
    t = FIRST + np.arange(start, stop, dtype=np.int64) * MINUTE
    return Samples(t, {name: values[start:stop].copy() for name, values in columns.items()})


def opened(data: Path) -> Services:
    return open_services(read(environ={"RPSD_DATA_DIR": str(data), "RPSD_STORAGE__MIN_FREE_BYTES": "0"}), worker=False)


def fill(data: Path, start: int, stop: int) -> None:
    with opened(data) as services:
        for number in range(SERIES):
            services.series.append(f"S{number}", "1m", bars(number, start, stop))
            if start and number % 7 == 0:  # a revised bar sends the view back
                old = bars(number, start // 2, start // 2 + 1)
                services.series.append(f"S{number}", "1m", Samples(old.t, {name: values * 1.0001 for name, values in old.columns.items()}))


def nothing(names: tuple[str, ...]) -> Samples:
    return Samples(np.empty(0, np.int64), {name: np.empty(0) for name in names})


def wrong(data: Path) -> tuple[int, int]:
    """Series whose rows are not those of one computation over all their bars, and rows stored."""
    bad = rows = 0
    with opened(data) as services:
        services.feature.views.begin()
        for number in range(SERIES):

            def look(c: Any, number: int = number) -> tuple[Samples, Samples, Any]:
                info = series.require(c, f"S{number}", "1m")
                _, graph = services.feature.views.fitting(c, VIEW, info)
                held = view_standing.find(c, info, VIEW)
                assert held is not None
                assert held.head_ns == info.last_ns
                found = derived.has_group(c, info, f"view:{VIEW}")
                rows = derived.read_group(c, info, f"view:{VIEW}")[1] if found else nothing(graph.names)
                return series.read(c, info), rows, graph

            given, found, graph = services.database.read(look)
            want = run.compute(graph, {name: given.columns[name] for name in graph.inputs})
            have = np.stack(list(found.columns.values()), axis=1)
            rows += found.n
            bad += found.t.tobytes() != given.t.tobytes() or have.tobytes() != want.tobytes()
    return bad, rows


def begun(server: Victim, before: int) -> None:
    """Wait until the view has moved on for a series that had so many bars before."""
    until = time.monotonic() + 60
    while all(one["rows"] <= before for one in server.json("GET", f"/api/v1/feature-views/{VIEW}/entities?limit=1000")["entities"]):
        assert time.monotonic() < until
        time.sleep(0.005)


def finish(server: Victim) -> None:
    """Materialise what is left and wait."""
    server.start("/health/ready")
    job = server.json("POST", f"/api/v1/feature-views/{VIEW}/materialize", {})["job"]
    until = time.monotonic() + 120
    while (found := server.json("GET", f"/api/v1/jobs/{job['id']}"))["state"] in ("queued", "running"):
        assert time.monotonic() < until, found
        time.sleep(0.05)
    assert found["state"] == "succeeded", found
    server.stop()


def lives(directory: Path, kills: int, entry: tuple[str, ...], seed: int) -> tuple[int, int]:
    """Series with wrong rows and rows stored, after so many kills in the middle of runs that had new bars to take in."""
    rng = random.Random(seed)
    with victim(directory, entry) as server:
        at = 0
        for _ in range(kills):
            fill(server.data, at, at + BARS // kills)
            at += BARS // kills
            server.start("/health/ready")  # the start asks for a run of its own
            begun(server, at - BARS // kills)
            time.sleep(rng.uniform(0.0, 0.1))
            server.kill()
        finish(server)
        verify_database(server.data / FILE_NAME)
        return wrong(server.data)


def test_no_row_is_lost_or_written_twice(tmp_path: Path, record: Record) -> None:
    bad, rows = lives(tmp_path / "server", KILLS, SERVE, seed=31)
    record("feature views, server killed", f"{KILLS} kills; {rows} rows of {SERIES} series, {bad} series differ, integrity_check ok")
    assert (bad, rows) == (0, SERIES * BARS // KILLS * KILLS)


def test_failing_control_a_standing_that_is_written_apart_from_its_rows_is_noticed(tmp_path: Path, record: Record) -> None:
    bad, rows = lives(tmp_path / "server", 3, ("tests.fault.broken_server", "hasty", "serve"), seed=32)
    what = "control, server that notes how far a view is before its rows are written"
    record(what, f"3 kills; {rows} rows, {bad} of {SERIES} series differ")
    assert bad
