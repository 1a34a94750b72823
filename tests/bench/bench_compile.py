"""The kernels from an empty cache and from a full one, in processes of their own: `python -m tests.bench.bench_compile`."""

import os
import resource
import subprocess
import sys
import tempfile

from tests.bench.harness import bar

_WARM = "from rpsd.kernels import jit; jit.warm()"


def spent(cache: str) -> float:
    """CPU seconds of a process that makes every kernel ready: the wall clock would tell of other work on the machine too."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", _WARM], env=os.environ | {"NUMBA_CACHE_DIR": cache}, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="rpsd-bench-") as cache:
        bar("kernels_compiled_cpu_seconds", spent(cache), "<=", 40.0)
        bar("kernels_loaded_cpu_seconds", min(spent(cache) for _ in range(3)), "<=", 3.0)


if __name__ == "__main__":
    main()
