"""HTTP to the outside against a server that misbehaves: what is tried again, what is bounded, where it is not led."""

import gzip
import random
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from rpsd.core.errors import Cancelled, SourceFailed
from rpsd.core.source import Request
from rpsd.source import exchange
from rpsd.source.destination import GRANTABLE, parse
from rpsd.source.fetch import Fetcher
from tests import vendors
from tests.vendors import Vendors, serving, status


@pytest.fixture
def far() -> Iterator[Vendors]:
    with serving() as found:
        found.bars["A"] = vendors.daily(0, 3)
        yield found


class Sleeper:
    """Notes how long it was asked to sleep, and does not."""

    def __init__(self) -> None:
        self.slept = 0.0

    def __call__(self, seconds: float) -> None:
        self.slept += seconds


def fetcher(home: str = "", **more: object) -> tuple[Fetcher, Sleeper]:
    """A fetcher that does not sleep; `home` is what the operator wrote."""
    sleeper = Sleeper()
    given = {"deadline_seconds": 5.0, **more}
    return Fetcher(sleep=sleeper, rng=random.Random(1), home=home, **given), sleeper  # type: ignore[arg-type]


def get(far: Vendors, path: str = "/csv/A.csv", home: str | None = None, **more: object) -> bytes:
    made, _ = fetcher(far.base if home is None else home, **more)
    with made:
        return made.get(Request(far.base + path)).body


def test_an_answer_is_read_whole_and_the_agent_named(far: Vendors) -> None:
    assert get(far).startswith(b"time,close\n1970-01-01,100\n")
    assert far.asked[0]["header-user-agent"].startswith("rpsd/")


@pytest.mark.parametrize("number", [429, 500, 502, 503, 504, 408])
def test_an_overloaded_server_is_tried_again_after_growing_waits(far: Vendors, number: int) -> None:
    far.instead = [status(number)] * 3
    made, sleeper = fetcher(far.base)
    with made:
        assert made.get(Request(far.base + "/csv/A.csv")).status == 200
    assert len(far.asked) == 4
    assert 0.5 * 3.5 <= sleeper.slept <= 1.5 * 3.5  # 0.5 + 1 + 2, each spread by half


def test_after_the_last_try_it_says_what_was_answered(far: Vendors) -> None:
    far.instead = [status(503)] * 4
    with pytest.raises(SourceFailed, match=r"http://127.0.0.1:\d+ answered 503"):
        get(far)
    assert len(far.asked) == 4


def test_the_wait_that_the_server_asks_for_is_kept(far: Vendors) -> None:
    far.instead = [status(429, retry_after="7")]
    made, sleeper = fetcher(far.base)
    with made:
        made.get(Request(far.base + "/csv/A.csv"))
    assert sleeper.slept == pytest.approx(7.0)


def test_a_server_that_asks_for_an_hour_is_left_to_later(far: Vendors) -> None:
    far.instead = [status(429, retry_after="3600")]
    with pytest.raises(SourceFailed) as caught:
        get(far)
    assert (caught.value.retry_after, len(far.asked)) == (3600.0, 1)


def test_a_date_to_come_back_at_is_read(far: Vendors) -> None:
    far.instead = [status(503, retry_after="Fri, 31 Dec 2100 23:59:59 GMT")]
    with pytest.raises(SourceFailed) as caught:
        get(far)
    assert caught.value.retry_after == 86_400.0  # a day at most
    assert exchange.retry_after("soon") == 0.0


@pytest.mark.parametrize("number", [401, 403, 418, 501])
def test_a_denial_is_not_tried_again(far: Vendors, number: int) -> None:
    far.instead = [status(number)]
    with pytest.raises(SourceFailed, match=str(number)):
        get(far)
    assert len(far.asked) == 1


def test_statuses_that_the_vendor_explains_come_back(far: Vendors) -> None:
    made, _ = fetcher(far.base)
    with made:
        assert made.get(Request(far.base + "/csv/none.csv")).status == 404


def test_a_body_beyond_the_bound_is_refused_before_or_while_it_comes(far: Vendors) -> None:
    far.instead = [vendors.body(b"x" * 5000)]
    with pytest.raises(SourceFailed, match="would send 5000 bytes; at most 4096"):
        get(far, most_bytes=4096)
    far.instead = [vendors.endless]
    with pytest.raises(SourceFailed, match="sends more than 1000000 bytes"):
        get(far, most_bytes=1_000_000)


def test_a_body_that_unpacks_beyond_the_bound_is_refused(far: Vendors) -> None:
    far.instead = [vendors.bomb]
    with pytest.raises(SourceFailed, match="sends more than 1048576 bytes"):
        get(far, most_bytes=1 << 20)
    far.instead = [vendors.body(b"not gzip", content_encoding="gzip")]
    with pytest.raises(SourceFailed, match="does not decompress"):
        get(far)


def test_a_truncated_body_is_tried_again(far: Vendors) -> None:
    far.instead = [vendors.truncated]
    assert get(far).count(b"\n") == 4


@pytest.mark.parametrize("drip", [vendors.dripping, vendors.dripping_headers])
def test_an_answer_that_drips_ends_at_the_deadline(far: Vendors, drip: Any) -> None:
    far.instead = [drip(5.0)]
    began = time.monotonic()
    with pytest.raises(SourceFailed, match=r"took longer than 0.3 s"):
        get(far, deadline_seconds=0.3)
    assert time.monotonic() - began < 4.0


