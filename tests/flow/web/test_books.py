"""Live order books through the front door: fed in every form, judged, read back with features, and never silently wrong."""

import json
import time
from itertools import pairwise
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest

from rpsd.core import frame
from rpsd.core.book import Tape
from rpsd.core.market import SECOND_NS
from tests.flow.web.book_model import serve
from tests.flow.web.conftest import Launch, Running

BOOKS = "/api/v1/books"
MS = 1_000_000


@pytest.fixture(scope="module")
def running(launch: Launch) -> Running:
    """A server on which a book grows old slowly: the first request of all may wait for a compiler."""
    return launch(BOOKS__STALENESS="60s")


def walk(n: int, seed: int = 1, levels: int = 5) -> list[dict[str, Any]]:
    """n books of a market with a tick of 0.5, 20 ms apart; the last is of now."""
    rng = np.random.default_rng(seed)
    mid = 1000 + np.cumsum(rng.integers(-1, 2, n))
    now = time.time_ns()
    rows = []
    for at in range(n):
        sizes = rng.integers(1, 50, (2, levels)).tolist()
        bids = [[float((mid[at] - 1 - k) * 0.5), float(sizes[0][k])] for k in range(levels)]
        asks = [[float((mid[at] + 1 + k) * 0.5), float(sizes[1][k])] for k in range(levels)]
        rows.append({"timestamp": now - (n - 1 - at) * 20 * MS, "bids": bids, "asks": asks})
    return rows


def columns(rows: list[dict[str, Any]]) -> dict[str, Any]:
    table: dict[str, Any] = {"timestamp": [row["timestamp"] for row in rows]}
    for side in ("bid", "ask"):
        table[f"{side}_prices"] = [[level[0] for level in row[f"{side}s"]] for row in rows]
        table[f"{side}_sizes"] = [[level[1] for level in row[f"{side}s"]] for row in rows]
    return table


def tape_of(rows: list[dict[str, Any]]) -> Tape:
    t = np.array([row["timestamp"] for row in rows])
    bids, asks = (np.array([row[side] for row in rows]) for side in ("bids", "asks"))
    return Tape.of_books(t, bids, asks, np.full((len(rows), 2), bids.shape[1]))


def post(http: httpx.Client, symbol: str, noun: str, body: Any, query: str = "", **more: Any) -> httpx.Response:
    given = {"content": body, **more} if isinstance(body, bytes) else {"json": body, **more}
    return http.post(f"{BOOKS}/{symbol}/{noun}{query}", **given)


def features(http: httpx.Client, symbol: str, query: str = "") -> dict[str, Any]:
    answer = http.get(f"{BOOKS}/{symbol}/features?time=ns&limit=100000{query}")
    assert answer.status_code == 200, answer.text
    return {name: column for name, column in answer.json().items() if name != "symbol"}


def bodies(rows: list[dict[str, Any]]) -> dict[str, tuple[bytes, str]]:
    return {
        "rows": (json.dumps(rows).encode(), "application/json"),
        "columns": (json.dumps(columns(rows)).encode(), "application/json"),
        "ndjson": (b"\n".join(json.dumps(row).encode() for row in rows), "application/x-ndjson"),
        "msgpack": (msgspec.msgpack.encode(rows), "application/msgpack"),
        "binary": (frame.encoded(tape_of(rows)), "application/octet-stream"),
    }


def test_every_form_of_a_post_means_the_same(http: httpx.Client) -> None:
    rows = walk(300)
    told = {}
    for name, (body, kind) in bodies(rows).items():
        answer = post(http, f"FORM.{name}", "snapshots", body, headers={"content-type": kind})
        assert answer.status_code == 200, answer.text
        assert answer.json() | {"last": None} == {
            "accepted": 300, "repaired": 0, "skipped": 0, "rejected": [], "counts": {}, "state": "valid", "last": None
        }  # fmt: skip
        told[name] = features(http, f"FORM.{name}")
    assert len(told["rows"]["t"]) == 300
    assert all(one == told["rows"] for one in told.values())
    listed = http.get(f"{BOOKS}?limit=1000").json()["books"]
    assert {book["symbol"] for book in listed} >= {f"FORM.{name.upper()}" for name in told}


def test_a_book_as_it_stands(http: httpx.Client) -> None:
    rows = walk(200, seed=2)
    post(http, "STAND", "snapshots", rows)
    book = http.get(f"{BOOKS}/stand").json()
    assert (book["state"], book["waits_for"], book["tick"], book["events"], book["levels"]) == ("valid", None, 0.5, 200, 5)
    assert (book["bids"], book["asks"]) == (rows[-1]["bids"], rows[-1]["asks"])
    (bid, bid_size), (ask, ask_size) = rows[-1]["bids"][0], rows[-1]["asks"][0]
    assert book["features"]["spread_t"] == (ask - bid) / 0.5
    assert book["features"]["qi1"] == (bid_size - ask_size) / (bid_size + ask_size)
    whole = features(http, "STAND")
    assert {name: whole[name][-1] for name in book["features"]} == book["features"]
    catalogue = http.get("/api/v1/book-features").json()
    assert [feature["name"] for feature in catalogue["features"]] == list(book["features"])
    assert catalogue["schema"] == book["schema"] == whole["schema"]


