"""From which pages somebody may call where no browser asks."""

from typing import Any

import pytest

from rpsd.core.errors import Forbidden
from rpsd.web.exchange import Exchange
from rpsd.web.origin import check_origin


def may_open(origin: str, host: str, *, secure: bool, origins: tuple[str, ...] = ()) -> bool:
    services: Any = None
    exchange = Exchange(services, "id", {b"origin": origin.encode(), b"host": host.encode()}, "GET", admin=False)
    try:
        check_origin(exchange, origins, secure=secure)
    except Forbidden:
        return False
    return True


@pytest.mark.parametrize(
    ("origin", "host", "secure", "may"),
    [
        ("", "box.lan", True, True),
        ("https://box.lan", "box.lan", True, True),
        ("https://BOX.lan", "box.LAN:443", True, True),
        ("https://box.lan:8000", "box.lan:8000", True, True),
        ("http://box.lan", "box.lan", True, False),  # whoever sits on the line can write such a page
        ("http://box.lan:8000", "box.lan:8000", True, False),
        ("http://box.lan:8000", "box.lan:8000", False, True),
        ("https://box.lan", "box.lan", False, True),  # a proxy ends TLS and does not say so
        ("https://box.lan:8001", "box.lan:8000", True, False),
        ("https://box.lan.evil.example", "box.lan", True, False),
        ("https://evilbox.lan", "box.lan", True, False),
        ("https://box.lan@evil.example", "box.lan", True, False),
        ("https://box.lan:x", "box.lan", True, False),
        ("null", "box.lan", True, False),
        ("null", "null", True, False),
        ("file://", "", False, False),
        ("wss://box.lan", "box.lan", True, False),
    ],
)
def test_a_page_of_this_host_alone(origin: str, host: str, secure: bool, may: bool) -> None:
    assert may_open(origin, host, secure=secure) is may


def test_a_page_that_the_settings_name_may_come_from_anywhere() -> None:
    assert may_open("http://desk.lan", "box.lan", secure=True, origins=("http://desk.lan",))
    assert not may_open("http://desk.lan:8080", "box.lan", secure=True, origins=("http://desk.lan",))
