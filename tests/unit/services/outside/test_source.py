"""Market data from every vendor, spoken to over HTTP on a local server: what is stored, what is asked, and what goes wrong."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rpsd.config.outside import SOURCES
from rpsd.core.errors import Cancelled, InvalidRequest
from rpsd.core.market import DAY_NS, SECOND_NS
from rpsd.services.outside.pace import Pace
from rpsd.services.outside.source import SourceService
from tests import vendors
from tests.vendors import Vendors, serving, status

TODAY = 19_875  # days since 1970 of the test's clock, 2024-06-01
FIRST = (TODAY - 20) * 86_400


@pytest.fixture
def far() -> Iterator[Vendors]:
    with serving() as found:
        for symbol in ("aapl.us", "AAPL", "BTCUSDT"):
            found.bars[symbol] = vendors.daily(FIRST, 20)  # the last one is of yesterday
        yield found


@pytest.fixture
def noon(clock: Any) -> Any:
    """The clock, at noon of TODAY."""
    clock.now_ns = TODAY * DAY_NS + DAY_NS // 2
    return clock


Made = Callable[..., SourceService]


@pytest.fixture
def made(services: Any, noon: Any, far: Vendors, tmp_path: Any) -> Made:
    (tmp_path / "key").write_text("good key\n")
    paths = {"stooq": "/stooq/q/d/l/", "yahoo": "/yahoo", "alpha_vantage": "/alpha", "binance": "/binance", "http_csv": "/csv/{symbol}.csv"}

    def make(kind: str, symbols: Any, **more: Any) -> SourceService:
        keyed = {"key_file": str(tmp_path / "key")} if kind == "alpha_vantage" else {}
        entry = {"symbols": symbols, "url": far.base + paths[kind], "retries": 0, **keyed, **more}
        settings = replace(services.settings, sources=SOURCES.parse({kind: entry}))
        services.metrics.circuit_breaker_state.clear()
        return SourceService(settings, services.series, services.outside.breakers, services.metrics, noon, sleep=lambda _: None)

    return make


CASES = [
    ("stooq", {"aapl.us": "AAPL"}, 20),
    ("yahoo", ["AAPL"], 20),
    ("alpha_vantage", ["AAPL"], 20),
    ("binance", {"BTCUSDT": "BTC-USDT"}, 20),
    ("http_csv", ["AAPL"], 20),
]


@pytest.mark.parametrize(("kind", "symbols", "count"), CASES)
def test_every_vendor_brings_its_closed_bars_labelled_by_day(
    made: Made, services: Any, far: Vendors, kind: str, symbols: Any, count: int
) -> None:
    for bars in far.bars.values():
        bars.append((TODAY * 86_400, 1.0, 1.0, 1.0, 1.0, 1.0))  # today's, still open
    found = made(kind, symbols).fetch(eager=True)
    assert found == {
        "sources": {kind: {"fetched": 1, "fresh": 0, "waiting": 0, "failed": 0, "inserted": count, "updated": 0}},
        "failed": [],
    }
    ours = next(iter(symbols.values())) if isinstance(symbols, dict) else symbols[0]
    rows = services.series.read(ours, "1d")
    np.testing.assert_array_equal(rows.t, (np.arange(count) + TODAY - 20) * DAY_NS)
    np.testing.assert_array_equal(rows.columns["close"], 100.0 + np.arange(count))
    assert set(rows.columns) == ({"close"} if kind == "http_csv" else {"open", "high", "low", "close", "volume"})


@pytest.mark.parametrize(("kind", "symbols", "count"), CASES)
def test_fetching_again_asks_for_little_and_stores_nothing_twice(made: Made, far: Vendors, kind: str, symbols: Any, count: int) -> None:
    service = made(kind, symbols)
    service.fetch(eager=True)
    again = service.fetch(eager=True)
    assert again["sources"][kind] | {"fetched": 1} == again["sources"][kind]
    assert again["sources"][kind]["inserted"] == again["sources"][kind]["updated"] == again["sources"][kind]["failed"] == 0
    if kind == "stooq":
        assert far.asked[1]["d1"] == vendors.day((TODAY - 6) * 86_400).replace("-", "")  # five bars of overlap


def test_what_can_have_nothing_new_is_not_asked_for(made: Made, far: Vendors, noon: Any) -> None:
    service = made("yahoo", ["AAPL"])
    assert service.fetch()["sources"]["yahoo"]["fetched"] == 1
    assert service.fetch()["sources"]["yahoo"]["fresh"] == 1
    noon.advance(DAY_NS / SECOND_NS)  # a bar could be there, and is not: a holiday
    assert service.fetch()["sources"]["yahoo"] == {"fetched": 1, "fresh": 0, "waiting": 0, "failed": 0, "inserted": 0, "updated": 0}
    assert service.fetch()["sources"]["yahoo"]["fresh"] == 1
    noon.advance(3 * 3600 + 1)
    far.bars["AAPL"].append((TODAY * 86_400, 1.0, 2.0, 0.5, 120.0, 3.0))
    assert service.fetch()["sources"]["yahoo"]["inserted"] == 1
    assert len(far.asked) == 3


def test_a_vendor_that_corrects_a_bar_is_believed(made: Made, services: Any, far: Vendors) -> None:
    service = made("yahoo", ["AAPL"])
    service.fetch()
    at, *rest = far.bars["AAPL"][-2]
    far.bars["AAPL"][-2] = (at, rest[0], rest[1], rest[2], 777.0, rest[4])
    assert service.fetch(eager=True)["sources"]["yahoo"]["updated"] == 1
    assert services.series.read("AAPL", "1d").columns["close"][-2] == 777.0


def test_a_split_fetches_the_whole_past_anew(made: Made, services: Any, far: Vendors) -> None:
    service = made("yahoo", ["AAPL"])
    service.fetch()
    far.bars["AAPL"] = [(bar[0], *(value / 4 for value in bar[1:5]), bar[5] * 4) for bar in far.bars["AAPL"]]  # type: ignore[misc]
    assert service.fetch(eager=True)["sources"]["yahoo"]["updated"] == 20
    np.testing.assert_array_equal(services.series.read("AAPL", "1d").columns["close"], (100.0 + np.arange(20)) / 4)


def test_binance_is_asked_page_by_page(made: Made, services: Any, far: Vendors, noon: Any) -> None:
    begin = TODAY * 86_400 - 2500 * 60
    far.bars["BTCUSDT"] = vendors.daily(begin, 2500, 60)
    noon.now_ns = TODAY * DAY_NS
    found = made("binance", {"BTCUSDT": "BTC-USDT"}, interval="1m", history="7d").fetch()
    assert (found["sources"]["binance"]["inserted"], len(far.asked)) == (2500, 3)
    assert services.series.info("BTC-USDT", "1m")["gaps"] == 0


def test_a_bar_of_a_minute_is_stored_when_it_has_closed(made: Made, services: Any, far: Vendors, noon: Any) -> None:
    far.bars["AAPL"] = vendors.daily(TODAY * 86_400, 10, 60)
    noon.now_ns = TODAY * DAY_NS + 5 * 60 * SECOND_NS + 1
    made("yahoo", ["AAPL"], interval="1m").fetch()
    assert services.series.info("AAPL", "1m")["rows"] == 5
    assert int(far.asked[0]["period1"]) >= (noon.now_ns // SECOND_NS) - 7 * 86_400 - 1  # it tells a week of minutes


@pytest.mark.parametrize(
    ("kind", "symbols"),
    [("stooq", ["NONE.US"]), ("yahoo", ["NONE"]), ("alpha_vantage", ["NONE"]), ("binance", ["NONE"]), ("http_csv", ["NONE"])],
)
def test_an_unknown_symbol_is_named_and_opens_no_breaker(made: Made, services: Any, kind: str, symbols: list[str]) -> None:
    service = made(kind, symbols)
    for _ in range(6):
        found = service.fetch(eager=True)
    assert [(row["symbol"], row["code"]) for row in found["failed"]] == [(symbols[0], "unknown_series")]
    assert services.outside.breakers.unhealthy() == []
    assert service.failing() == [kind]


GARBAGE = [
    b"",
    b"<html>busy</html>",
    b"\xff\xfe\x00",
    b"{",
    b"[[1,2]]",
    b'{"chart": 3}',
    b'{"Time Series (Daily)": {"x": {}}}',
    b"null",
    b"[null]",
]
GARBAGE += [
    b'{"chart":{"result":[{"timestamp":[1,null],"indicators":{"quote":[{"close":[1,2]}]}}]}}',
    b"[" * 100_000,
    b"Date,Close\n1,2,3\n",
]
GARBAGE += [
    b'{"chart":{"result":[{"timestamp":[1,2],"indicators":{"quote":[{"close":[1]}]}}]}}',
    b"[[1e99,1,1,1,1,1]]",
    b'[[1,"x",1,1,1,1]]',
]


@pytest.mark.parametrize("kind", ["stooq", "yahoo", "alpha_vantage", "binance", "http_csv"])
def test_garbage_is_refused_and_nothing_stored(made: Made, services: Any, far: Vendors, kind: str) -> None:
    for text in GARBAGE:
        far.instead = [vendors.body(text)]
        found = made(kind, ["AAPL"]).fetch()
        assert [row["code"] for row in found["failed"]] == ["source_failed"], text[:80]
    assert services.series.page() == ([], None)


@pytest.mark.parametrize("kind", ["stooq", "yahoo", "alpha_vantage", "binance", "http_csv"])
def test_trouble_is_told_with_a_code(made: Made, far: Vendors, kind: str) -> None:
    for trouble in (status(500), status(403), vendors.truncated, vendors.bomb, status(302, location="/loop")):
        far.instead = [trouble] * 8
        found = made(kind, ["AAPL"], max_bytes="1MiB").fetch()
        assert [(row["source"], row["code"]) for row in found["failed"]] == [(kind, "source_failed")]


def test_one_bad_symbol_does_not_stop_the_rest(made: Made, far: Vendors) -> None:
    far.bars["C"] = vendors.daily(FIRST, 20)
    found = made("yahoo", ["B", "C"]).fetch()
    assert found["sources"]["yahoo"] == {"fetched": 1, "fresh": 0, "waiting": 0, "failed": 1, "inserted": 20, "updated": 0}


def test_a_vendor_that_is_down_is_left_alone_and_comes_back(made: Made, services: Any, far: Vendors, noon: Any) -> None:
    service = made("yahoo", ["AAPL", "B", "C"])
    far.instead = [status(500)] * 5
    for _ in range(2):
        service.fetch()
    assert len(far.asked) == 5  # the sixth was not asked
    assert services.outside.breakers.unhealthy("source:") == ["source:yahoo"]
    assert service.failing() == ["yahoo"]
    service.fetch()
    assert len(far.asked) == 5
    noon.advance(60)
    assert service.fetch(symbol="AAPL")["sources"]["yahoo"]["fetched"] == 1
    assert (services.outside.breakers.unhealthy(), service.failing()) == ([], [])


def test_a_vendor_that_asks_for_an_hour_gets_it(made: Made, far: Vendors, noon: Any) -> None:
    service = made("yahoo", ["AAPL", "B"])
    far.instead = [status(429, retry_after="3600")]
    assert service.fetch()["sources"]["yahoo"] | {"failed": 1, "waiting": 1} == service.fetch()["sources"]["yahoo"] | {
        "failed": 1,
        "waiting": 1,
    }
    assert len(far.asked) == 1
    noon.advance(3601)
    assert service.fetch(symbol="AAPL")["sources"]["yahoo"]["fetched"] == 1


def test_the_rate_is_kept_and_what_finds_no_room_waits(made: Made, far: Vendors, noon: Any) -> None:
    far.bars |= {name: vendors.daily(FIRST, 20) for name in "ABC"}
    service = made("yahoo", ["A", "B", "C"], rate_limit="2/day")
    assert service.fetch()["sources"]["yahoo"] == {"fetched": 2, "fresh": 0, "waiting": 1, "failed": 0, "inserted": 40, "updated": 0}
    noon.advance(43_200)
    assert service.fetch()["sources"]["yahoo"]["fetched"] == 1


def test_the_pace_lets_through_no_more_than_it_says(clock: Any) -> None:
    slept: list[float] = []
    pace = Pace(3, 30.0, clock)
    for _ in range(5):
        assert pace.take(slept.append)
    assert slept == [pytest.approx(10.0), pytest.approx(20.0)]


def test_the_key_is_read_from_its_file_and_never_told(made: Made, far: Vendors, tmp_path: Any) -> None:
    service = made("alpha_vantage", ["AAPL"])
    (tmp_path / "key").write_text("bad-key-0123")
    found = service.fetch()
    assert "25 requests per day" in found["failed"][0]["detail"]
    assert "bad-key-0123" not in str(found)
    (tmp_path / "key").unlink()
    assert service.fetch()["failed"][0]["code"] == "bad_config"
    (tmp_path / "key").write_text("good key")
    assert service.fetch()["sources"]["alpha_vantage"]["fetched"] == 1


def test_freshness_is_the_age_of_the_newest_bar(made: Made, services: Any, noon: Any) -> None:
    made("yahoo", ["AAPL"]).fetch()
    noon.advance(3600)
    value = services.metrics.registry.get_sample_value("rpsd_source_freshness_seconds", {"source": "yahoo"})
    assert value == 13 * 3600  # yesterday's bar closed at midnight


def test_what_the_settings_do_not_have_is_refused(made: Made) -> None:
    service = made("yahoo", ["AAPL"])
    with pytest.raises(InvalidRequest, match="no source 'stooq'; they have yahoo"):
        service.fetch("stooq")
    with pytest.raises(InvalidRequest, match="no source has the symbol"):
        service.fetch(symbol="MSFT")


def test_a_stop_is_heard_between_symbols(made: Made, far: Vendors) -> None:
    service = made("yahoo", ["AAPL"])
    with pytest.raises(Cancelled):
        service.fetch(cancelled=lambda: True)
    assert far.asked == []


def test_progress_is_told(made: Made) -> None:
    told: list[tuple[float, str]] = []
    made("yahoo", ["AAPL", "B"]).fetch(progress=lambda share, words: told.append((share, words)))
    assert told == [(0.0, "yahoo AAPL"), (0.5, "yahoo B")]


@pytest.mark.parametrize(
    "nonsense", [b'"indicators": {"quote": true}', b'"timestamp": [1' + b"0" * 400 + b"]", b'"meta": {"gmtoffset": 1e308}']
)
def test_nonsense_of_one_vendor_is_a_failure_of_its_own(made: Made, far: Vendors, nonsense: bytes) -> None:
    service = made("yahoo", ["AAPL", "MSFT"])
    whole = b'{"timestamp": [1700000000], "meta": {}, "indicators": {"quote": [{"close": [1]}]}}'
    far.instead = [vendors.body(b'{"chart": {"result": [' + whole[:-1] + b", " + nonsense + b"}]}}")] * 2
    told = service.fetch(eager=True)
    assert {(one["source"], one["code"]) for one in told["failed"]} == {("yahoo", "source_failed")}
