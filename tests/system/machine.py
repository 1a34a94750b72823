"""A machine with a systemd of its own: systemd-nspawn over an overlay of this machine's file system, thrown away afterwards.

Nothing is downloaded and nothing of this machine is written: its `/` is the read-only lower layer, the upper one lies in memory. Source:
systemd-nspawn(1); mount(8), options of overlay.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

NEEDED = {"systemd-nspawn": "systemd-container", "nsenter": "util-linux", "dpkg": "dpkg"}
_PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
_NSPAWN = (
    "--boot", "--register=no", "--keep-unit", "--private-network", "--console=pipe", "--capability=all",
    "--system-call-filter=bpf keyctl add_key @raw-io",  # with bpf IPAddressDeny= really blocks
)  # fmt: skip
_BOOT_SECONDS = 60.0
_SIZE = "6g"  # what the upper layer may take of memory, as far as it is written


class Missing(Exception):
    """Why no machine can be booted here, in one sentence."""


def require() -> None:
    """Raise Missing when this machine cannot boot another one."""
    if os.geteuid() != 0:
        raise Missing("tests/system boots a systemd and must run as root: sudo make test-system")
    for program, package in NEEDED.items():
        if shutil.which(program) is None:
            raise Missing(f"tests/system needs {program}: apt-get install {package}")


class Machine:
    """One booted machine. `share` lies on the host and is /share inside; `pid` is its PID 1 as the host sees it."""

    def __init__(self, place: Path, name: str) -> None:
        self.place, self.name = place, name
        self.root, self.share = place / "root", place / "share"
        self.pid = 0
        self._nspawn: subprocess.Popen[bytes] | None = None

    def boot(self) -> float:
        """Boot and wait until all is started; the seconds that took."""
        begin = time.monotonic()
        with (self.place / "console.log").open("ab") as console:
            self._nspawn = subprocess.Popen(
                ["systemd-nspawn", "-D", self.root, *_NSPAWN, f"--machine={self.name}", f"--bind={self.share}:/share"],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True,
                env=os.environ | {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            )  # fmt: skip
        while self._state() not in ("running", "degraded"):
            if self._nspawn.poll() is not None or time.monotonic() > begin + _BOOT_SECONDS:
                raise AssertionError(f"the machine does not boot:\n{self.console()[-3000:]}")
            time.sleep(0.05)
        return time.monotonic() - begin

    def power_off(self) -> None:
        """End it, cleanly if it can be, and forget its processes; its file system stays for another boot."""
        if self._nspawn is None:
            return
        with contextlib.suppress(ProcessLookupError):
            if self._nspawn.poll() is None:
                os.kill(self.pid or self._nspawn.pid, signal.SIGRTMIN + 4)  # systemd's poweroff.target
        try:
            self._nspawn.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._nspawn.kill()
            self._nspawn.wait(timeout=10)
        self._nspawn, self.pid = None, 0

    def run(
        self,
        *command: str | Path,
        check: bool = True,
        timeout: float = 120,
        environment: dict[str, str] | None = None,
        entry: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside as root and wait for it. With check, an exit code other than 0 raises AssertionError with its output."""
        entering = self.entering(*command, environment=environment)
        told = {"input": entry} if entry is not None else {"stdin": subprocess.DEVNULL}
        done = subprocess.run(entering, capture_output=True, text=True, errors="replace", timeout=timeout, check=False, **told)
        if check and done.returncode != 0:
            words = " ".join(str(word) for word in command)
            raise AssertionError(f"{words}: exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return done

    def shell(self, script: str, *, check: bool = True, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a script inside by sh -eu."""
        return self.run("sh", "-euc", script, check=check, timeout=timeout)

    def entering(self, *command: str | Path, environment: dict[str, str] | None = None) -> list[str]:
        """The command of the host that runs a command inside."""
        given = [f"{name}={value}" for name, value in (environment or {}).items()]
        inside = ["env", "-i", _PATH, "LANG=C.UTF-8", "HOME=/root", *given, *map(str, command)]
        return ["nsenter", "-t", str(self.pid), "-m", "-u", "-i", "-n", "-p", "-C", f"--root=/proc/{self.pid}/root", "--wd=/", *inside]

    def reaching(self, *command: str | Path) -> list[str]:
        """The command that runs a program of the host in the network of the machine: a client beside it."""
        return ["nsenter", "-t", str(self.pid), "-n", *map(str, command)]

    def shown(self, unit: str, name: str) -> str:
        """A property of a unit as systemd has it now."""
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).stdout.strip()

    def main_pid(self, unit: str = "rpsd.service") -> int:
        """The main process of a unit, as the machine numbers it; 0 when there is none."""
        return int(self.shown(unit, "MainPID") or 0)

    def host_pid(self, inside: int) -> int:
        """The same process as the host numbers it. Raises AssertionError when it is gone."""
        namespace = Path(f"/proc/{self.pid}/ns/pid").readlink()
        for process in psutil.process_iter(["pid"]):
            with contextlib.suppress(OSError, psutil.Error):
                if _inside(process.pid) == inside and Path(f"/proc/{process.pid}/ns/pid").readlink() == namespace:
                    return process.pid
        raise AssertionError(f"no process {inside} in {self.name}")

    def journal(self, unit: str = "rpsd.service", lines: int = 200) -> str:
        """The last lines that a unit wrote."""
        return self.run("journalctl", "--no-pager", "-o", "cat", "-n", str(lines), "-u", unit, check=False).stdout

    def console(self) -> str:
        """What the machine printed while it booted."""
        return (self.place / "console.log").read_text(encoding="utf-8", errors="replace")

    def path(self, inside: str) -> Path:
        """A file of the machine as the host reaches it: only to look, and only at what is no mount of its own."""
        return Path(f"/proc/{self.pid}/root") / inside.lstrip("/")

    def _state(self) -> str:
        if not self.pid and self._nspawn is not None:
            with contextlib.suppress(OSError, psutil.Error):  # its first child is another, and soon gone
                self.pid = next((child.pid for child in psutil.Process(self._nspawn.pid).children() if _inside(child.pid) == 1), 0)
        if not self.pid:
            return "offline"
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.run("systemctl", "is-system-running", check=False, timeout=10).stdout.strip()
        return "starting"


@contextlib.contextmanager
def booted(place: Path, name: str, lower: Path = Path("/")) -> Iterator[Machine]:
    """A machine over `lower`, booted, in the empty directory `place`; it and all of its mounts are gone afterwards. Raises Missing."""
    require()
    machine = Machine(place, name)
    up = place / "up"
    for directory in (up, machine.root, machine.share):
        directory.mkdir()
    with contextlib.ExitStack() as stack:
        _mount(stack, up, "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs")
        (up / "u").mkdir()
        (up / "w").mkdir()
        _mount(stack, machine.root, "-t", "overlay", "-o", f"lowerdir={lower},upperdir={up}/u,workdir={up}/w", "overlay")
        _make_new(machine.root)
        stack.callback(machine.power_off)
        machine.boot()
        yield machine


def _inside(pid: int) -> int:
    """The number that a process has in its own namespace, 0 in that of the host. Raises OSError when it is gone."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    numbers = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[1:]
    return int(numbers[-1]) if len(numbers) > 1 else 0


def _mount(stack: contextlib.ExitStack, where: Path, *arguments: str) -> None:
    subprocess.run(["mount", *arguments, str(where)], check=True, capture_output=True)
    stack.callback(lambda: subprocess.run(["umount", "--lazy", str(where)], check=False, capture_output=True))


def _make_new(root: Path) -> None:
    """A machine of its own name that starts nothing of the one it is a copy of, and has nothing of rpsd on it."""
    if not os.path.ismount(root):  # never without the overlay
        raise AssertionError(f"{root} is no overlay")
    (root / "etc/machine-id").write_bytes(b"")
    for wants in (root / "etc/systemd/system").glob("*.wants"):
        shutil.rmtree(wants)
    for left in ("opt/rpsd", "etc/rpsd", "var/lib/rpsd", "var/cache/rpsd", "var/backups/rpsd", "var/log/rpsd"):
        shutil.rmtree(root / left, ignore_errors=True)


def dictionary(machine: Machine, unit: str, *names: str) -> dict[str, Any]:
    """Several properties of a unit at once."""
    lines = machine.run("systemctl", "show", f"--property={','.join(names)}", unit).stdout.splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)
