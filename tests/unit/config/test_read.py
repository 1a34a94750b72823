"""Settings from defaults, file, environment and flags."""

from pathlib import Path

import pytest

from rpsd.config import Settings, read, reload, unused
from rpsd.config.entries import entries, value
from rpsd.config.kinds import Rate
from rpsd.core.errors import BadConfig, UnknownFile
from rpsd.jobs.schedule import parse

# the documented file of the system that rpsd replaces, word for word
PREDECESSOR = """\
# Denoiser settings
denoiser:
  wavelet: db4
  level: 4
  threshold_mode: bayes
  use_fir_filter: true
  fir_cutoff: 0.1

# Guardrail thresholds
guardrails:
  correlation_threshold: 0.85
  rmse_threshold: 0.5
  trend_threshold: 0.90
  power_threshold: 0.95

# Performance settings
performance:
  max_workers: 4
  chunk_size: 1000
  cache_size: 1000

# Monitoring settings
monitoring:
  metrics_port: 8000
  health_check_interval: 30
  log_level: INFO
"""


def write(directory: Path, text: str) -> Path:
    file = directory / "config.yaml"
    file.write_text(text)
    return file


def refusal(directory: Path, text: str) -> list[tuple[str, str]]:
    """Faults of a file, their places without the directory."""
    with pytest.raises(BadConfig) as caught:
        read(write(directory, text), {})
    return [(fault.pointer.removeprefix(f"{directory}/"), fault.reason) for fault in caught.value.errors]


def test_the_documented_file_of_the_predecessor_is_taken_as_it_is(tmp_path: Path) -> None:
    settings = read(write(tmp_path, PREDECESSOR), {})
    assert settings.performance.max_workers == 4
    assert settings.monitoring.health_check_interval == 30.0
    assert settings.denoiser.method == "auto"  # nothing is inferred from what a file leaves out
    assert unused(settings) == []  # every line of it has its effect


def test_later_sources_win(tmp_path: Path) -> None:
    file = write(tmp_path, "server: {port: 1}\nmonitoring: {log_level: ERROR}\n")
    environ = {"RPSD_SERVER__PORT": "2", "RPSD_LOG_LEVEL": "DEBUG"}
    assert read(file, {}).server.port == 1
    assert read(file, environ).server.port == 2
    settings = read(file, environ, {"server.port": 3, "server.host": None})
    assert (settings.server.port, settings.monitoring.log_level) == (3, "DEBUG")
    assert settings.origin["server.port"] == "flag --port"
    assert settings.origin["monitoring.log_level"] == "environment RPSD_LOG_LEVEL"
    assert read(file, {}).origin["server.port"] == f"{file}:1:10"


def test_the_seven_classic_names() -> None:
    environ = {
        "RPSD_DATA_DIR": "/d",
        "RPSD_LOG_LEVEL": "WARNING",
        "RPSD_CACHE_DIR": "/c",
        "RPSD_MAX_WORKERS": "4",
        "RPSD_CHUNK_SIZE": "50",
        "RPSD_METRICS_PORT": "9100",
        "RPSD_HEALTH_CHECK_INTERVAL": "10",
    }
    settings = read(environ=environ | {"HOME": "/nonexistent"})
    assert (settings.storage.data_dir, settings.storage.cache_dir) == (Path("/d"), Path("/c"))
    assert (settings.performance.max_workers, settings.performance.chunk_size) == (4, 50)
    assert (settings.monitoring.metrics_port, settings.monitoring.health_check_interval) == (9100, 10.0)
    assert settings.monitoring.log_level == "WARNING"


def test_a_full_name_wins_over_a_classic_one() -> None:
    settings = read(environ={"RPSD_DATA_DIR": "/old", "RPSD_STORAGE__DATA_DIR": "/new", "HOME": "/nonexistent"})
    assert settings.storage.data_dir == Path("/new")


def test_everything_lies_below_a_data_dir_that_alone_is_set() -> None:
    settings = read(environ={"RPSD_DATA_DIR": "/d", "HOME": "/nonexistent"})
    found = (
        settings.storage.cache_dir,
        settings.storage.secrets_dir,
        settings.inbox.dir,
        settings.backup.dir,
        settings.server.admin_socket,
        settings.server.outbound_socket,
    )
    assert found == tuple(Path("/d") / name for name in ("cache", "secrets", "inbox", "backups", "admin.sock", "outbound.sock"))
    kept = read(environ={"RPSD_DATA_DIR": "/d", "RPSD_BACKUP__DIR": "/b", "HOME": "/nonexistent"})
    assert kept.backup.dir == Path("/b")
    assert settings.origin["backup.dir"] == "follows storage.data_dir"