def test_features_are_the_same_however_the_posts_are_cut(http: httpx.Client) -> None:
    rows = walk(260, seed=3)
    post(http, "WHOLE", "snapshots", rows, "?tick=0.5")
    at, sizes = 0, [1, 1, 1, 7, 50, 1, 99, 60, 40]
    for size in sizes:
        post(http, "CUT", "snapshots", rows[at : at + size], "?tick=0.5")
        at += size
    whole, cut = features(http, "WHOLE"), features(http, "CUT")
    assert whole == cut
    part = features(http, "CUT", f"&start={rows[100]['timestamp']}&end={rows[149]['timestamp']}")
    assert part == {name: column if name in ("schema", "next") else column[100:150] for name, column in whole.items()}


def test_pages_of_features(http: httpx.Client) -> None:
    post(http, "PAGED", "snapshots", walk(100, seed=4))
    found: list[int] = []
    query = ""
    while True:
        page = http.get(f"{BOOKS}/PAGED/features?limit=30&time=ns{query}").json()
        found += page["t"]
        if page["next"] is None:
            break
        query = f"&start={page['next']}"
    assert found == features(http, "PAGED")["t"]
    assert len(found) == 100


def test_quotes_top_the_book_and_trades_pass(http: httpx.Client) -> None:
    rows = walk(100, seed=5)
    post(http, "FUSED", "snapshots", rows)
    (bid, _), t = rows[-1]["bids"][0], rows[-1]["timestamp"]
    quote = {"timestamp": t + 1, "bid": bid - 1.0, "bid_size": 7.0, "ask": bid - 0.5, "ask_size": 9.0}
    assert post(http, "FUSED", "quotes", [quote]).json()["accepted"] == 1
    assert post(http, "FUSED", "trades", [{"timestamp": t + 2, "price": bid - 0.5, "size": 1.0, "side": "buy"}]).json()["accepted"] == 1
    book = http.get(f"{BOOKS}/FUSED").json()
    assert (book["bids"][0], book["asks"][0]) == ([bid - 1.0, 7.0], [bid - 0.5, 9.0])
    assert book["bids"][1:] == [level for level in rows[-1]["bids"] if level[0] < bid - 1.0]
    assert features(http, "FUSED")["kind"][-3:] == ["depth", "quote", "trade"]


BAD: dict[str, Any] = {
    "crossed": lambda row: row["bids"][0].__setitem__(0, row["asks"][0][0] + 0.5),
    "locked": lambda row: row["bids"][0].__setitem__(0, row["asks"][0][0]),
    "unsorted": lambda row: row["bids"].reverse(),
    "negative_size": lambda row: row["asks"][1].__setitem__(1, -1.0),
    "zero_price": lambda row: row["bids"][4].__setitem__(0, 0.0),
    "off_tick": lambda row: row["asks"][4].__setitem__(0, row["asks"][4][0] + 0.2),
    "out_of_order": lambda row: row.__setitem__("timestamp", row["timestamp"] - SECOND_NS),
    "clock_jump": lambda row: row.__setitem__("timestamp", row["timestamp"] + 3600 * SECOND_NS),
    "wide_spread": lambda row: [level.__setitem__(0, level[0] + 400.0) for level in row["asks"]],
}


@pytest.mark.parametrize("rule", BAD)
def test_bad_records_are_named_and_refused_or_put_aside(http: httpx.Client, rule: str) -> None:
    rows, symbol = walk(400, seed=6), f"BAD.{rule}"
    post(http, symbol, "snapshots", rows[:300])
    before = http.get(f"{BOOKS}/{symbol}").json()
    bad = json.loads(json.dumps(rows[300:]))
    BAD[rule](bad[40])
    refused = post(http, symbol, "snapshots", bad)
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_book")
    assert [fault["pointer"] for fault in refused.json()["errors"]] == ["/40"]
    after = http.get(f"{BOOKS}/{symbol}").json()
    assert {name: after[name] for name in ("events", "bids", "features")} == {name: before[name] for name in ("events", "bids", "features")}
    kept = post(http, symbol, "snapshots", bad, "?on_error=skip")
    assert kept.status_code == 200, kept.text
    assert (kept.json()["accepted"], kept.json()["counts"]) == (99, {rule: 1})
    assert [(one["row"], one["rule"]) for one in kept.json()["rejected"]] == [(40, rule)]
    listed = http.get(f"{BOOKS}/{symbol}/faults").json()
    assert listed["counts"][rule] == 2
    assert [(fault["rule"], fault["row"]) for fault in listed["faults"]] == [(rule, 40)]
    assert http.get(f"{BOOKS}/{symbol}/faults?rule=stale").json()["faults"] == []


