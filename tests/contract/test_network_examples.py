"""The examples of proxies and of a firewall agree with the defaults of the settings that they lean on."""

import re
from pathlib import Path

import pytest

from rpsd.config import read
from rpsd.config.settings import Settings
from tests.conftest import ROOT

ETC = ROOT / "etc"
PROXIES = ("nginx/rpsd.conf", "caddy/Caddyfile")


@pytest.fixture(scope="module")
def settings() -> Settings:
    return read(environ={})


def text(name: str) -> str:
    """The file without its comments."""
    return re.sub(r"^\s*#.*$", "", (ETC / name).read_text(encoding="utf-8"), flags=re.M)


def number(pattern: str, name: str) -> int:
    found = re.search(pattern, text(name))
    assert found, f"{name} holds no {pattern}"
    return int(found[1])


@pytest.mark.parametrize("name", PROXIES)
def test_proxies_ask_where_rpsd_listens(settings: Settings, name: str) -> None:
    assert re.findall(r"127\.0\.0\.1:\d+", text(name)) == [f"{settings.server.host}:{settings.server.port}"]


@pytest.mark.parametrize("name", PROXIES)
def test_the_settings_in_their_comments_are_accepted(name: str, tmp_path: Path) -> None:
    found = re.search(r"#   (server: .*)", (ETC / name).read_text(encoding="utf-8"))
    assert found
    file = tmp_path / "config.yaml"
    file.write_text(found[1], encoding="utf-8")
    server = read(file, {}).server
    assert [str(network) for network in server.trusted_proxies] == ["127.0.0.1/32"]
    assert "rpsd.example.org" in server.allowed_hosts


def test_bodies_as_large_as_a_stream_pass(settings: Settings) -> None:
    assert number(r"client_max_body_size (\d+)g;", PROXIES[0]) << 30 >= settings.server.max_stream_bytes
    assert number(r"max_size (\d+)GiB", PROXIES[1]) << 30 >= settings.server.max_stream_bytes


def test_proxies_close_quiet_connections_first_and_give_up_last(settings: Settings) -> None:
    assert number(r"keepalive_timeout (\d+)s;", PROXIES[0]) < settings.server.keepalive
    assert number(r"keepalive (\d+)s", PROXIES[1]) < settings.server.keepalive
    assert number(r"proxy_read_timeout (\d+)s;", PROXIES[0]) > settings.server.request_timeout


def test_the_firewall_guards_the_port(settings: Settings) -> None:
    assert number(r"set ports \{ type inet_service; elements = \{ (\d+) \} \}", "firewall/rpsd.nft") == settings.server.port


def test_the_log_is_rotated_and_shipped_from_one_place() -> None:
    places = {place for name in ("logrotate/rpsd", "elk/rsyslog.conf", "elk/filebeat.yml", "elk/vector.yaml")
              for place in re.findall(r"(/var/log/\w+)/", text(name))}  # fmt: skip
    assert places == {"/var/log/rpsd"}


def test_the_log_is_rotated_without_a_cut() -> None:
    rules = text("logrotate/rpsd").split()
    assert "copytruncate" not in rules
    assert {"delaycompress", "nocreate", "missingok"} <= set(rules)
