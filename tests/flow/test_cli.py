"""The command line beside a running server, and the demo from an empty directory."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "rpsd" / "samples"


@dataclass
class Box:
    """A data directory with its settings file, a port, and the commands run against them."""

    home: Path
    port: int
    server: subprocess.Popen[bytes] | None = None

    @property
    def environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RPSD_")}
        return kept | {"HOME": str(self.home), "RPSD_CONFIG": str(self.config), "PYTHONPATH": str(ROOT)}

    @property
    def config(self) -> Path:
        return self.home / "config.yaml"

    def configure(self, log_level: str) -> None:
        text = f"storage: {{data_dir: {self.home / 'data'}, min_free_bytes: 1MiB}}\nserver: {{port: {self.port}}}\n"
        self.config.write_text(f"{text}monitoring: {{log_level: {log_level}, log_file: {self.home / 'rpsd.json'}}}\n")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "rpsd", *arguments]
        return subprocess.run(command, env=self.environ, cwd=self.home, capture_output=True, text=True, timeout=120, check=False)

    def told(self, *arguments: str) -> Any:
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "rpsd", *arguments]
        with (self.home / "out.log").open("wb") as out:
            return subprocess.Popen(command, env=self.environ, cwd=self.home, stdout=out, stderr=subprocess.STDOUT)

    def answers(self, path: str, seconds: float = 60.0) -> bytes:
        until = time.monotonic() + seconds
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as response:
                    return bytes(response.read())
            except OSError:
                if time.monotonic() > until:
                    raise AssertionError((self.home / "out.log").read_text()[-2000:]) from None
                time.sleep(0.1)

    def awaited(self, message: str) -> dict[str, Any]:
        """The last log line with this message, as soon as there is one."""
        for _ in range(100):
            lines = [json.loads(line) for line in (self.home / "rpsd.json").read_text().splitlines()]
            if found := [line for line in lines if line["message"] == message]:
                return dict(found[-1])
            time.sleep(0.1)
        raise AssertionError(f"{message!r} was not logged")


def box(home: Path) -> Box:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    home.mkdir()
    found = Box(home, port)
    found.configure("INFO")
    return found


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """A box whose server is ready."""
    found = box(tmp_path_factory.mktemp("flow") / "home")
    found.run("init")
    found.server = found.start("serve")
    found.answers("/health/ready")
    yield found
    found.server.terminate()
    assert found.server.wait(30) == 0


def test_health(live: Box) -> None:
    assert live.run("health").returncode == 0
    assert live.told("health", "--url", f"http://127.0.0.1:{live.port}")["status"] == "healthy"


def test_a_second_server_exits_at_once(live: Box) -> None:
    started = time.monotonic()
    done = live.run("serve", "--port", "0")
    assert done.returncode == 75, done.stderr
    assert "directory_locked" in done.stderr
    assert time.monotonic() - started < 20


def test_data_models_and_regimes_through_the_socket(live: Box) -> None:
    assert live.run("regimes", "^GSPC").returncode == 66
    file = str(SAMPLES / "sp500_1d.csv")
    assert live.told("series", "import", file, "--symbol", "^GSPC", "--interval", "1d")["inserted"] == 5031
    assert live.run("regimes", "^GSPC").returncode == 66  # no model yet
    run = live.told("retrain", "--all", "--wait")
    assert (run["state"], run["result"]["trained"]) == ("succeeded", 1)
    assert [model["name"] for model in live.told("models", "list")["models"]] == ["regime:^GSPC:1d:3_state"]
    assert live.told("models", "show", "regime:^GSPC:1d:3_state")["stage"] == "production"
    assert "probability" in live.run("regimes", "^GSPC").stdout
    found = live.told("regimes", "^GSPC", "--start", "2014-01-01", "--end", "2018-12-31", "--regime-type", "2_state")
    assert (found["n_states"], found["causal"]) == (2, False)
    stored = live.told("regimes", "^GSPC")
    assert (stored["model_version"], len(stored["states"]), len(stored["transition_matrix"]), len(stored["forecast"])) == (1, 3, 3, 21)
    picture = live.home / "regimes.png"
    wish = ("--mode", "walk_forward", "--regime-type", "2_state")
    drawn = live.told("regimes", "^GSPC", *wish, "--plot", str(picture))
    assert (drawn["causal"], picture.read_bytes()[:4]) == (True, b"\x89PNG")
    alone = live.told("regimes", str(SAMPLES / "sp500_1d.csv"), *wish, "--start", "2016-12-31")
    assert alone["regimes"] == drawn["regimes"]
    exported = live.run("series", "export", "--symbol", "^GSPC", "--interval", "1d", "--columns", "close")
    assert len(exported.stdout.splitlines()) == 5032


@pytest.mark.parametrize("suffix", ["csv", "ndjson", "parquet"])
def test_files_of_every_kind_through_the_socket(live: Box, tmp_path: Path, suffix: str) -> None:
    source, copy = tmp_path / "in.csv", tmp_path / f"out.{suffix}"
    source.write_text("t,close,volume\n2024-01-02,0.1,\n2024-01-03,1e-300,7\n")
    name = ("--symbol", f"KIND.{suffix[0].upper()}", "--interval", "1d")
    live.told("series", "import", str(source), *name)
    assert live.run("series", "export", *name, "-o", str(copy)).returncode == 0
    assert live.told("series", "import", str(copy), *name)["unchanged"] == 2


def test_keys_work_at_once_and_end_at_once(live: Box) -> None:
    made = live.told("keys", "create", "desk", "--scope", "read", "--limit", "600")
    request = urllib.request.Request(f"http://127.0.0.1:{live.port}/api/v1/jobs", headers={"X-API-Key": made["key"]})
    with urllib.request.urlopen(request, timeout=5) as response:
        assert response.status == 200
    live.told("keys", "revoke", made["id"])
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=5)
    caught.value.close()
    assert caught.value.code == 401


def test_keys_and_signing_keys_rotate(live: Box) -> None:
    old = live.told("keys", "create", "turning", "--scope", "read", "--limit", "2/s")
    new = live.told("keys", "rotate", old["id"], "--overlap", "90m")
    held = {row["id"]: row for row in live.told("keys", "list")["keys"]}
    assert (held[old["id"]]["limit"], held[new["id"]]["limit"]) == (120, 120)
    assert held[old["id"]]["replaced_by"] == new["id"]
    assert new["key"].startswith(f"rpsd_{new['id']}_")
    assert live.run("keys", "rotate", old["id"]).returncode != 0
    assert live.run("keys", "rotate", new["id"], "--overlap", "soon").returncode != 0
    assert live.run("keys", "create", "x", "--scope", "read", "--limit", "fast").returncode != 0
    assert [row["signs"] for row in live.told("keys", "rotate-signing")["keys"]][-1] is True


def test_maintenance_is_switched(live: Box) -> None:
    found = live.told("maintenance", "on", "--reason", "swap", "--for", "1h")
    assert (found["on"], found["reason"], found["by"]) == (True, "swap", "admin-socket")
    assert live.told("maintenance", "status") == found
    assert live.run("health").returncode == 1
    assert live.told("maintenance", "off")["on"] is False
    assert live.run("maintenance", "on", "--for", "soon").returncode == 65


def test_the_box_tests_and_measures_itself_and_leaves_nothing(live: Box) -> None:
    before = [row["symbol"] for row in live.told("series", "list")["series"]]
    steps = live.told("selftest")["steps"]
    assert {row["step"] for row in steps if row["passed"]} == {
        "ready", "store", "denoise", "regime", "experiment", "clean", "predict", "backup",
    }  # fmt: skip
    found = live.told("bench", "--seconds", "1", "--rate", "10")
    assert [row["requests"] for row in found["routes"]][:3] == [10, 10, 10]
    assert [row["symbol"] for row in live.told("series", "list")["series"]] == before
    assert all(row["revoked"] for row in live.told("keys", "list")["keys"] if row["name"].startswith("rpsd bench"))


def test_the_doctor_asks_the_server(live: Box) -> None:
    done = live.run("doctor", "--json", "--bundle", str(live.home / "support.tar.gz"))
    data = json.loads(done.stdout)
    told = {row["name"]: row for row in data["findings"]}
    assert told["server"]["detail"] == "answers on its admin socket"
    # another test may have left a broken settings file behind
    assert {told[name]["status"] for name in ("database", "kernels", "wal", "file_modes")} == {"ok"}
    assert done.returncode == {"ok": 0, "note": 0, "warning": 1, "failed": 2}[data["status"]]
    assert (live.home / "support.tar.gz").is_file()
    assert live.told("audit", "list")["audit"]


def test_backups_while_it_serves(live: Box) -> None:
    made = live.told("backup", "create", "--to", str(live.home / "copy.rpsdbak"))
    assert made["path"] == str(live.home / "copy.rpsdbak")
    assert live.told("backup", "verify", made["path"])["sha256"] == made["sha256"]
    assert live.told("backup", "prune") == {"pruned": []}
    assert live.run("restore", made["path"]).returncode == 75  # the server owns the directory
    assert live.told("audit", "verify")["intact"] is True


def test_a_reload_takes_what_is_live_and_a_broken_file_changes_nothing(live: Box) -> None:
    assert live.server is not None
    live.configure("LOUD")
    live.server.send_signal(signal.SIGHUP)
    assert "LOUD" in str(live.awaited("reload failed, the old settings stay")["faults"])
    assert b"rpsd_config_last_reload_successful 0.0" in live.answers("/metrics")
    live.configure("DEBUG")
    live.server.send_signal(signal.SIGHUP)
    told = live.awaited("settings reloaded")
    assert (told["applied"], told["changes"]) == (["monitoring.log_level"], ["monitoring.log_level: INFO → DEBUG"])
    reloads = [row["detail"] for row in live.told("audit", "list")["audit"] if row["action"] == "config.reload"]
    assert reloads[-1]["changes"] == {"monitoring.log_level": {"from": "INFO", "to": "DEBUG"}}
    assert b"rpsd_config_last_reload_successful 1.0" in live.answers("/metrics")
    assert live.server.poll() is None


def test_no_secret_is_in_the_log(live: Box) -> None:
    made = live.told("keys", "create", "logged", "--scope", "read")
    live.answers("/health?ticket=said-in-a-query")
    logged = (live.home / "rpsd.json").read_text() + (live.home / "out.log").read_text()
    assert made["key"].rpartition("_")[2] not in logged
    assert "said-in-a-query" not in logged


def test_the_demo_from_an_empty_directory(tmp_path: Path) -> None:
    found = box(tmp_path / "home")
    demo = found.start("demo")
    try:
        found.answers("/health/ready", 120)
        printed = (found.home / "out.log").read_text()
        assert all(len(line) <= 100 or "curl" in line for line in printed.splitlines())
        for word in (
            "what was removed",
            "guardrail",
            "probability",
            "since",
            "hindsight",
            "In words: what tells these regimes apart",
            "the next move of the mid",
        ):
            assert word in printed
        key = found.home / "data" / "demo.key"
        assert key.stat().st_mode & 0o777 == 0o600
        assert len(curls(printed)) == 6
        for command in curls(printed):
            done = subprocess.run(["bash", "-c", f"{command} -f"], cwd=found.home, capture_output=True, text=True, timeout=30, check=False)
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    finally:
        demo.send_signal(signal.SIGINT)
        assert demo.wait(30) == 0
    again = found.run("demo", "--no-serve")
    assert again.returncode == 0, again.stderr
    assert "0 rows stored, 5,031 there already" in again.stderr


def curls(text: str) -> list[str]:
    """The commands that the demo proposes."""
    joined = re.sub(r"'[^']*'", lambda quoted: quoted[0].replace("\n", " "), text.partition("Try next")[2].replace("\\\n", " "))
    return [line.strip() for line in joined.splitlines() if line.strip().startswith("curl ")]
