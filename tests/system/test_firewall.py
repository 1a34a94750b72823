"""etc/firewall/rpsd.nft in network namespaces of its own: one address may call, its neighbour may not."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.system.by_hand import awaited, program

pytestmark = pytest.mark.system
RULES = ROOT / "etc" / "firewall" / "rpsd.nft"
PORT, OTHER_PORT = 8000, 8001
BOX, COLLEAGUE, STRANGER = "192.168.1.10", "192.168.1.77", "192.168.2.77"
_SERVE = (
    "import http.server, sys, threading\n"
    "Answer = http.server.SimpleHTTPRequestHandler\n"
    "servers = [http.server.ThreadingHTTPServer(('0.0.0.0', int(port)), Answer) for port in sys.argv[1:]]\n"
    "[threading.Thread(target=server.serve_forever).start() for server in servers]\n"
)
_CALL = "import socket, sys; socket.create_connection((sys.argv[2], int(sys.argv[3])), timeout=3, source_address=(sys.argv[1], 0)).close()"


class Wire:
    """Two network namespaces, the box's and its callers', with a wire between them."""

    def __init__(self, name: str) -> None:
        self.box, self.callers = f"{name}a", f"{name}b"

    def lay(self) -> None:
        far = f"{self.callers[-12:]}v"
        for space in (self.box, self.callers):
            self._ip("netns", "add", space)
            self._ip("-n", space, "link", "set", "lo", "up")
        self._ip("-n", self.box, "link", "add", "wire0", "type", "veth", "peer", "name", far)
        self._ip("-n", self.box, "link", "set", far, "netns", self.callers)
        for space, device, addresses in ((self.box, "wire0", [BOX]), (self.callers, far, [COLLEAGUE, STRANGER])):
            for address in addresses:
                self._ip("-n", space, "address", "add", f"{address}/16", "dev", device)
            self._ip("-n", space, "link", "set", device, "up")

    def cut(self) -> None:
        for space in (self.box, self.callers):
            subprocess.run([program("ip", "iproute2"), "netns", "del", space], capture_output=True, check=False)

    def within(self, space: str, *command: str | Path) -> list[str]:
        return [program("ip", "iproute2"), "netns", "exec", space, *map(str, command)]

    def _ip(self, *arguments: str) -> None:
        done = subprocess.run([program("ip", "iproute2"), *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"

    def reached(self, source: str, port: int) -> bool:
        """Whether somebody of that address gets a connection."""
        call = self.within(self.callers, "/usr/bin/python3", "-c", _CALL, source, BOX, str(port))
        return subprocess.run(call, capture_output=True, check=False, timeout=20).returncode == 0


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    """A box that listens on both ports, with no rules yet."""
    if os.geteuid() != 0:
        pytest.fail("tests/system makes network namespaces and must run as root: sudo make test-system", pytrace=False)
    program("nft", "nftables")
    made = Wire(f"rpsd{os.getpid()}")
    with contextlib.ExitStack() as ends:
        ends.callback(made.cut)
        made.lay()
        serving = made.within(made.box, "/usr/bin/python3", "-c", _SERVE, str(PORT), str(OTHER_PORT))
        process = subprocess.Popen(serving, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ends.callback(process.wait, 10)
        ends.callback(process.kill)
        assert awaited(lambda: made.reached(COLLEAGUE, PORT))
        yield made


def test_without_rules_everybody_is_let_in_and_with_them_only_the_callers(wire: Wire) -> None:
    assert wire.reached(STRANGER, PORT)  # the control
    text = RULES.read_text(encoding="utf-8")
    for _ in range(2):  # it can be loaded again
        loaded = subprocess.run(wire.within(wire.box, "nft", "-f", "-"), input=text, capture_output=True, text=True, check=False)
        assert (loaded.returncode, loaded.stderr) == (0, "")
    assert wire.reached(COLLEAGUE, PORT)
    assert not wire.reached(STRANGER, PORT)
    assert wire.reached(STRANGER, OTHER_PORT)  # other services are none of its business
