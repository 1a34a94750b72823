"""Settings of sources and receivers: what stands, and what is refused with which words."""

from ipaddress import ip_network
from typing import Any

import pytest

from rpsd.config.kinds import Unfit
from rpsd.config.outside import SOURCES, WEBHOOKS
from rpsd.core.source import Receiver, SourceSetting


def test_an_entry_takes_from_its_vendor_what_it_leaves_open() -> None:
    [(name, found)] = SOURCES.parse({"yahoo": {"symbols": ["AAPL", "brk-b"]}}).items()
    assert name == "yahoo"
    assert found == SourceSetting("yahoo", {"AAPL": "AAPL", "brk-b": "BRK-B"}, calls=30, per_seconds=60.0)


def test_an_entry_of_another_name_says_its_kind() -> None:
    entry = {
        "kind": "http_csv", "symbols": {"gold/usd": "GOLD"}, "url": "http://10.0.0.5/{symbol}.csv", "interval": "1h",
        "rate_limit": "25/day", "history": "30d", "overlap": 0, "timeout": "5s", "retries": 1, "max_bytes": "1MiB", "private": True,
        "tz": "Europe/Berlin", "date_format": "%d.%m.%Y %H:%M", "key_file": "/etc/rpsd/key",
    }  # fmt: skip
    found = SOURCES.parse({"our-desk": entry})["our-desk"]
    assert found == SourceSetting(
        "http_csv", {"gold/usd": "GOLD"}, "1h", "http://10.0.0.5/{symbol}.csv", "/etc/rpsd/key", 25, 86_400.0, 30 * 86_400.0, 0, 5.0, 1,
        1 << 20, True, "Europe/Berlin", "%d.%m.%Y %H:%M",
    )  # fmt: skip


def test_no_sources_load_no_vendor() -> None:
    assert SOURCES.parse({}) == {}


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([], "expected a mapping"),
        ({"bloomberg": {"symbols": ["A"]}}, "bloomberg: expected kind to be one of yahoo, alpha_vantage"),
        ({"yahoo": ["AAPL"]}, "yahoo: expected settings such as symbols"),
        ({"yahoo": {}}, "symbols: expected at least one"),
        ({"yahoo": {"symbols": []}}, "symbols: expected 1 to 10000, got 0"),
        ({"yahoo": {"symbols": ["EUR USD"]}}, "is not a symbol; give a mapping"),
        ({"yahoo": {"symbols": {"a": "X", "b": "x"}}}, "two of them are stored under one name"),
        ({"yahoo": {"symbols": ["A"], "interval": "2h"}}, "interval: yahoo tells 1m, 5m"),
        ({"yahoo": {"symbols": ["A"], "interval": "tick"}}, "interval: expected one of"),
        ({"yahoo": {"symbols": ["A"], "key": "0123"}}, "'key' is not known here; known are kind, symbols"),
        ({"yahoo": {"symbols": ["A"], "rate_limit": "often"}}, "rate_limit: expected a rate"),
        ({"yahoo": {"symbols": ["A"], "url": "file:///etc/passwd"}}, "url: expected an address"),
        ({"yahoo": {"symbols": ["A"], "url": "http://[::1"}}, "url: expected an address"),
        ({"yahoo": {"symbols": ["A"], "url": "https://me:word@host/"}}, "does not hold a password"),
        ({"yahoo": {"symbols": ["A"], "timeout": "10ms"}}, "timeout is at least 1s"),
        ({"http_csv": {"symbols": ["A"]}}, "url: this kind needs an address"),
        ({"http_csv": {"symbols": ["A"], "url": "http://h/", "tz": "Mars/Base"}}, "tz: "),
        ({"alpha_vantage": {"symbols": ["A"]}}, "key_file: this vendor needs a key"),
        ({"a b": {"kind": "yahoo", "symbols": ["A"]}}, "is not a name"),
        ({7: {"kind": "yahoo", "symbols": ["A"]}}, "is not a name"),
    ],
)
def test_what_cannot_stand_is_said(entries: Any, words: str) -> None:
    with pytest.raises(Unfit, match=words.replace("(", r"\(")) as caught:
        SOURCES.parse(entries)
    assert "secret" not in str(caught.value)


def test_receivers_are_addresses_or_mappings() -> None:
    whole = {"url": "http://b:1/", "timeout": "3s", "secret_file": "hook", "format": "slack", "private": ["10.0.0.0/8", "fd00::/8"]}
    assert WEBHOOKS.parse(["https://a/x", whole]) == (
        Receiver("https://a/x"),
        Receiver("http://b:1/", 3.0, "hook", "slack", (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))),
    )
    assert WEBHOOKS.parse("https://a/x, https://b/y") == (Receiver("https://a/x"), Receiver("https://b/y"))
    assert "https" not in repr(WEBHOOKS.parse(["https://a/secret"]))


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (3, "expected a list of addresses"),
        (["https://a"] * 21, "expected 20 or fewer, got 21"),
        (["nowhere", "https://a.example", {"timeout": 3}], "webhook 1: url: .*; webhook 3: expected an address"),
        (["nowhere"], "webhook 1: url: an address begins with http"),
        (["https://a", {"timeout": 3}], "webhook 2: expected an address, or a mapping with url and perhaps timeout, secret_file"),
        ([{"url": "https://a", "secret": "x"}], "expected an address, or a mapping"),
        ([7], "expected an address, or a mapping"),
        ([{"url": "https://a", "timeout": "ten"}], "timeout: expected a duration"),
        ([{"url": "https://a", "timeout": "61s"}], "timeout: expected 1s to 60s"),
        ([{"url": "https://a", "timeout": 0}], "timeout: expected 1s to 60s"),
        ([{"url": "https://a", "format": "teams"}], "format: expected one of generic, slack, pagerduty"),
        ([{"url": "https://a", "format": "pagerduty"}], "pagerduty needs a file that holds the routing key"),
        ([{"url": "https://a", "private": ["8.8.8.0/24"]}], "private: 8.8.8.0/24 is not a private network"),
        ([{"url": "https://a", "private": ["0.0.0.0/0"]}], "private: 0.0.0.0/0 is not a private network"),
        ([{"url": "https://a", "private": ["169.254.0.0/16"]}], "is not a private network"),
        (["http://receiver.example/"], "http is for receivers in a network listed as private"),
        (["http://8.8.8.8/"], "would be called in the clear"),
        (["https://10.0.0.5/"], "neither public nor listed as private"),
        ([{"url": "https://10.0.0.5/", "private": ["192.168.0.0/16"]}], "neither public nor listed as private"),
        (["https://me:word@receiver.example/secret"], "does not hold a user or a password"),
        (["https://2130706433/secret"], "four decimal numbers"),
    ],
)
def test_what_is_no_receiver_is_refused(written: Any, words: str) -> None:
    with pytest.raises(Unfit, match=words) as caught:
        WEBHOOKS.parse(written)
    assert "/secret" not in str(caught.value)
