"""What the door costs: CPU of one call of an empty route with key, limit, metrics, request id and access log, beside a bare Litestar's.

Both run on the same engine and are asked in turns by the same client; CPU is that of the whole process, read from the kernel, so that
threads such as the log's writer count. A turn takes some thousand calls; the least of the turns' differences between neighbours' medians
is not taken, the median is.
"""

import statistics

import psutil

from tests.bench import appliance, load
from tests.bench.empty_route import PATH
from tests.bench.harness import bar

TURNS = 9
SECONDS = 1.0


def cpu_seconds(process: psutil.Process) -> float:
    spent = process.cpu_times()
    return float(spent.user + spent.system)


def microseconds_a_call(process: psutil.Process, port: int, message: bytes) -> float:
    """CPU of the process for each good answer, at saturation."""
    before = cpu_seconds(process)
    rate = load.saturate(port, message, seconds=SECONDS, connections=4, depth=4)
    return (cpu_seconds(process) - before) / (rate * SECONDS) * 1e6


def main() -> None:
    settings = {"RPSD_LIMITS__READ": "100000000/min"}
    with (
        appliance.rpsd(("tests.bench.empty_route", "serve"), settings=settings) as server,
        appliance.peer_process("routes") as (port, peer),
    ):
        ours, theirs = psutil.Process(server.process.pid), psutil.Process(peer.pid)
        message, bare = load.request(PATH, {"X-API-Key": server.key}), load.request("/api/v1/r7/A")
        pairs = [(microseconds_a_call(ours, server.port, message), microseconds_a_call(theirs, port, bare)) for _ in range(TURNS + 1)]
    more = [mine - other for mine, other in pairs[1:]]
    print(f"our empty route {statistics.median(a for a, _ in pairs[1:]):.0f} us, bare {statistics.median(b for _, b in pairs[1:]):.0f} us")
    print("more in each turn: " + ", ".join(f"{value:.0f}" for value in more))
    bar("edge_cpu_us_above_bare_litestar", statistics.median(more), "<=", 80)


if __name__ == "__main__":
    main()