def test_nobody_there_is_said_without_the_query() -> None:
    made, _ = fetcher("http://127.0.0.1:1/", retries=0)
    with made, pytest.raises(SourceFailed) as caught:
        made.get(Request("http://127.0.0.1:1/path", {"apikey": "secret"}))
    assert "http://127.0.0.1:1 cannot be reached" in caught.value.detail
    assert "secret" not in caught.value.detail


@pytest.mark.parametrize("url", ["http://", "http://[", "nothing", "http://a b/"])
def test_what_is_no_address_is_an_error_of_ours(url: str) -> None:
    made, _ = fetcher(retries=0)
    with made, pytest.raises(SourceFailed):
        made.get(Request(url))


def test_redirects_are_followed_on_the_same_host_and_not_in_circles(far: Vendors) -> None:
    far.instead = [status(302, location="/csv/A.csv")]
    assert get(far).startswith(b"time,close")
    far.instead = [status(302, location="/again")] * 10
    with pytest.raises(SourceFailed, match="redirects in circles"):
        get(far)


@pytest.mark.parametrize("target", ["http://localhost:1/", "http://169.254.169.254/latest/meta-data", "http://[::1]/", "http://10.0.0.1/"])
def test_redirects_do_not_reach_into_the_private_network(far: Vendors, target: str) -> None:
    far.instead = [status(302, location=target)]
    with pytest.raises(SourceFailed, match=r"redirects where it may not: .* neither public nor listed as private"):
        get(far)


def test_a_vendor_whose_address_is_not_the_operators_is_public_or_not_asked(far: Vendors) -> None:
    with pytest.raises(SourceFailed, match="neither public nor listed"):
        get(far, home="")
    assert get(far, home="", private=GRANTABLE)
    assert len(far.asked) == 1


def test_home_keeps_the_address_that_it_had_first(far: Vendors, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that changes between a call and its redirect would lead the second one elsewhere."""
    told = ["127.0.0.1", "127.0.0.2"]
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, *_: object, **__: object) -> list[Any]:
        asked.append(host)
        address = (told.pop(0) if host == "desk.example" else host, port)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    port = far.base.rpartition(":")[2]
    far.instead = [status(302, location="/csv/A.csv")]
    made, _ = fetcher(home=f"http://desk.example:{port}/")
    with made:
        assert made.get(Request(f"http://desk.example:{port}/first")).status == 200
    assert asked.count("desk.example") == 1
    assert [one["header-host"] for one in far.asked] == [f"desk.example:{port}"] * 2


def test_redirects_to_private_addresses_can_be_meant_and_lose_the_key(far: Vendors) -> None:
    there = far.base.replace("127.0.0.1", "localhost") + "/csv/A.csv"
    far.instead = [status(302, location=there)]
    made, _ = fetcher(private=GRANTABLE)
    with made:
        made.get(Request(far.base + "/first", headers={"authorization": "Bearer secret"}))
    assert far.asked[0]["header-authorization"] == "Bearer secret"
    assert "header-authorization" not in far.asked[1]


def test_encryption_is_not_lost_and_files_are_not_opened(far: Vendors) -> None:
    made, _ = fetcher()
    with made, pytest.raises(SourceFailed, match="redirects to http, which is not followed"):
        made._place("http://example.org/", parse("https://example.org/"))
    far.instead = [status(302, location="file:///etc/passwd")]
    with pytest.raises(SourceFailed, match="redirects where it may not: an address begins with http"):
        get(far)


def test_a_stop_ends_the_waits(far: Vendors) -> None:
    far.instead = [status(503)] * 4
    stopped = [False]

    def sleep(_: float) -> None:
        stopped[0] = True

    with Fetcher(home=far.base, sleep=sleep, cancelled=lambda: stopped[0]) as made, pytest.raises(Cancelled):
        made.get(Request(far.base + "/csv/A.csv"))
    assert len(far.asked) == 1


@pytest.mark.parametrize("asked", ["9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 +2359"])
def test_no_vendor_is_left_alone_for_ever(far: Vendors, asked: str) -> None:
    far.instead = [status(429, retry_after=asked)] * 4
    with pytest.raises(SourceFailed) as caught:
        get(far)
    assert caught.value.retry_after is not None
    assert caught.value.retry_after <= 86_400.0


@pytest.mark.parametrize(
    "location",
    ["http://[", "http://[::1", "http://a:b:c/", "http://\u00ad/", "", "//", "http:///x", "gopher://x", "http://127.0.0.1:99999/"],
)
def test_a_redirect_to_nonsense_is_a_failure_of_the_source(far: Vendors, location: str) -> None:
    far.instead = [status(302, location=location.encode().decode("latin-1"))] * 20
    with pytest.raises(SourceFailed):
        get(far, retries=0)


def test_a_body_packed_twice_is_not_unfolded(far: Vendors) -> None:
    bomb = gzip.compress(gzip.compress(bytes(1 << 20)))
    far.instead = [lambda _: (200, {"Content-Encoding": "gzip, gzip"}, bomb)]
    with pytest.raises(SourceFailed, match="more than once"):
        get(far)


def test_the_environments_proxy_is_asked_for_what_is_fetched_and_judged_nevertheless(far: Vendors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", far.base)
    monkeypatch.delenv("no_proxy", raising=False)
    far.instead = [vendors.body(b"by proxy")]
    made, _ = fetcher(home="")
    with made:
        assert made.get(Request("http://vendor.example/x")).body == b"by proxy"
        assert far.asked[0]["header-host"] == "vendor.example"
        far.instead = [status(302, location="http://127.0.0.1:9/")]
        with pytest.raises(SourceFailed, match="redirects where it may not"):
            made.get(Request("http://vendor.example/x"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert get(far)
