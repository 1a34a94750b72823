"""Two processes, one that serves and one that carries out, before a receiver that keeps what it hears."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rpsd.config import read
from rpsd.services.wiring import open_services
from tests.fault.victim import ROOT, Victim, victim

SERVE = ("rpsd", "serve", "--outbound", "unit")


class Carriage:
    """`rpsd outbound` beside a victim; `entry` may be a broken one."""

    def __init__(self, server: Victim, entry: tuple[str, ...]) -> None:
        self.server, self._entry = server, entry
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.server.log.open("ab") as out:
            command = [sys.executable, "-m", *self._entry]
            self._process = subprocess.Popen(command, env=self.server.environment, cwd=ROOT, stdout=out, stderr=out)

    def kill(self) -> None:
        """SIGKILL, and wait until the process is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)
            self._process = None


@contextmanager
def carriage(directory: Path, hook: str, entry: tuple[str, ...] = ("rpsd", "outbound")) -> Iterator[Carriage]:
    """Both on a directory, neither started; both killed at the end."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "rpsd.yaml"
    file.write_text(f"alerts:\n  webhooks:\n    - url: {hook}\n      private: [127.0.0.0/8]\n")
    with victim(directory, SERVE, CONFIG=str(file)) as server:
        made = Carriage(server, entry)
        try:
            yield made
        finally:
            made.kill()


def raise_alerts(server: Victim, count: int) -> None:
    """Alerts a0, a1, … of a server that is down: each with its message in the box, and none sent by the process that raises them."""
    environ = {name: value for name, value in server.environment.items() if name.startswith("RPSD_")}
    with open_services(read(None, environ), worker=False, distant=True) as services:
        for number in range(count):
            services.alert.raise_("drift", f"a{number}", "HIGH", "x")


def until(true: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Whether it came true within the time."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def forgetful() -> None:
    """The control: a carrier that takes a message out of the box before it has delivered it."""
    from rpsd.cli.outbound import outbound
    from rpsd.services.outside.delivery import Delivery

    deliver = Delivery._deliver

    def hasty(self: Delivery, line: object, fetcher: object, message: object) -> None:
        self._finished(message.id, True)  # type: ignore[attr-defined]
        time.sleep(0.5)
        deliver(self, line, fetcher, message)  # type: ignore[arg-type]

    Delivery._deliver = hasty  # type: ignore[assignment, method-assign]
    outbound(Path(os.environ["RPSD_CONFIG"]))


if __name__ == "__main__":
    forgetful()
