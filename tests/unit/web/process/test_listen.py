"""Listening sockets: inherited, bound, taken, left over."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from rpsd.core.errors import AddressTaken, BadConfig
from rpsd.web.process.listen import bind_tcp, inherited, listen

_INHERITING = """
import os, socket
from rpsd.web.process.listen import listen
os.environ.update(LISTEN_FDS="2", LISTEN_PID=str(os.getpid()))
found = listen("127.0.0.1", 1, None)
print(found.port, found.admin.getsockname(), found.own, "LISTEN_FDS" in os.environ, os.get_inheritable(found.tcp.fileno()))
"""


def test_free_port_and_private_admin_socket(tmp_path: Path) -> None:
    found = listen("127.0.0.1", 0, tmp_path / "run" / "admin.sock")
    try:
        assert found.port > 0
        assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "run" / "admin.sock").stat().st_mode & 0o777 == 0o600
    finally:
        found.close()
    assert not (tmp_path / "run" / "admin.sock").exists()


def test_a_taken_port_says_so() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(AddressTaken, match="is in use"):
            bind_tcp("127.0.0.1", other.getsockname()[1])


def test_an_address_of_another_machine_is_a_config_error() -> None:
    with pytest.raises(BadConfig):
        bind_tcp("203.0.113.1", 0)


def test_a_socket_file_of_a_dead_server_is_replaced_and_of_a_live_one_not(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    first = listen("127.0.0.1", 0, path)
    with pytest.raises(AddressTaken):
        listen("127.0.0.1", 0, path)
    first.tcp.close()
    first.admin.close() if first.admin else None
    assert path.is_socket()
    listen("127.0.0.1", 0, path).close()


def test_a_path_too_long_for_a_socket_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="longer than 107 bytes"):
        listen("127.0.0.1", 0, tmp_path / ("x" * 120))


def test_nothing_is_taken_when_the_variables_are_for_another_process() -> None:
    assert inherited({"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid() + 1)}) == []
    assert inherited({}) == []


def test_sockets_that_systemd_passes_are_taken(tmp_path: Path) -> None:
    with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as unix:
        tcp.bind(("127.0.0.1", 0))
        unix.bind(str(tmp_path / "a"))

        def place() -> None:  # in the child, before it runs: systemd passes descriptors from 3 on
            os.dup2(tcp.fileno(), 100)
            os.dup2(unix.fileno(), 101)
            os.dup2(100, 3)
            os.dup2(101, 4)

        done = subprocess.run(
            [sys.executable, "-c", _INHERITING], preexec_fn=place, close_fds=False, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.stdout.split() == [str(tcp.getsockname()[1]), str(tmp_path / "a"), "()", "False", "False"], done.stderr


def test_connections_inherit_that_a_vanished_peer_is_gone_in_ten_seconds() -> None:
    found = listen("127.0.0.1", 0, None)
    try:
        with socket.create_connection(("127.0.0.1", found.port)):
            found.tcp.setblocking(True)
            connection, _ = found.tcp.accept()
        with connection:
            tcp = {
                name: connection.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
                for name in ("TCP_NODELAY", "TCP_USER_TIMEOUT", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")
            }
            assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert tcp == {"TCP_NODELAY": 1, "TCP_USER_TIMEOUT": 8_000, "TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 2}
    finally:
        found.close()
