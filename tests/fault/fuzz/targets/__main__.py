"""Let atheris look for input that breaks a parser: `python -m tests.fault.fuzz.targets --seconds 60 [NAME …]`.

Each target runs in a process of its own, from the corpus beside this file; what breaks it is kept as crash-… in the working directory.
"""

import argparse
import random
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from tests.fault.fuzz.mutate import numbers, octets, structure
from tests.fault.fuzz.request import Request

CORPUS: Final = Path(__file__).with_name("corpus")
NAMES: Final = ("backup", "config", "csv", "frames", "jwt", "model_file")
_LONGEST: Final = 65_536
_AT_ONCE: Final = 2
_OF_JSON: Final = ("frames",)  # bytes changed at random are hardly ever JSON: these are changed by their structure, too


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fault.fuzz.targets")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--alone", action="store_true", help="run the one target in this process")
    asked = parser.parse_args(arguments)
    try:
        import atheris
    except ImportError:
        print(f"atheris has no wheel for python {sys.version.split()[0]}: no parser was tried, nothing is shown.")
        return 0
    if asked.alone:
        return _run(atheris, asked.names[0], asked.seconds)
    names = asked.names or NAMES
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        codes = list(pool.map(lambda name: _apart(name, asked.seconds), names))
    failed = [name for name, code in zip(names, codes, strict=True) if code]
    print(f"broken: {', '.join(failed)}" if failed else f"{', '.join(names)}: nothing broke in {asked.seconds} s each")
    return 1 if failed else 0


def _apart(name: str, seconds: int) -> int:
    """Run a target in a process of its own; its exit code. What it says is printed once it has ended, all when it broke."""
    command = [sys.executable, "-m", "tests.fault.fuzz.targets", name, "--seconds", str(seconds), "--alone"]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = done.stdout.decode(errors="replace").splitlines()
    told = said if done.returncode else [line for line in said if "DONE" in line]
    print("\n".join([f"== {name}", *told[-60:]]), flush=True)
    return done.returncode


def _as_json(data: bytes, most: int, seed: int) -> bytes:
    """A mutator that changes JSON as the fuzzer of requests does."""
    request, rng = Request(b"", b"", body=data), random.Random(seed)
    rng.choice((octets, structure, structure, structure, numbers))(rng, request)
    return request.body[:most]


def _run(atheris: Any, name: str, seconds: int) -> int:
    with atheris.instrument_imports(include=["rpsd"]):
        from tests.fault.fuzz.targets.catalogue import TARGETS
    with tempfile.TemporaryDirectory(prefix="rpsd-corpus-") as found:  # new finds; the committed corpus is only read
        words = [name, found, str(CORPUS / name), f"-max_total_time={seconds}", f"-max_len={_LONGEST}", "-timeout=20", "-rss_limit_mb=2048"]
        more = {"custom_mutator": _as_json} if name in _OF_JSON else {}
        atheris.Setup(words, TARGETS[name], **more)
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
