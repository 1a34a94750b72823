"""A real Prometheus scrapes rpsd with the files that are shipped: its own checks, the target, the rules, and an alert that fires."""

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.system.by_hand import ByHand, awaited, free_port, program

pytestmark = pytest.mark.system
SHIPPED = ROOT / "etc" / "prometheus"


class Prometheus:
    """Prometheus on the shipped scrape file, with rpsd's port, looking each second; its data lie below `home`."""

    def __init__(self, home: Path, target: int) -> None:
        self.port = free_port()
        config = yaml.safe_load((SHIPPED / "scrape.yml").read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["scrape_configs"][0] |= {"scrape_interval": "1s", "scrape_timeout": "1s"}
        config["scrape_configs"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{target}"]
        config["rule_files"] = [str(home / "rpsd.rules.yml")]
        config["alerting"]["alertmanagers"] = []
        (home / "rpsd.rules.yml").write_text(
            (SHIPPED / "rpsd.rules.yml").read_text().replace("interval: 15s", "interval: 1s").replace("for: 1m", "for: 5s")
        )
        (home / "prometheus.yml").write_text(yaml.safe_dump(config))
        with (home / "prometheus.log").open("wb") as log:
            self.process = subprocess.Popen(
                [
                    program("prometheus", "prometheus"),
                    f"--config.file={home / 'prometheus.yml'}",
                    f"--storage.tsdb.path={home / 'tsdb'}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                ],
                stdout=log,
                stderr=log,
            )

    def ask(self, path: str, **query: str) -> Any:
        """The `data` of an answer of its API; None while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=5) as answer:
                return json.load(answer)["data"]
        except OSError:
            return None

    def value(self, expression: str) -> float | None:
        """What an expression comes to that has one series."""
        result = (self.ask("query", query=expression) or {}).get("result", [])
        return float(result[0]["value"][1]) if result else None

    def firing(self) -> set[str]:
        """Names of the alerts that fire."""
        alerts = (self.ask("alerts") or {}).get("alerts", [])
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ByHand, Prometheus]]:
    served = ByHand(tmp_path_factory.mktemp("rpsd"), monitoring={"classic_metric_names": True, "symbol_label_limit": 2})
    served.start()
    prometheus = Prometheus(tmp_path_factory.mktemp("prometheus"), served.port)
    try:
        assert awaited(lambda: prometheus.value("up") == 1.0, 60)
        yield served, prometheus
    finally:
        prometheus.process.terminate()
        prometheus.process.wait(30)
        served.stop()


def test_the_rules_hold_their_own_tests() -> None:
    promtool = program("promtool", "prometheus")
    for arguments in (
        ["check", "config", "scrape.yml"], ["check", "rules", "rpsd.rules.yml"],
        ["test", "rules", "rpsd.rules.test.yml", "rpsd.days.test.yml"],
    ):  # fmt: skip
        done = subprocess.run([promtool, *arguments], cwd=SHIPPED, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_spoilt_rule_fails_them(tmp_path: Path) -> None:
    for file in SHIPPED.glob("rpsd.*.yml"):
        (tmp_path / file.name).write_text(file.read_text())
    rules = tmp_path / "rpsd.rules.yml"
    rules.write_text(rules.read_text().replace("rpsd_stale_models > 0", "rpsd_stale_models > 5"))
    command = [program("promtool", "prometheus"), "test", "rules", "rpsd.rules.test.yml"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120, check=False).returncode != 0


def test_the_metrics_are_free_of_lint(watched: tuple[ByHand, Prometheus]) -> None:
    served, _ = watched
    with urllib.request.urlopen(f"http://127.0.0.1:{served.port}/metrics", timeout=10) as answer:
        text = answer.read()
    own = b"".join(line for line in text.splitlines(keepends=True) if b"active_models_count" not in line)  # a classic name, as it was
    command = [program("promtool", "prometheus"), "check", "metrics"]
    done = subprocess.run(command, input=own, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_prometheus_has_the_rules_and_the_figures(watched: tuple[ByHand, Prometheus]) -> None:
    served, prometheus = watched
    loaded = [rule["name"] for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
    shipped = yaml.safe_load((SHIPPED / "rpsd.rules.yml").read_text())["groups"]
    assert sorted(loaded) == sorted(rule.get("alert") or rule["record"] for group in shipped for rule in group["rules"])
    assert awaited(lambda: not [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"] if rule["health"] != "ok"])
    body = json.dumps({"values": [1.0, 2.0, 1.5, 2.5] * 20}).encode()
    headers = {"X-API-Key": served.key, "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{served.port}/api/v1/denoise", body, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200
    assert awaited(lambda: (prometheus.value("sum(rpsd_denoise_points_total)") or 0) >= 80)
    assert awaited(lambda: prometheus.value("min(rpsd_slo_error_budget_ratio)") == 1.0), "set by the thread that judges the rules"
    assert awaited(lambda: (prometheus.value('http_requests_total{endpoint="/api/v1/denoise"}') or 0) >= 1), "classic names"


def test_an_alert_fires_and_ends(watched: tuple[ByHand, Prometheus]) -> None:
    served, prometheus = watched
    before = served.config.read_text()
    assert served.process is not None
    assert awaited(lambda: prometheus.value("rpsd_config_last_reload_successful") == 1.0)
    served.config.write_text(before.replace('"server"', '"sever"'))
    served.process.send_signal(1)
    assert awaited(lambda: "RpsdReloadFailed" in prometheus.firing(), 90), prometheus.ask("alerts")
    served.config.write_text(before)
    served.process.send_signal(1)
    assert awaited(lambda: "RpsdReloadFailed" not in prometheus.firing(), 30)


def test_a_target_that_is_gone_is_told(watched: tuple[ByHand, Prometheus]) -> None:
    served, prometheus = watched
    served.stop()
    assert awaited(lambda: prometheus.value("up") == 0.0)
    assert awaited(lambda: "RpsdDown" in prometheus.firing(), 90)
    served.start()
    assert awaited(lambda: "RpsdDown" not in prometheus.firing(), 30)
