"""rpsd as an operator has it after installing the package: how tests reach it, and how long that took."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from rpsd import __version__
from tests.conftest import ROOT
from tests.system.machine import Machine

DEB: Final = ROOT / ".cache" / "deb" / f"rpsd_{__version__}_amd64.deb"
PYTHON: Final = "/opt/rpsd/current/venv/bin/python"
SOCKET: Final = "/run/rpsd/admin.sock"
INSTALL_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class Appliance:
    """The installed service: the machine it runs on and an admin key."""

    machine: Machine
    key: str

    def rpsd(self, *arguments: str, check: bool = True, timeout: float = 120, entry: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run the command line inside as root."""
        return self.machine.run("rpsd", *arguments, check=check, timeout=timeout, entry=entry)

    def call(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        """Status and body of one request over TCP, from a client in the machine's network. Raises OSError when nobody answers."""
        sent = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        words = [
            f"{name}: {value}" for name, value in ({"x-api-key": self.key, "content-type": "application/json"} | (headers or {})).items()
        ]
        fields = [part for word in words for part in ("-H", word)]
        with_body = ["--data-binary", "@-"] if body is not None else []
        done = subprocess.run(
            self.machine.reaching("curl", "-s", "-X", method, "-m", "60", *fields, *with_body, "-w", "\n%{http_code}", address(path)),
            input=sent, capture_output=True, check=False, timeout=70,
        )  # fmt: skip
        if done.returncode != 0:
            raise ConnectionError(f"{method} {path}: curl ended with {done.returncode}")
        content, _, status = done.stdout.rpartition(b"\n")
        return int(status), content

    def json(self, method: str, path: str, body: Any = None) -> Any:
        """One good answer. Raises AssertionError for any other."""
        status, content = self.call(method, path, body)
        if status >= 300:
            raise AssertionError(f"{method} {path}: {status} {content[:500]!r}")
        return json.loads(content) if content else None

    def until_good(self, path: str = "/health", seconds: float = 30.0) -> float:
        """Seconds until the path first answers 200."""
        return answers_within(self.machine, path, seconds)

    def until_ready(self, seconds: float = 300.0) -> float:
        """Seconds until it is warm, too."""
        return answers_within(self.machine, "/health/ready", seconds, every=0.25)


def address(path: str) -> str:
    return f"http://127.0.0.1:8000{path}"


def answers_within(machine: Machine, path: str, seconds: float, every: float = 0.02) -> float:
    """Seconds until the path first answers 200, asked by one process `every` so many seconds. Raises AssertionError with the journal."""
    begin = time.monotonic()
    script = f"until curl -sf -m 2 -o /dev/null {address(path)}; do sleep {every}; done"
    try:
        subprocess.run(machine.reaching("sh", "-c", script), check=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"{path} does not answer within {seconds} s\n{machine.journal()[-3000:]}") from None
    return time.monotonic() - begin


def install(machine: Machine, record: Callable[[str, str], None], deb: Path = DEB, *, warm: bool = True) -> Appliance:
    """Install the package as an operator does, wait until it is healthy (with `warm` until its kernels are compiled), and make a key."""
    if not deb.exists():
        pytest.fail(f"there is no package to install: `make deb` writes {deb.relative_to(ROOT)}", pytrace=False)
    begin = time.monotonic()
    with ThreadPoolExecutor(1) as beside:  # healthy is when it first answers, whatever dpkg has still to do for others
        first = beside.submit(answers_within, machine, "/health", 120.0)
        put(machine, deb)
        installed = time.monotonic() - begin
        healthy = first.result()
    record("install", f"dpkg took {installed:.1f} s, healthy after {healthy:.1f} s (bound {INSTALL_SECONDS:.0f} s)")
    if warm:
        answers_within(machine, "/health/ready", 300.0, every=0.5)
        record("install, kernels", f"compiled and warm after {time.monotonic() - begin:.0f} s")
    record("package", f"{deb.stat().st_size / 2**20:.0f} MiB (bound 150 MB)")
    made = machine.run("rpsd", "keys", "create", "system", "--scope", "admin", "--json")
    _healthy.append(healthy)
    return Appliance(machine, json.loads(made.stdout)["key"])


def put(machine: Machine, deb: Path, *, check: bool = True) -> subprocess.CompletedProcess[str]:
    """dpkg -i of a package of the host, without a question asked."""
    inside = machine.share / deb.name
    if not inside.exists() or inside.stat().st_mtime != deb.stat().st_mtime:
        inside.unlink(missing_ok=True)
        try:
            inside.hardlink_to(deb)
        except OSError:  # another file system
            inside.write_bytes(deb.read_bytes())
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    return machine.run("dpkg", "--install", "--force-confold", f"/share/{deb.name}", check=check, timeout=300, environment=environment)


def warmed(machine: Machine, kernels: Path) -> None:
    """Stop the service and give it the kernels that another machine has compiled: the processor is the same, and a minute is saved."""
    machine.run("systemctl", "stop", "rpsd.socket", "rpsd.service")
    shutil.copy2(kernels, machine.share)
    machine.shell(f"tar -C /var/cache/rpsd -xf /share/{kernels.name}; chown -R rpsd:rpsd /var/cache/rpsd; rm /share/{kernels.name}")


def seconds_to_healthy() -> float:
    """How long the first installation of this session took until it was healthy."""
    return _healthy[0]


_healthy: list[float] = []


def over_admin_socket(machine: Machine, method: str, path: str) -> tuple[int, bytes]:
    """One request through the admin socket, as root of the machine."""
    done = machine.run("curl", "-s", "-X", method, "--unix-socket", SOCKET, "-w", "\n%{http_code}", f"http://localhost{path}")
    content, _, status = done.stdout.rpartition("\n")
    return int(status), content.encode()
