"""Let atheris look for input that breaks a parser: `python -m tests.fault.fuzz.targets --seconds 120 [NAME …]`.

Each target runs in a process of its own, from the corpus beside this file; what breaks it is kept as crash-… in the working directory.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

CORPUS: Final = Path(__file__).with_name("corpus")
NAMES: Final = ("backup", "config", "csv", "frames", "jwt", "model_file")
_LONGEST: Final = 65_536


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fault.fuzz.targets")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--seconds", type=int, default=120, help="for each target")
    parser.add_argument("--alone", action="store_true", help="run the one target in this process")
    asked = parser.parse_args(arguments)
    try:
        import atheris
    except ImportError:
        print(f"atheris has no wheel for python {sys.version.split()[0]}: no parser was tried, nothing is shown.")
        return 0
    if asked.alone:
        return _run(atheris, asked.names[0], asked.seconds)
    failed = [name for name in asked.names or NAMES if _apart(name, asked.seconds)]
    print(f"broken: {', '.join(failed)}" if failed else f"{', '.join(asked.names or NAMES)}: nothing broke in {asked.seconds} s each")
    return 1 if failed else 0


def _apart(name: str, seconds: int) -> int:
    print(f"== {name}", flush=True)
    command = [sys.executable, "-m", "tests.fault.fuzz.targets", name, "--seconds", str(seconds), "--alone"]
    return subprocess.run(command, check=False).returncode


def _run(atheris: "object", name: str, seconds: int) -> int:
    with atheris.instrument_imports(include=["rpsd"]):  # type: ignore[attr-defined]
        from tests.fault.fuzz.targets.catalogue import TARGETS
    with tempfile.TemporaryDirectory(prefix="rpsd-corpus-") as found:  # new finds; the committed corpus is only read
        words = [name, found, str(CORPUS / name), f"-max_total_time={seconds}", f"-max_len={_LONGEST}", "-timeout=20", "-rss_limit_mb=2048"]
        atheris.Setup(words, TARGETS[name])  # type: ignore[attr-defined]
        atheris.Fuzz()  # type: ignore[attr-defined]
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
