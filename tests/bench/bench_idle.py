"""Ten thousand idle keep-alive connections: the memory they cost, and how a good client fares beside them.

The idle ones live in a process of their own, from 200 addresses; each has made a request and keeps its connection.
"""

import resource
import socket
import subprocess
import sys
import time

import psutil

from tests.bench import appliance, load
from tests.bench.appliance import Appliance
from tests.bench.harness import bar

COUNT = 10_000
ROUNDS = 3
SECONDS = 6.0
_ASK = load.request("/health/live")


def hold(port: int, count: int) -> None:
    """Open so many connections with one answered request each, say so, and keep them until the end of the input."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(count + 200, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
    held = []
    for k in range(count):
        client = socket.create_connection(("127.0.0.1", port), source_address=(f"127.9.0.{1 + k % 200}", 0))
        client.sendall(_ASK)
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
        held.append(client)
    print(len(held), flush=True)
    sys.stdin.read()


def held_by(process: psutil.Process) -> int:
    """How many descriptors the server has."""
    return process.num_fds()


def crowd(server: Appliance) -> "subprocess.Popen[str]":
    """The idle ones, once all are connected."""
    holding = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.bench_idle", str(server.port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holding.stdout is not None
    assert int(holding.stdout.readline()) == COUNT
    return holding


def good_client(server: Appliance, message: bytes) -> float:
    return load.p99_ms(load.open_loop(server.port, message, rate=200, seconds=SECONDS, connections=16))


def main() -> None:
    with appliance.rpsd(settings={"RPSD_SERVER__KEEPALIVE": "600s"}) as server:  # by default the first would be cut while we look
        process = psutil.Process(server.process.pid)
        message = load.request("/api/v1/series", {"X-API-Key": server.key})
        good_client(server, message)
        alone = min(good_client(server, message) for _ in range(ROUNDS))
        before, descriptors = process.memory_info().rss, held_by(process)
        holding = crowd(server)
        cpu, begin = process.cpu_times(), time.perf_counter()
        time.sleep(5.0)
        spent = (sum(process.cpu_times()[:2]) - sum(cpu[:2])) / (time.perf_counter() - begin)
        beside = min(good_client(server, message) for _ in range(ROUNDS))
        after = process.memory_info().rss
        assert held_by(process) - descriptors > 0.99 * COUNT  # all are still there; the good clients' own come and go
        holding.communicate("")
    each = (after - before) / COUNT / 1024
    print(f"{COUNT} connections: {each:.1f} KiB each; {spent * 100:.1f} % of a core while nobody asks; p99 alone {alone:.2f} ms")
    bar("idle_10000_connections_rss_mib", after / 2**20, "<=", 1024)
    bar("idle_10000_connections_good_p99_ms", beside, "<", 250)
    bar("idle_10000_connections_good_p99_vs_alone", beside / alone, "<=", 1.2)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        hold(int(sys.argv[1]), COUNT)
    else:
        main()