def test_the_metrics_port_follows_the_port() -> None:
    assert read(environ={"RPSD_SERVER__PORT": "9000", "HOME": "/nonexistent"}).monitoring.metrics_port == 9000


def test_every_fault_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    text = "denoiser:\n  levle: 3\n  level: four\nprot: 1\nport: 2\nserver:\n  port: 99999\nguardrails: 3\n"
    assert refusal(tmp_path, text) == [
        ("config.yaml:2:3", "denoiser.levle: unknown setting; did you mean denoiser.level?"),
        ("config.yaml:4:1", "prot: unknown setting"),
        ("config.yaml:5:1", "port: unknown setting; did you mean server.port?"),
        ("config.yaml:8:1", "guardrails: expected settings below it, got a value"),
        ("config.yaml:3:3", "denoiser.level: expected an integer, got text; auto is allowed too"),
        ("config.yaml:7:3", "server.port: expected 0 to 65535, got 99999"),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("server: {port: 1, port: 2}", "port: stands here a second time; keep one"),
        ("server: !!python/object:os.system {}", "the tag tag:yaml.org,2002:python/object:os.system is not allowed; write plain values"),
        ("server: {host: !secret x}", "the tag !secret is not allowed; write plain values"),
        ("server:\n  port: 1\n---\nserver: {}\n", "a second document; keep one"),
        ("server: " + "[" * 40 + "]" * 40, "deeper than 32 levels"),
        ("[a, b]", "expected sections"),
        ("server: {port: 1", "did not find expected ',' or '}'"),
    ],
)
def test_forms_that_are_refused(tmp_path: Path, text: str, reason: str) -> None:
    assert refusal(tmp_path, text)[0][1] == reason


def test_an_alias_bomb_is_bounded(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert refusal(tmp_path, "\n".join(lines))[0][1].startswith("deeper than 32 levels or more than")


def test_times_of_day_without_quotes_are_times(tmp_path: Path) -> None:
    settings = read(write(tmp_path, "jobs: {retrain: 02:30, backup: sun 4:00, upkeep: 15m}\n"), {})
    assert (settings.jobs.retrain, settings.jobs.backup, settings.jobs.upkeep) == ("02:30", "Sun 04:00", "15m")


@pytest.mark.parametrize(
    ("name", "written", "expected"),
    [
        ("server.keepalive", "90", 90.0),
        ("server.keepalive", "1.5m", 90.0),
        ("regimes.train_window", "2y", 730 * 86400.0),
        ("server.max_body_bytes", "1KiB", 1024),
        ("server.max_body_bytes", "2048", 2048),
        ("limits.train", "20/s", Rate(20, 1.0)),
        ("performance.max_workers", "auto", None),
        ("server.tls_cert", "null", None),
        ("server.allowed_hosts", "a.lan, b.lan", ("a.lan", "b.lan")),
        ("server.allowed_hosts", "[a.lan]", ("a.lan",)),
        ("auth.required", "false", False),
        ("models.promotion.min_heldout_gain_nats", "0.01", 0.01),
        ("monitoring.slo.predict_p99", "20ms", 0.02),
        ("guardrails.policy", "classic", "classic"),
    ],
)
def test_values_as_text(name: str, written: str, expected: object) -> None:
    variable = "RPSD_" + name.upper().replace(".", "__")
    assert value(read(environ={variable: written, "HOME": "/nonexistent"}), name) == expected


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("server.keepalive", "soon"),
        ("server.keepalive", "-1"),
        ("server.max_body_bytes", "many"),
        ("limits.train", "fast"),
        ("jobs.retrain", "25:00"),
        ("jobs.retrain", "Someday 04:00"),
        ("jobs.timezone", "Mars/Olympus"),
        ("server.trusted_proxies", "[here]"),
        ("guardrails.policy", "strict"),
        ("denoiser.fir_cutoff", ".inf"),
        ("drift.psi", "[0.3, 0.2, 0.1]"),
        ("compute.scheduler", "dask"),
        ("auth.required", "maybe"),
    ],
)
def test_values_that_do_not_fit(name: str, written: str) -> None:
    variable = "RPSD_" + name.upper().replace(".", "__")
    with pytest.raises(BadConfig) as caught:
        read(environ={variable: written, "HOME": "/nonexistent"})
    assert caught.value.errors[0].pointer == f"environment {variable}"


@pytest.mark.parametrize("variable", ["RPSD_SERVER__PROT", "RPSD_DATADIR"])
def test_misspelt_variables_are_faults(variable: str) -> None:
    with pytest.raises(BadConfig, match="did you mean"):
        read(environ={variable: "1", "HOME": "/nonexistent"})


