"""What the allocator keeps after a burst, measured in a process of its own."""

import json
import subprocess
import sys

BURST = """
import json, sys, threading
from rpsd.telemetry.memory import SpareMemory, spare_memory

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

def work(done):
    pieces = [b"x" * (60_000 + k % 7) for k in range(300)]  # some 18 MB, freed but for the last
    keep.append(pieces[-1])
    del pieces
    done.wait()

agreed = spare_memory() if "arenas" in sys.argv else None
spare = SpareMemory()
spare.give_back()
keep, done, before = [], threading.Barrier(9), resident()
threads = [threading.Thread(target=work, args=(done,)) for _ in range(8)]
for thread in threads:
    thread.start()
done.wait()
tried = [spare.give_back(), spare.give_back()] if "given back" in sys.argv else []
print(json.dumps([agreed, tried, resident() - before]))
"""


def grown(*by: str) -> tuple[bool | None, list[bool], int]:
    done = subprocess.run([sys.executable, "-c", BURST, *by], capture_output=True, text=True, check=True, timeout=60)
    agreed, tried, more = json.loads(done.stdout)
    return agreed, tried, more


def test_threads_share_what_each_of_them_has_freed() -> None:
    agreed, _, shared = grown("arenas")
    _, _, apart = grown()  # the control: what the library does by itself
    assert agreed is True
    assert shared < 0.6 * apart


def test_what_was_freed_is_given_back_once_the_process_has_grown() -> None:
    _, tried, given = grown("given back")
    assert tried == [True, False]  # the second time there is nothing to give
    assert given < 0.2 * grown()[2]
