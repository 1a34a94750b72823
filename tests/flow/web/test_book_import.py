"""Files of order books through the front door: each format, bad lines named, what came before them kept."""

import gzip
import re
from typing import Any

import httpx
import pytest

from rpsd import samples
from rpsd.core.instant import parse
from tests import captures

PATH = "/api/v1/books/{}/snapshots"
LOBSTER = b"34200.017459617,1,16113575,18,5853300,1,5859400,200,5853300,18\n34200.189607670,4,16113575,10,5853300,1,5859400,200,5853300,8\n"


def _post(http: httpx.Client, symbol: str, body: bytes, **query: Any) -> httpx.Response:
    return http.post(PATH.format(symbol), content=body, params=query, headers={"Content-Type": "text/csv"})


@pytest.mark.parametrize(("name", "events"), [("btcusdt_l10", 6547), ("btcusdt_bbo", 66089), ("btcusdt_trades", 21313)])
def test_files_of_tardis(http: httpx.Client, name: str, events: int) -> None:
    done = _post(http, f"TARDIS-{name[8:].upper()}", gzip.decompress(samples.path(name).read_bytes()), format="tardis")
    assert done.status_code == 200, done.text
    assert (done.json()["accepted"], done.json()["rejected"]) == (events, [])


def test_a_capture_of_binance(http: httpx.Client) -> None:
    raw = b"".join(captures.perp_raw().splitlines(keepends=True)[:6000])  # across the REST snapshot
    done = _post(http, "CAPTURE", raw, format="binance")
    assert done.status_code == 200, done.text
    told = done.json()
    latest = max(int(stamp) for stamp in re.findall(rb'"T":(\d+)', raw))
    assert (told["rejected"], told["ignored"], parse(told["last"])) == ([], 0, latest * 1_000_000)
    quotes, trades = raw.count(b"@bookTicker"), raw.count(b"@trade")
    assert quotes + trades + 2000 < told["accepted"] < 6000  # updates before the snapshot are kept back and older ones dropped
    listed = http.get("/api/v1/books/CAPTURE").json()
    assert (listed["tick"], len(listed["bids"]), len(listed["asks"])) == (0.1, 10, 10)


def test_lobster_needs_its_date(http: httpx.Client) -> None:
    in_pieces = (LOBSTER[at : at + 50] for at in range(0, len(LOBSTER), 50))
    done = http.post(PATH.format("AAPL"), content=in_pieces, params={"format": "lobster", "date": "2012-06-21"})
    assert done.json()["accepted"] == 3
    refused = _post(http, "AAPL", LOBSTER, format="lobster")
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_time")


def test_bad_lines_are_named_whatever_is_wrong_with_them(http: httpx.Client) -> None:
    head = "exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount\n"
    good = "x,S,17231612550000{0:02d},17231612550000{0:02d},1,101,100,1\n"
    crossed = good.format(20).replace("101,100", "99,100")
    text = head + "".join(map(good.format, range(20))) + crossed + "junk\n" + good.format(21)
    unreadable = _post(http, "BAD-LINES", text.encode(), format="tardis")
    assert (unreadable.status_code, unreadable.json()["errors"][0]["pointer"]) == (422, "/23")
    crossing = _post(http, "BAD-LINES", text.replace("junk\n", "").encode(), format="tardis")
    assert (crossing.status_code, crossing.json()["errors"][0]["pointer"]) == (422, "/22")
    assert crossing.json()["detail"].startswith("line 22: ")
    kept = _post(http, "BAD-LINES", text.encode(), format="tardis", on_error="skip").json()
    assert [(one["row"], one["rule"]) for one in kept["rejected"]] == [(22, "crossed"), (23, "unreadable")]
    assert (kept["accepted"], kept["counts"]) == (21, {"crossed": 1, "unreadable": 1})


def test_an_unknown_format_is_refused(http: httpx.Client) -> None:
    refused = _post(http, "AAPL", b"x", format="parquet")
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/query/format")


def test_no_key_covers_a_file(http: httpx.Client) -> None:
    """It would be passed over in silence: prints without ids, sent again, would count twice."""
    done = http.post(
        PATH.format("KEYED"), content=LOBSTER, params={"format": "lobster", "date": "2012-06-21"}, headers={"idempotency-key": "x"}
    )
    assert (done.status_code, done.json()["errors"][0]["pointer"]) == (422, "/header/Idempotency-Key")
    assert "on_error=skip" in done.json()["hint"]
    assert http.get("/api/v1/books/KEYED").status_code == 404