def test_a_record_of_another_symbol_never_enters_a_book(http: httpx.Client) -> None:
    answer = post(http, "MINE", "snapshots", [row | {"symbol": "YOURS"} for row in walk(2)])
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/0/symbol")
    assert http.get(f"{BOOKS}/MINE").status_code == 404


def test_duplicates_are_counted_and_skipped(http: httpx.Client) -> None:
    rows = walk(30, seed=7)
    post(http, "TWICE", "snapshots", rows)
    again = post(http, "TWICE", "snapshots", rows[-5:]).json()
    assert (again["accepted"], again["skipped"], again["rejected"]) == (0, 5, [])
    assert len(features(http, "TWICE")["t"]) == 30 or http.get(f"{BOOKS}/TWICE").json()["tick"] is None


def test_three_crossed_books_are_an_auction_even_when_each_is_refused(http: httpx.Client) -> None:
    rows = walk(104, seed=8)
    post(http, "AUCTION", "snapshots", rows[:100])
    for row in rows[100:103]:
        row["bids"][0][0] = row["asks"][0][0]
        assert post(http, "AUCTION", "snapshots", [row]).status_code == 422
    assert http.get(f"{BOOKS}/AUCTION").json()["state"] == "auction"
    assert post(http, "AUCTION", "snapshots", [rows[103]]).json()["state"] == "valid"


def messages(rows: list[dict[str, Any]], first: int) -> list[dict[str, Any]]:
    """Each step from a book to the next as an update with ids."""
    found = []
    for at, (before, after) in enumerate(pairwise(rows)):
        sides = {}
        for side in ("bids", "asks"):
            new = dict(map(tuple, after[side]))
            gone = [[price, 0.0] for price, _ in before[side] if price not in new]
            sides[side] = gone + after[side]
        number = first + at
        found.append({"timestamp": after["timestamp"], "U": number, "u": number, "pu": number - 1, **sides})
    return found


def test_updates_follow_a_snapshot_and_a_gap_says_what_to_send(http: httpx.Client) -> None:
    rows = walk(200, seed=9)
    steps = messages(rows, 101)
    assert post(http, "L2", "updates", steps[:3], "?tick=0.5").json() | {"last": None} == {
        "accepted": 0, "repaired": 0, "skipped": 0, "rejected": [], "counts": {}, "state": "syncing", "last": None
    }  # fmt: skip
    assert post(http, "L2", "snapshots", [rows[0] | {"sequence": 100}]).json()["accepted"] == 4
    answer = post(http, "L2", "updates", steps[3:150]).json()
    assert (answer["accepted"], answer["state"]) == (147, "valid")
    book = http.get(f"{BOOKS}/L2").json()
    assert (book["bids"], book["asks"]) == (rows[150]["bids"], rows[150]["asks"])
    gap = post(http, "L2", "updates", steps[152:160])
    assert (gap.status_code, gap.json()["code"]) == (409, "book_gap")
    assert "snapshot" in gap.json()["hint"]
    book = http.get(f"{BOOKS}/L2").json()
    assert (book["state"], book["features"]) == ("gap", None)
    assert "snapshot" in book["waits_for"]
    healed = post(http, "L2", "snapshots", [rows[155] | {"sequence": 255}])
    assert healed.status_code == 200, healed.text
    assert healed.json()["state"] == "valid"
    assert http.get(f"{BOOKS}/L2").json()["bids"] == rows[160]["bids"]  # what waited was replayed
    assert post(http, "L2", "updates", steps[160:]).json()["state"] == "valid"
    whole = features(http, "L2")
    begin = whole["t"].index(rows[155]["timestamp"])
    assert whole["ofi_s"][begin] == 0.0  # a gap resets what flowed
    assert whole["ofi_s"][begin - 1] != 0.0


def test_an_old_book_is_stale_and_one_side_is_no_book(http: httpx.Client) -> None:
    rows = walk(60, seed=10)
    old = [row | {"timestamp": row["timestamp"] - 600 * SECOND_NS} for row in rows]
    assert post(http, "OLD", "snapshots", old).json()["state"] == "stale"
    one = post(http, "SIDE", "snapshots", [*rows[:-1], rows[-1] | {"asks": []}]).json()
    assert (one["accepted"], one["state"]) == (60, "syncing")
    none = post(http, "SIDE", "snapshots", [rows[-1] | {"timestamp": rows[-1]["timestamp"] + 1, "bids": [], "asks": []}]).json()
    assert (none["accepted"], none["counts"], none["state"]) == (1, {"empty": 1}, "syncing")


