"""What the socket unit names against what the kernel says is open."""

import socket
from pathlib import Path

import pytest

from rpsd.services.listening import unopened

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
TCP = HEAD + "   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0\n"
TCP6 = (
    "  sl  local_address                         remote_address                        st\n"
    "   0: 00000000000000000000000000000000:2328 00000000000000000000000000000000:0000 0A 00000000:00000000\n"
    "   1: 00000000000000000000000001000000:2329 00000000000000000000000000000000:0000 0A 00000000:00000000\n"
)
UNIX = (
    "Num       RefCount Protocol Flags    Type St Inode Path\n"
    "00000000385c63e1: 00000002 00000000 00010000 0001 01 2 /run/rpsd/admin.sock\n"
    "00000000e8b8615d: 00000003 00000000 00000000 0001 03 3 /run/rpsd/outbound.sock\n"
    "0000000000000001: 00000003 00000000 00000000 0001 03 4\n"
)


@pytest.fixture
def net(tmp_path: Path) -> Path:
    place = tmp_path / "net"
    place.mkdir()
    for name, text in (("tcp", TCP), ("tcp6", TCP6), ("unix", UNIX)):
        (place / name).write_text(text)
    return place


def unit(tmp_path: Path, *addresses: str) -> list[Path]:
    (tmp_path / "rpsd.socket").write_text("[Socket]\n" + "".join(f"ListenStream={address}\n" for address in addresses))
    return [tmp_path]


@pytest.mark.parametrize("address", ["127.0.0.1:8000", "9000", "0.0.0.0:9000", "[::]:9000", "[::1]:9001", "/run/rpsd/admin.sock"])
def test_what_is_open(tmp_path: Path, net: Path, address: str) -> None:
    assert unopened(unit(tmp_path, address), net) == []


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("127.0.0.1:8001", ("127.0.0.1", 8001)),
        ("0.0.0.0:8000", ("0.0.0.0", 8000)),
        ("[::1]:9000", ("::1", 9000)),
        ("/run/rpsd/outbound.sock", "/run/rpsd/outbound.sock"),  # somebody has a connection to it, and nobody listens
    ],
)
def test_what_is_not(tmp_path: Path, net: Path, address: str, told: object) -> None:
    assert unopened(unit(tmp_path, "127.0.0.1:8000", address), net) == [told]


def test_what_cannot_be_known_is_not_claimed(tmp_path: Path, net: Path) -> None:
    assert unopened(unit(tmp_path, "vsock::1234", "%H:80"), net) == []
    assert unopened([tmp_path / "none"], net) == []


def test_the_kernel_is_really_asked(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        assert unopened(unit(tmp_path, f"127.0.0.1:{port}")) == []
    assert unopened(unit(tmp_path, f"127.0.0.1:{port}")) == [("127.0.0.1", port)]
