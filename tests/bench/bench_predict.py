"""Forecasts over HTTP: an open loop of 1,000 a second under the default limits, and saturation beside an empty route of the same server."""

import json
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from rpsd.config import read
from rpsd.core.book import Tape
from rpsd.services.wiring import open_services
from tests.bench import appliance, empty_route, load
from tests.bench.appliance import Appliance
from tests.bench.harness import bar
from tests.flow.web.book_model import serve

BOOKS = 20_000  # more than the answers that a server keeps: none comes from its memory
RATE, TURNS, TURN = 1000, 3, 5000  # requests a second, turns of each kind, requests in a turn
PATH = "/api/v1/predict"
LIMIT = {"RPSD_LIMITS__READ": "100000000/min", "RPSD_LIMITS__PREDICT": "100000000/min"}  # saturation needs a limit of its own
LIVE = {"RPSD_BOOKS__STALENESS": "1h"}
JSON = {"content-type": "application/json"}


def snapshot(number: int, rng: np.random.Generator) -> dict[str, Any]:
    """A book of ten levels a side, unlike any other."""
    mid = 500_000 + int(rng.integers(0, 1000))
    sizes = np.round(rng.exponential(1.0, (2, 10)) + 0.001, 3).tolist()
    bids = [[round((mid - k) * 0.1, 1), size] for k, size in enumerate(sizes[0])]
    asks = [[round((mid + 1 + k) * 0.1, 1), size] for k, size in enumerate(sizes[1])]
    return {"timestamp": time.time_ns() + number * 1_000_000, "bids": bids, "asks": asks}


def messages(key: str) -> list[bytes]:
    rng, headers = np.random.default_rng(3), {"X-API-Key": key, **JSON}
    asked = ({"symbol": "BTC-USDT", "snapshots": [snapshot(number, rng)]} for number in range(BOOKS))
    return [load.request(PATH, headers, json.dumps(one).encode()) for one in asked]


def fill(data: Path) -> None:
    """A model, whose weights do not matter here, and a live book, fed now."""
    rng = np.random.default_rng(5)
    books = [snapshot(number - 50, rng) for number in range(50)]
    t = np.array([book["timestamp"] for book in books], np.int64)
    bids, asks = (np.array([book[side] for book in books], np.float64) for side in ("bids", "asks"))
    with open_services(read(environ={"RPSD_DATA_DIR": str(data)}), worker=False) as services:
        serve(services, "book:BTC-USDT:next_mid_move")
        services.book.ingest("BTC-USDT", Tape.of_books(t, bids, asks, np.full((50, 2), 10)), tick=0.1)


def settle(server: Appliance, asked: list[bytes]) -> None:
    """The model comes into memory, and connections are made."""
    load.saturate(server.port, asked, seconds=2.0)


def on_time(server: Appliance) -> None:
    """1,000 a second, due whether the answers come or not: books of their own, a live book, and the empty route, in turns.

    The bars are on the median of the turns; what the empty route takes beside them is what the machine and its other work take.
    """
    asked, headers = messages(server.key), {"X-API-Key": server.key}
    requests = {"predict": asked, "predict_live": [load.request(f"{PATH}?symbol=BTC-USDT", headers)]}
    requests["empty"] = [load.request(empty_route.PATH, headers)]
    load.open_loop(server.port, asked[-500:], rate=250, seconds=2.0)
    spent: dict[str, list[float]] = {name: [] for name in requests}
    for turn in range(TURNS):
        for name, ones in requests.items():
            some = ones[turn * TURN :] if len(ones) > 1 else ones  # no book is told twice
            spent[name].append(load.p99_ms(load.open_loop(server.port, some, rate=RATE, seconds=TURN / RATE)))
    print("p99 in ms by turn: " + "; ".join(f"{name} {', '.join(f'{one:.1f}' for one in values)}" for name, values in spent.items()))
    for name in ("predict", "predict_live"):
        bar(f"{name}_p99_ms_at_1000_per_second", statistics.median(spent[name]), "<=", 10)


def saturated(server: Appliance) -> None:
    """In short turns, so that a busy moment of the machine meets all alike."""
    posted = messages(server.key)
    settle(server, posted)
    headers = {"X-API-Key": server.key}
    requests = {
        "posted": posted,
        "repeated": posted[0],
        "live": load.request(f"{PATH}?symbol=BTC-USDT", headers),
        "empty": load.request(empty_route.PATH, headers),
    }
    rates: dict[str, list[float]] = {name: [] for name in requests}
    for _ in range(7):
        for name, message in requests.items():
            rates[name].append(load.saturate(server.port, message, seconds=1.0))
    rate = {name: statistics.median(values) for name, values in rates.items()}
    print(", ".join(f"{name} {value:.0f}/s" for name, value in rate.items()))
    bar("predict_per_second", rate["posted"], ">=", 1500)
    bar("predict_vs_empty_route", rate["posted"] / rate["empty"], ">=", 0.5)
    bar("predict_live_vs_empty_route", rate["live"] / rate["empty"], ">=", 0.5)


def main() -> None:
    for environment, measured in ((LIVE, on_time), (LIVE | LIMIT, saturated)):
        with appliance.rpsd(("tests.bench.empty_route", "serve"), fill, environment) as server:
            measured(server)


if __name__ == "__main__":
    main()