def test_the_same_request_again_gives_the_first_answer(http: httpx.Client) -> None:
    rows, key = walk(50, seed=11), {"idempotency-key": "once"}
    first = post(http, "ONCE", "snapshots", rows, headers=key)
    assert post(http, "ONCE", "snapshots", rows, headers=key).json() == first.json()
    assert http.get(f"{BOOKS}/ONCE").json()["events"] == 50
    other = post(http, "ONCE", "snapshots", rows[:1], headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")


def test_deletion_is_complete_and_audited(http: httpx.Client, running: Running) -> None:
    post(http, "GONE", "snapshots", walk(50, seed=12))
    assert http.delete(f"{BOOKS}/GONE").json() == {"deleted": {"symbol": "GONE"}}
    for path in ("", "/features", "/faults"):
        answer = http.get(f"{BOOKS}/GONE{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_book")
    assert post(http, "GONE", "snapshots", walk(40, seed=13)).json()["accepted"] == 40
    assert len(features(http, "GONE")["t"]) <= 40
    actions = [(row["action"], row["subject"]) for row in running.services.access.audit(None, 1000)[0]]
    assert ("book.delete", "GONE") in actions


def test_what_cannot_be_a_book_is_refused(http: httpx.Client) -> None:
    rows = walk(2, seed=14)
    for body, query, status in (
        ([], "", 422), ({}, "", 422), (b"\x00\x01", "", 400), (rows, "?tick=0", 422), (rows, "?on_error=maybe", 422),
        ([rows[0] | {"bids": "x"}], "", 422),
    ):  # fmt: skip
        answer = post(http, "NONE", "snapshots", body, query)
        assert answer.status_code in (status, 400), answer.text
        assert answer.json()["code"]
    assert http.get(f"{BOOKS}/NONE").status_code == 404


def test_metrics_count_events_and_faults(http: httpx.Client, running: Running) -> None:
    rows = walk(30, seed=15)
    post(http, "COUNTED", "snapshots", rows)
    post(http, "COUNTED", "snapshots", rows[-1:])
    text = http.get("/metrics").text
    assert 'rpsd_book_events_total{kind="depth"}' in text
    assert 'rpsd_book_faults_total{rule="duplicate"}' in text


def test_books_that_do_not_fit_into_memory_wait_in_the_store(http: httpx.Client, running: Running) -> None:
    rows = walk(3, seed=17)
    books = running.services.book._books
    books._most, most = 20_000, books._most  # only a few fit now
    for number in range(60):
        assert post(http, f"MANY{number}", "snapshots", [rows[0]]).status_code == 200
    assert len(books) < 10
    for number in range(0, 60, 7):
        assert post(http, f"MANY{number}", "snapshots", [rows[1]]).json()["accepted"] == 1
        assert post(http, f"MANY{number}", "snapshots", [rows[1]]).json()["skipped"] == 1
    assert http.get(f"{BOOKS}/MANY0").json()["events"] == 2
    books._most = most


def test_features_beside_the_27(http: httpx.Client, running: Running) -> None:
    rows = walk(600, seed=23)
    post(http, "BESIDE", "snapshots", rows, "?tick=0.5")
    path = f"{BOOKS}/BESIDE/features?limit=1000&bar=1s&window=3&further="
    whole = http.get(f"{path}parkinson,yang_zhang").json()
    assert whole["parkinson"][0] is None
    assert whole["parkinson"][-1] > 0
    later = http.get(f"{path}parkinson&start={rows[500]['timestamp']}").json()
    assert later["parkinson"] == whole["parkinson"][-len(later["t"]) :]  # the bars before the range count
    refused = http.get(f"{path}integrated_ofi,stoikov_t")
    assert (refused.status_code, refused.json()["code"]) == (404, "no_model")
    serve(running.services, "book:BESIDE:next_mid_move", tick=0.5, kept={"integrated": np.array([1.0, 0, 0, 0, 0])})
    told = http.get(f"{path}integrated_ofi,stoikov_t").json()
    assert told["integrated_ofi"] == told["ofi_m"]
    assert set(told["stoikov_t"]) == {None}  # that model has kept no table
    assert told["fitted"] == {"model": "book:BESIDE:next_mid_move", "version": 1, "causal_from": "1970-01-01T00:00:00.000000001Z"}
    for bad in ("parkinson&bar=tick", "height", "parkinson&window=1"):
        assert http.get(f"{path}{bad}" if "window" not in bad else f"{BOOKS}/BESIDE/features?further={bad}").status_code == 422
    names = {row["name"] for row in http.get("/api/v1/book-features").json()["further"]}
    assert {"integrated_ofi", "stoikov_t", "yang_zhang"} <= names
