"""Alerting: each default rule is raised by what it tells of and resolved by its end; rules of one's own; objectives and budgets."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rpsd.config import read
from rpsd.config.alert_rules import parse_condition
from rpsd.core.market import DAY_NS, SECOND_NS
from rpsd.services.alert import ALERTS
from rpsd.services.alerting import service as module
from rpsd.services.alerting.defaults import default_rules
from rpsd.services.alerting.look import Look, quantile
from rpsd.services.alerting.service import TICK_SECONDS, AlertingService
from rpsd.services.alerting.switches import Switches
from rpsd.services.alerting.trail import Trail
from rpsd.services.wiring import Services, open_services
from rpsd.telemetry import Metrics
from tests.conftest import Clock


class Watching:
    """Alerting on a clock that the test turns."""

    def __init__(self, services: Services, clock: Clock, record: Path) -> None:
        self.services, self.metrics, self.clock, self.record = services, services.metrics, clock, record
        self.alerting = self.begun()
        services.metrics.backup_last_success_timestamp_seconds.set(clock.now_ns / SECOND_NS)
        for gauge in (services.metrics.system_cpu_ratio, services.metrics.system_memory_ratio, services.metrics.disk_used_ratio):
            gauge.set(0.1)  # whatever the machine of the test is doing

    def begun(self) -> AlertingService:
        services = self.services
        return AlertingService(services.settings, services.database, self.metrics, services.alert, self.clock, Switches(self.record))

    def turn(self, minutes: float, meanwhile: Callable[[], None] = lambda: None) -> set[tuple[str, str]]:
        """Let the time pass, look by look; the alerts that are active then."""
        for _ in range(round(minutes * 60 / TICK_SECONDS)):
            meanwhile()
            self.clock.now_ns += int(TICK_SECONDS * SECOND_NS)
            self.alerting.tick()
        return self.active()

    def active(self) -> set[tuple[str, str]]:
        return {(one["name"], one["subject"]) for one in self.services.alert.active()}

    def request(self, status: int = 200, seconds: float = 0.01, route: str = "/api/v1/predict") -> None:
        self.metrics.http_requests_total.labels("POST", route, str(status)).inc()
        self.metrics.http_request_duration_seconds.labels("POST", route).observe(seconds)


@pytest.fixture
def watching(services: Services, clock: Clock, tmp_path: Path) -> Watching:
    return Watching(services, clock, tmp_path / "switches.jsonl")


def test_server_errors_are_raised_and_resolved(watching: Watching) -> None:
    def healthy() -> None:
        for _ in range(10):
            watching.request()

    assert watching.turn(10, healthy) == set()
    assert watching.turn(1, lambda: watching.request(500)) >= {("http_errors", "api")}
    assert ("http_errors", "api") not in watching.turn(6, healthy)


def test_a_few_failures_of_a_quiet_night_raise_nothing(watching: Watching) -> None:
    watching.turn(6)
    watching.request(500)
    assert watching.turn(6) == set()


def test_failures_of_probes_do_not_count(watching: Watching) -> None:
    def probed() -> None:
        for route in ("/health", "/api/v1/health/ready", "/metrics"):
            for _ in range(10):
                watching.request(503, route=route)

    assert watching.turn(6, probed) == set()


def test_slow_answers_need_two_windows(watching: Watching) -> None:
    def slow() -> None:
        for _ in range(4):
            watching.request(seconds=0.4)

    watching.turn(11, watching.request)
    name = ("slow_requests", "api")
    assert name not in watching.turn(5, slow)
    assert name in watching.turn(5.25, slow)
    assert name not in watching.turn(11, watching.request)


def test_a_route_that_takes_as_long_as_it_is_asked_to_is_left_out(watching: Watching) -> None:
    for route in ("/api/v1/detect-regimes", "/api/v1/series/{symbol:str}/{interval:str}/samples"):
        assert watching.turn(12, lambda route=route: [watching.request(seconds=3, route=route) for _ in range(5)]) == set()  # type: ignore[misc]


@pytest.mark.parametrize("name", ["cpu", "memory", "disk"])
def test_a_strained_resource_is_raised_after_five_minutes(watching: Watching, name: str) -> None:
    gauge = getattr(watching.metrics, "disk_used_ratio" if name == "disk" else f"system_{name}_ratio")
    gauge.set(0.95)
    assert watching.turn(4.75) == set()
    assert watching.turn(0.5) == {("resource_high", name)}
    gauge.set(0.5)
    assert watching.turn(0.25) == set()


def test_a_backup_that_is_old_or_was_never_made(watching: Watching) -> None:
    watching.clock.now_ns += 25 * 3600 * SECOND_NS
    assert watching.turn(1) == set()
    watching.clock.now_ns += 3600 * SECOND_NS
    assert watching.turn(1) == {("backup_old", "backup")}
    watching.metrics.backup_last_success_timestamp_seconds.set(watching.clock.now_ns / SECOND_NS)
    assert watching.turn(0.25) == set()
    watching.metrics.backup_last_success_timestamp_seconds.set(0)  # never: then the age is that of the process
    watching.clock.now_ns += 3600 * SECOND_NS
    assert watching.turn(0.25) == {("backup_old", "backup")}


def test_stale_models_and_a_certificate_that_ends(watching: Watching) -> None:
    watching.metrics.stale_models.set(2)
    watching.metrics.tls_certificate_expiry_timestamp_seconds.set((watching.clock.now_ns + 13 * DAY_NS) / SECOND_NS)
    assert watching.turn(0.25) == {("model_old", "models"), ("certificate_expiring", "certificate")}
    watching.metrics.stale_models.set(0)
    watching.metrics.tls_certificate_expiry_timestamp_seconds.set((watching.clock.now_ns + 90 * DAY_NS) / SECOND_NS)
    assert watching.turn(0.25) == set()


def test_an_upgrade_that_was_rolled_back(watching: Watching) -> None:
    line = {"time": "2026-01-01T00:00:00Z", "from": "1.0.0", "to": "1.1.0", "outcome": "rolled_back", "reason": "not ready within 15 s"}
    watching.record.write_text(json.dumps(line) + "\n" + '{"torn')
    assert watching.turn(0.5) == {("upgrade_rolled_back", "release")}
    assert "1.1.0" in watching.services.alert.active()[0]["detail"]
    assert watching.metrics.upgrade_rollbacks_total.collect()[0].samples[0].value == 1
    with watching.record.open("a") as file:
        file.write("\n" + json.dumps(line | {"outcome": "kept"}) + "\n")
    assert watching.turn(0.25) == set()
    assert watching.metrics.upgrade_rollbacks_total.collect()[0].samples[0].value == 1


def test_what_an_earlier_process_raised_ends_with_its_cause(watching: Watching) -> None:
    watching.services.alert.raise_("resource_high", "disk", "MEDIUM", "of an earlier process")
    watching.services.alert.raise_("rule", "gone", "LOW", "of a rule that is no more")
    watching.services.alert.raise_("drift", "regime:X:1d:3_state", "HIGH", "not of rules")
    watching.alerting = watching.begun()
    assert watching.active() == {("resource_high", "disk"), ("drift", "regime:X:1d:3_state")}
    assert watching.turn(0.25) == {("drift", "regime:X:1d:3_state")}


def test_too_early_to_tell_leaves_an_alert_as_it_is(watching: Watching) -> None:
    watching.services.alert.raise_("http_errors", "api", "HIGH", "of an earlier process")
    watching.alerting = watching.begun()
    assert watching.turn(2) == {("http_errors", "api")}
    assert watching.turn(4) == set()


def test_an_alert_that_goes_on_is_said_again_each_hour_and_not_each_look(watching: Watching) -> None:
    watching.metrics.stale_models.set(1)
    watching.turn(59)
    assert watching.services.alert.active()[0]["count"] == 1
    watching.turn(2)
    assert watching.services.alert.active()[0]["count"] == 2


def test_a_rule_that_fails_stops_no_other(watching: Watching, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> bool:
        raise ZeroDivisionError

    first = watching.alerting._judges[0]
    monkeypatch.setattr(first, "holds", broken)
    watching.metrics.stale_models.set(1)
    assert watching.turn(0.25) == {("model_old", "models")}


def test_every_ruled_alert_is_known(watching: Watching) -> None:
    assert set(module._RULED) <= set(ALERTS)
    assert {rule.alert for rule in default_rules(watching.services.settings)} <= set(module._RULED)


@pytest.fixture
def ruled(tmp_path: Path, clock: Clock) -> Iterator[Callable[[str], Watching]]:
    opened: list[Services] = []

    def of(text: str) -> Watching:
        file = tmp_path / "config.yaml"
        file.write_text(f"storage: {{data_dir: {tmp_path / 'data'}, min_free_bytes: 1MiB}}\n{text}")
        opened.append(open_services(read(file, environ={}), clock=clock, worker=False))
        return Watching(opened[-1], clock, tmp_path / "switches.jsonl")

    yield of
    for services in opened:
        services.close()


def test_a_rule_of_ones_own_alone_and_beside_the_default_ones(ruled: Callable[[str], Watching]) -> None:
    text = "alerts:\n  rules:\n    - {name: crowd, when: 'sum(rpsd_ws_connections) > 2 for 1m', severity: LOW}\n"
    watching = ruled(text)
    watching.metrics.stale_models.set(1)
    watching.metrics.ws_connections.labels("websocket").set(3)
    assert watching.turn(2) == {("rule", "crowd")}
    watching.services.close()
    watching = ruled(text.replace("rules:\n", "rules:\n    - default\n"))
    watching.metrics.stale_models.set(1)
    watching.metrics.ws_connections.labels("websocket").set(3)
    assert watching.turn(2) == {("rule", "crowd"), ("model_old", "models")}


def test_a_rule_with_the_name_of_a_default_one_stands_in_its_place(ruled: Callable[[str], Watching]) -> None:
    when = "age(rpsd_backup_last_success_timestamp_seconds) > 8d"
    watching = ruled(f"alerts: {{rules: [default, {{name: backup_old, when: '{when}'}}]}}\n")
    watching.clock.now_ns += 7 * DAY_NS
    assert watching.turn(1) == set()
    watching.clock.now_ns += 2 * DAY_NS
    assert watching.turn(1) == {("rule", "backup_old")}


def test_a_source_that_is_late(ruled: Callable[[str], Watching]) -> None:
    watching = ruled("sources: {coins: {kind: binance, symbols: [BTCUSDT], interval: 1m}, prices: {kind: stooq, symbols: [AAPL.US]}}\n")
    watching.metrics.source_freshness_seconds.labels("coins").set(3500)
    watching.metrics.source_freshness_seconds.labels("prices").set(4 * 86_400)
    assert watching.turn(0.25) == set()
    watching.metrics.source_freshness_seconds.labels("coins").set(3700)
    assert watching.turn(0.25) == {("source_stale", "coins")}
    watching.metrics.source_freshness_seconds.labels("prices").set(8 * 86_400)
    assert watching.turn(0.25) == {("source_stale", "coins"), ("source_stale", "prices")}


def burn(watching: Watching, slo: str, window: str) -> float:
    return next(
        sample.value
        for sample in watching.metrics.samples("rpsd_slo_burn_rate")
        if sample.labels == {"slo": slo, "window": window}
    )  # fmt: skip


def left(watching: Watching, slo: str) -> float:
    return next(sample.value for sample in watching.metrics.samples("rpsd_slo_error_budget_ratio") if sample.labels == {"slo": slo})


def test_a_fast_burn_of_availability_is_grave_and_a_slow_one_less_so(watching: Watching) -> None:
    """The objective allows 1 in 1000: 2 % burns at 20 times, 1 in 125 at 8 times."""

    def served(bad: int, of: int) -> Callable[[], None]:
        def serve() -> None:
            watching.metrics.http_requests_total.labels("POST", "/predict", "500").inc(bad)
            watching.metrics.http_requests_total.labels("POST", "/predict", "200").inc(of - bad)

        return serve

    fast, slow = ("slo_burn", "availability:fast"), ("slo_burn", "availability:slow")
    watching.turn(60, served(0, 1000))
    assert left(watching, "availability") == 1.0
    assert watching.turn(60, served(20, 1000)) >= {fast, slow}
    assert burn(watching, "availability", "1h") == pytest.approx(20.0)
    assert not watching.turn(400, served(0, 1000)) & {fast, slow}
    found = watching.turn(400, served(8, 1000))
    assert slow in found
    assert fast not in found


def test_predictions_and_fresh_detections_have_objectives_of_their_own(watching: Watching) -> None:
    def slow() -> None:
        watching.metrics.detect_fresh_seconds.observe(2.4)
        watching.request(seconds=0.06, route="/predict")

    assert watching.turn(61, slow) >= {("slo_burn", "predict_p99:fast"), ("slo_burn", "detect_fresh_p99:fast")}
    assert burn(watching, "predict_p99", "5m") == pytest.approx(100.0)

    watching.metrics.detect_fresh_seconds.observe(1.9)
    watching.turn(0.25)
    assert burn(watching, "detect_fresh_p99", "6h") < 100.0


def test_an_objective_between_the_usual_bounds_is_counted_exactly(ruled: Callable[[str], Watching]) -> None:
    watching = ruled("monitoring: {slo: {predict_p99: 37ms}}\n")
    for seconds in (0.036, 0.036, 0.038):
        watching.request(seconds=seconds)
    watching.turn(0.25)
    assert burn(watching, "predict_p99", "5m") == pytest.approx((1 / 3) / 0.01)


def test_budgets_outlive_a_restart_and_end_after_thirty_days(watching: Watching) -> None:
    watching.metrics.http_requests_total.labels("POST", "/predict", "500").inc(5)
    watching.metrics.http_requests_total.labels("POST", "/predict", "200").inc(9995)
    watching.turn(6)
    assert left(watching, "availability") == pytest.approx(0.5)
    watching.metrics = watching.services.metrics = Metrics()
    watching.alerting = watching.begun()
    assert left(watching, "availability") == pytest.approx(0.5)
    watching.clock.now_ns += 31 * DAY_NS
    watching.turn(0.25)
    assert left(watching, "availability") == 1.0


def test_a_trail_thins_out_and_still_tells_its_growth() -> None:
    trail = Trail(7 * 86_400.0, 0.0)
    for n in range(0, 8 * 86_400, 15):
        trail.add(float(n), (float(n),))
    assert len(trail._looks) < 2500
    end = 8 * 86_400.0 - 15
    assert trail.growth(end - 7 * 86_400, end)[0] == pytest.approx(7 * 86_400, rel=0.002)
    assert Trail(60.0, 0.0).growth(0.0, 1.0) == ()


def test_a_quantile_of_buckets() -> None:
    infinite = float("inf")
    assert quantile(0.99, (0.1, 0.2, infinite), (0.0, 100.0, 100.0)) == pytest.approx(0.199)
    assert quantile(0.99, (0.1, infinite), (10.0, 100.0)) == 0.1
    assert quantile(0.5, (0.1, infinite), (10.0, 10.0)) == pytest.approx(0.05)


def test_the_functions_of_the_moment(watching: Watching) -> None:
    from rpsd.core.alert_rule import AlertRule
    from rpsd.services.alerting.judging import Judge

    gauge = watching.metrics.ws_connections
    gauge.labels("websocket").set(3)
    gauge.labels("events").set(4)
    look = Look(watching.metrics, 1000.0)
    for when, held in (
        ("max(rpsd_ws_connections) > 3", True), ("min(rpsd_ws_connections) < 3", False), ("sum(rpsd_ws_connections) > 6.5", True),
        ("sum(rpsd_ws_connections{kind=events}) > 6.5", False), ("max(rpsd_circuit_breaker_state) > -1", False),
    ):  # fmt: skip
        rule = AlertRule("r", "rule", "r", "LOW", parse_condition(when), "{value}")
        assert Judge(rule, 0.0).holds(look) is held, when


@pytest.mark.parametrize("seconds", [-3600, -86_400 * 400, 3600, 86_400 * 400])
def test_a_clock_that_is_set_raises_nothing_and_forgets_nothing(
    watching: Watching, seconds: int, capfd: pytest.CaptureFixture[str]
) -> None:
    def served() -> None:
        for status in (200,) * 50 + (500,) * 5:
            watching.request(status)

    watching.turn(10, lambda: [watching.request() for _ in range(50)])  # type: ignore[misc]
    capfd.readouterr()
    watching.clock.now_ns += seconds * SECOND_NS
    raised = watching.turn(0.5, lambda: [watching.request() for _ in range(50)])  # type: ignore[misc]
    assert raised <= {("backup_old", "backup")}, "a backup may seem old"
    assert watching.turn(6, served) >= {("http_errors", "api")}
    assert "could not be judged" not in capfd.readouterr().out
    watching.services.alert.resolve("http_errors", "api")  # by hand: it is raised anew within the hour
    assert watching.turn(61, served) >= {("http_errors", "api")}


def test_a_clock_that_was_wrong_for_a_while_leaves_no_day_in_the_budget(watching: Watching) -> None:
    for step in (400, -400):
        watching.clock.now_ns += step * DAY_NS
        watching.metrics.http_requests_total.labels("POST", "/predict", "500").inc(5)
        watching.turn(6)
    watching.clock.now_ns += 31 * DAY_NS
    watching.turn(0.25)
    assert left(watching, "availability") == 1.0


def test_budgets_that_cannot_be_read_begin_anew(watching: Watching) -> None:
    from rpsd.store import setting

    for stored in ([1], {"availability": 7}, {"availability": {"x": [1, 2]}}, {"availability": {"20000": [1]}}):
        watching.services.database.write(lambda c, stored=stored: setting.put(c, "slo_budgets", stored)).result()
        watching.alerting = watching.begun()
        watching.turn(0.25)
        assert left(watching, "availability") == 1.0


def test_what_says_nan_says_nothing(ruled: Callable[[str], Watching]) -> None:
    watching = ruled("alerts: {rules: [{name: many, when: 'max(rpsd_ws_connections) > 3'}]}\n")
    watching.metrics.ws_connections.labels("websocket").set(float("nan"))
    watching.metrics.ws_connections.labels("events").set(4)
    assert watching.turn(0.5) == {("rule", "many")}
