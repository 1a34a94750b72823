"""What the allocator keeps after a burst, measured in a process of its own."""

import json
import subprocess
import sys

BURST = """
import json, sys, threading
from rpsd.telemetry.memory import spare_memory

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

def work(done):
    pieces = [b"x" * (60_000 + k % 7) for k in range(300)]  # some 18 MB, freed but for the last
    keep.append(pieces[-1])
    del pieces
    done.wait()

agreed = spare_memory() if sys.argv[1] == "yes" else None
keep, done, before = [], threading.Barrier(9), resident()
threads = [threading.Thread(target=work, args=(done,)) for _ in range(8)]
for thread in threads:
    thread.start()
done.wait()
print(json.dumps([agreed, resident() - before]))
"""


def grown(spared: str) -> tuple[bool | None, int]:
    done = subprocess.run([sys.executable, "-c", BURST, spared], capture_output=True, text=True, check=True, timeout=60)
    agreed, by = json.loads(done.stdout)
    return agreed, by


def test_what_a_burst_of_many_threads_has_freed_does_not_stay_resident() -> None:
    agreed, spared = grown("yes")
    _, plain = grown("no")  # the control: what the library does by itself
    assert agreed is True
    assert spared < 0.6 * plain
