"""The log under load, rotated by the real logrotate and shipped by the real rsyslogd with the files that etc/ ships."""

import contextlib
import gzip
import http.client
import json
import re
import socketserver
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.system.by_hand import ByHand, awaited, free_port, program
from tests.system.conftest import Record

pytestmark = pytest.mark.system
ROTATIONS = 20
RATE = 100  # requests a second, each of which leaves a line
LEAST = 4096  # bytes of a file that etc/logrotate/rpsd rotates


class Collector:
    """Listens on a port and keeps each line that comes, over any number of connections."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        collected = self.lines

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                collected.extend(line.decode().rstrip("\n") for line in self.rfile)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address, daemon_threads = True, True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Rsyslog:
    """rsyslogd with etc/elk/rsyslog.conf, rendered for this log file and collector; `memory` is where it writes how far it has read."""

    def __init__(self, home: Path, log_file: Path, port: int, memory: Path) -> None:
        shipped = (ROOT / "etc" / "elk" / "rsyslog.conf").read_text(encoding="utf-8")
        for old, new in (("collector.example.org", "127.0.0.1"), ("5170", str(port)), ("/var/log/rpsd/rpsd.json", str(log_file))):
            assert old in shipped
            shipped = shipped.replace(old, new)
        memory.mkdir(exist_ok=True)
        self._file, self._pid = home / "rsyslog.conf", home / "rsyslog.pid"
        self._file.write_text(f'global(workDirectory="{memory}")\n{shipped}', encoding="utf-8")
        self._program = program("rsyslogd", "rsyslog")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        said = subprocess.run([self._program, "-N1", "-f", self._file], capture_output=True, text=True, check=False, timeout=30)
        assert said.returncode == 0, said.stderr
        assert "error" not in said.stderr.lower(), said.stderr
        self._process = subprocess.Popen([self._program, "-n", "-f", self._file, "-i", self._pid], stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None


class Load(threading.Thread):
    """Sends requests of an id each, until told to stop."""

    def __init__(self, port: int, key: str) -> None:
        super().__init__(daemon=True)
        self._port, self._key = port, key
        self.over, self.sent = threading.Event(), list[str]()

    def run(self) -> None:
        link = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        while not self.over.is_set():
            name = f"line-{len(self.sent):06d}"
            link.request("GET", "/api/v1/jobs?limit=1", headers={"X-API-Key": self._key, "X-Request-Id": name})
            link.getresponse().read()
            self.sent.append(name)
            time.sleep(1.0 / RATE)
        link.close()


@dataclass
class Night:
    """What was asked, what stands in the files of the log, and what the collector has."""

    sent: list[str]
    rotated: int
    filed: list[str] = field(default_factory=list)
    shipped: list[str] = field(default_factory=list)


def rotate(home: Path, log_file: Path) -> None:
    """Once, by force, as etc/logrotate/rpsd says; more files are kept than there, and they stay this user's.

    Force does not look at the least size: it is waited for here.
    """
    shipped = (ROOT / "etc" / "logrotate" / "rpsd").read_text(encoding="utf-8")
    assert f"minsize {LEAST >> 10}k" in shipped
    assert awaited(lambda: log_file.exists() and log_file.stat().st_size >= LEAST)
    for old, new in (("/var/log/rpsd/*.json", str(log_file)), ("su rpsd rpsd", "su root root"), ("rotate 14", f"rotate {2 * ROTATIONS}")):
        assert old in shipped
        shipped = shipped.replace(old, new)
    file = home / "logrotate.conf"
    file.write_text(shipped, encoding="utf-8")
    file.chmod(0o600)
    command = [program("logrotate", "logrotate"), "--force", "--state", str(home / "logrotate.state"), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")


def filed(directory: Path) -> Iterator[str]:
    """Every line of the log file and of those that were rotated away, compressed or not."""
    for part in directory.iterdir():
        text = gzip.decompress(part.read_bytes()) if part.suffix == ".gz" else part.read_bytes()
        assert text.endswith(b"\n"), part
        yield from text.decode().splitlines()


def requested(lines: list[str]) -> list[str]:
    """The ids of the load in the order of the lines; a torn line raises."""
    found = (json.loads(line).get("request_id", "") for line in lines)
    return [name for name in found if re.fullmatch(r"line-\d{6}", name)]


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    """Twenty rotations under load, while rsyslogd ships and is restarted in the middle."""
    home = tmp_path_factory.mktemp("night")
    with contextlib.ExitStack() as ends:
        collector = Collector()
        ends.callback(collector.close)
        box = ByHand(home)
        shipper = Rsyslog(home, box.log_file, collector.port, home / "memory")
        shipper.start()
        ends.callback(shipper.stop)
        box.start()
        ends.callback(box.stop)
        load = Load(box.port, box.key)
        load.start()
        for number in range(ROTATIONS):
            time.sleep(1.1)  # a second names the file
            rotate(home, box.log_file)
            if number == ROTATIONS // 2:
                shipper.stop()
                time.sleep(0.5)
                shipper.start()
        load.over.set()
        load.join(30)
        box.stop()
        made = Night(load.sent, len(list(box.log_file.parent.iterdir())) - 1, list(filed(box.log_file.parent)))
        awaited(lambda: len(collector.lines) >= len(made.filed), 20.0)
        shipper.stop()
        time.sleep(0.5)
        made.shipped = list(collector.lines)
        yield made


def test_twenty_rotations_lose_and_tear_no_line(night: Night) -> None:
    assert night.rotated >= ROTATIONS - 1
    assert len(night.sent) > 10 * ROTATIONS
    assert requested(night.filed).count("line-000000") == 1
    assert Counter(requested(night.filed)) == Counter(night.sent)


def test_each_line_is_shipped_once_over_rotations_and_a_restart(night: Night, record: Record) -> None:
    shipped, filed = Counter(night.shipped), Counter(night.filed)
    lost, repeated = list((filed - shipped).elements()), list((shipped - filed).elements())
    told = f"{len(lost)} lost, {len(repeated)} repeated"
    record("log", f"{filed.total():,} lines over {night.rotated} rotations and a restart of rsyslogd: {told}")
    assert (lost, repeated) == ([], []), json.dumps([lost, repeated], indent=1)


def test_a_shipper_that_forgets_where_it_stopped_repeats_lines(tmp_path: Path) -> None:
    """The control: the same restart without the working directory."""
    collector, log_file = Collector(), tmp_path / "rpsd.json"
    log_file.write_text("".join(f'{{"number": {number}}}\n' for number in range(100)))
    for memory in ("first", "second"):
        shipper = Rsyslog(tmp_path, log_file, collector.port, tmp_path / memory)
        before = len(collector.lines)
        shipper.start()
        assert awaited(lambda seen=before: len(collector.lines) >= seen + 100)
        shipper.stop()
    collector.close()
    assert set(Counter(collector.lines).values()) == {2}


@pytest.mark.parametrize("size", [200, LEAST])
def test_a_file_in_the_place_of_a_small_one_loses_its_beginning(tmp_path: Path, size: int) -> None:
    """Why small files are not rotated: rsyslogd takes a file with the inode of one of less than 512 bytes for that one."""
    collector, log_file = Collector(), tmp_path / "rpsd.json"
    memory = tmp_path / "memory"
    first, then = f'{{"first": "{"x" * (size - 14)}"}}\n', "".join(f'{{"number": {number}}}\n' for number in range(100))
    for text in (first, then):
        log_file.write_text(text)  # in place: the inode stays, as when a new file is given that of a deleted one
        shipper = Rsyslog(tmp_path, log_file, collector.port, memory)
        shipper.start()
        last = text.splitlines()[-1]
        awaited(lambda last=last: collector.lines[-1:] == [last], 10.0)  # type: ignore[misc]
        shipper.stop()
    collector.close()
    assert len(first) == size
    assert (collector.lines == (first + then).splitlines()) == (size == LEAST)


def test_what_cannot_be_delivered_waits(tmp_path: Path) -> None:
    """The collector is away at first, and rsyslogd is restarted meanwhile: nothing is lost, and hardly anything comes twice."""
    port, log_file = free_port(), tmp_path / "rpsd.json"
    lines = [f'{{"number": {number}, "filler": "{"x" * 9000}"}}' for number in range(100)]
    shipper = Rsyslog(tmp_path, log_file, port, tmp_path / "memory")
    log_file.write_text("".join(f"{line}\n" for line in lines[:50]))
    shipper.start()
    time.sleep(1.0)
    shipper.stop()
    with log_file.open("a") as stream:
        stream.writelines(f"{line}\n" for line in lines[50:])
    shipper.start()
    time.sleep(0.5)
    collected: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            collected.extend(line.decode().rstrip("\n") for line in self.rfile)

    with socketserver.ThreadingTCPServer(("127.0.0.1", port), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert awaited(lambda: len(collected) >= 100, 40.0), len(collected)
        shipper.stop()
        server.shutdown()
    assert set(collected) == set(lines)
    assert len(collected) <= len(lines) + 2  # the one at which it found the collector away may come again, for each start