def test_where_the_file_is_found(tmp_path: Path) -> None:
    named, home = write(tmp_path, "server: {port: 1}\n"), tmp_path / "home"
    (home / ".rpsd").mkdir(parents=True)
    write(home / ".rpsd", "server: {port: 2}\n")
    assert read(environ={"HOME": str(home)}).server.port == 2
    assert read(environ={"HOME": str(home), "RPSD_CONFIG": str(named)}).server.port == 1
    with pytest.raises(UnknownFile):
        read(tmp_path / "gone.yaml", {})


def test_an_empty_file_means_defaults(tmp_path: Path) -> None:
    settings = read(write(tmp_path, "# nothing\n"), {})
    assert all(value(settings, entry.name) == value(Settings(), entry.name) for entry in entries())


def test_a_reload_applies_what_is_live_and_names_the_rest(tmp_path: Path) -> None:
    file = write(tmp_path, "monitoring: {log_level: INFO}\n")
    current = read(file, {})
    write(tmp_path, "monitoring: {log_level: DEBUG}\nserver: {port: 9}\n")
    outcome = reload(current, {})
    assert (outcome.applied, outcome.pending) == (("monitoring.log_level",), ("server.port", "monitoring.metrics_port"))
    assert (outcome.settings.monitoring.log_level, outcome.settings.server.port) == ("DEBUG", 8000)
    port = ("server.port", "8000", "9")
    assert list(outcome.changes) == [port, ("monitoring.metrics_port", "8000", "9"), ("monitoring.log_level", "INFO", "DEBUG")]


def test_the_changes_of_a_reload_hold_no_secret_and_no_long_list(tmp_path: Path) -> None:
    file = write(tmp_path, "alerts: {webhooks: ['https://hooks.example.org/first-token']}\n")
    current = read(file, {})
    origins = [f"https://desk{number}.example.org" for number in range(50)]
    write(tmp_path, f"alerts: {{webhooks: ['https://hooks.example.org/second-token']}}\nserver: {{cors_origins: {origins}}}\n")
    told = {name: (before, after) for name, before, after in reload(current, {}).changes}
    assert told["alerts.webhooks"] == ("(set)", "(set)")
    assert len(told["server.cors_origins"][1]) == 201
    assert "token" not in str(told)


def test_a_broken_file_keeps_the_old_settings(tmp_path: Path) -> None:
    file = write(tmp_path, "monitoring: {log_level: DEBUG}\n")
    current = read(file, {})
    write(tmp_path, "monitoring: {log_level: LOUD}\n")
    outcome = reload(current, {})
    assert outcome.settings is current
    assert isinstance(outcome.error, BadConfig)


def test_settings_of_rooms_not_yet_built_are_named(tmp_path: Path) -> None:
    settings = read(write(tmp_path, "compute: {scheduler: 'tcp://10.0.0.5:8786'}\nserver: {port: 1}\nlimits: {read: 5/min}\n"), {})
    assert dict(unused(settings)) == {"compute.scheduler": "cluster"}


@pytest.mark.parametrize(
    "written",
    ["02:30", "sun 04:00", "15m", "1500ms", 900, 1_000_000, 1.5, "2 h", "30 2 * * 1-5", "*/5 9-17 1,15 jan-mar mon", "0 0 * * 7"],
)
def test_what_the_settings_take_as_a_schedule_the_scheduler_can_read(written: object) -> None:
    settings = read(flags={"jobs.retrain": written}, environ={})
    parse(settings.jobs.retrain)


@pytest.mark.parametrize(
    "written", ["60 2 * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "5-1 * * * *", "*/0 * * * *", "* * * *", "a b c d e"]
)
def test_what_is_no_schedule_is_refused_at_the_settings(written: str) -> None:
    with pytest.raises(BadConfig, match="five cron fields"):
        read(flags={"jobs.retrain": written}, environ={})


def test_a_level_may_be_a_number_or_auto(tmp_path: Path) -> None:
    assert read(write(tmp_path, "denoiser: {level: auto}\n"), {}).denoiser.level == "auto"
    assert read(write(tmp_path, "denoiser: {level: 7}\n"), {}).denoiser.level == 7
    assert read(write(tmp_path, "{}\n"), {"RPSD_DENOISER__LEVEL": "auto"}).denoiser.level == "auto"
    assert refusal(tmp_path, "denoiser: {level: 21}\n") == [
        ("config.yaml:1:12", "denoiser.level: expected 1 to 20, got 21; auto is allowed too")
    ]
