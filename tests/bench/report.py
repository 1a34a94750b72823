"""Run every benchmark one after another and write report.txt beside them: `python -m tests.bench.report [NAME ...]`.

A benchmark is a script tests/bench/bench_<name>.py that prints lines `BAR name value op bound ok|FALLS SHORT`. One that imports
scikit-image, statsmodels or pandas runs in the environment of `make peers`, the others in that of rpsd. The report begins with
the machine, the date and the command. The exit is 0 whenever the benchmarks ran: a bar that falls short is a finding to read, not a
broken build.
"""

import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

FOLDER = Path(__file__).parent
REPORT = FOLDER / "report.txt"
PEERS = FOLDER.parents[1] / ".cache" / "peers" / "bin" / "python"


def machine() -> Iterator[str]:
    """What a reader needs to judge the figures."""
    cpu = next((line.split(":", 1)[1].strip() for line in cpuinfo() if line.startswith("model name")), platform.processor())
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "numba", "PyWavelets", "apsw", "litestar", "granian"))
    yield f"date     {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    yield f"machine  {cpu}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {platform.system()} {platform.release()}"
    yield f"python   {platform.python_version()}; {versions}"


def cpuinfo() -> list[str]:
    file = Path("/proc/cpuinfo")
    return file.read_text().splitlines() if file.exists() else []


def interpreter(script: Path) -> str:
    """The python that knows what the script imports."""
    needs_peers = re.search(r"^\s*(import|from) (pandas|skimage|statsmodels)\b", script.read_text(encoding="utf-8"), re.MULTILINE)
    if needs_peers and not PEERS.exists():
        raise SystemExit(f"{script.name} measures against other libraries: `make peers` installs them")
    return str(PEERS) if needs_peers else sys.executable


def run(script: Path) -> Iterator[str]:
    """The lines of one benchmark, as they come."""
    module = f"tests.bench.{script.stem}"
    yield f"\n# python -m {module}"
    with subprocess.Popen([interpreter(script), "-m", module], cwd=FOLDER.parents[1], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        is_short = False
        for line in process.stdout:
            is_short |= line.endswith("FALLS SHORT\n")
            yield line.rstrip("\n")
    if process.returncode and not (process.returncode == 1 and is_short):  # a script may say with its exit what its bars say
        yield f"BROKEN {module} exit {process.returncode}"


def main(names: list[str]) -> int:
    scripts = [FOLDER / f"bench_{name}.py" for name in names] or sorted(FOLDER.glob("bench_*.py"))
    lines = ["command  make bench" if not names else f"command  python -m tests.bench.report {' '.join(names)}", *machine()]
    print("\n".join(lines), flush=True)
    for script in scripts:
        for line in run(script):
            print(line, flush=True)
            lines.append(line)
    bars = [line for line in lines if line.startswith("BAR ")]
    short = [line for line in bars if line.endswith("FALLS SHORT")]
    lines.append(f"\n{len(bars)} bars, {len(short)} fall short")
    print(lines[-1])
    REPORT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 1 if any(line.startswith("BROKEN ") for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
