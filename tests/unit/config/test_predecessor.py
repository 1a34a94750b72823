"""Environment files and settings of earlier systems, read as they meant them."""

import json
import re
from pathlib import Path

import pytest

from rpsd.config import read
from rpsd.config.document import parse, plain
from rpsd.config.predecessor import KEYS_FILE, MAPPED, NAMES, SECRET, SUPERSEDED, import_env, migrated, written
from rpsd.core.errors import BadConfig, InvalidRequest

EVERY = """
# as their guides show it
ENVIRONMENT=production
DEBUG=false
LOG_LEVEL=info
YFINANCE_RATE_LIMIT=60
ALPHA_VANTAGE_API_KEY=QX7K2M9PLANTED01
CACHE_TTL_SECONDS=1800   # half an hour
DEFAULT_REGIME_TYPE="4_state"
MODEL_RETRAIN_INTERVAL_HOURS=12
MAX_MODEL_AGE_DAYS=14
DATABASE_URL=postgresql://WHO@localhost:5432/x
REDIS_URL=redis://WHO@localhost:6379/0
PROMETHEUS_PORT=9090
GRAFANA_PORT=3000
ALERT_WEBHOOK_URL=https://alerts.example.com/hook
SECRET_KEY=planted-secret-key
API_KEY_REQUIRED=true
ALLOWED_HOSTS=localhost,127.0.0.1,box.example.com
VALID_API_KEYS=planted-first-0123456789abcdef0123,planted-second-0123456789abcdef01
API_SECRET_KEY=planted-third-0123456789abcdef0123
PORT=8080
WORKERS=4
DRIFT_INTERVAL_SECONDS=600
DEFAULT_FEATURE_VIEW=core_technical
JWT_SECRET=CHANGE_ME_planted
ALLOWED_ORIGINS=["https://desk.example.com"]
export TRUSTED_HOSTS='desk.example.com'
""".replace("WHO", "user:planted-word")  # no scanner shall take it for a real one

CONTRACT = """ENVIRONMENT DEBUG LOG_LEVEL YFINANCE_RATE_LIMIT ALPHA_VANTAGE_API_KEY CACHE_TTL_SECONDS DEFAULT_REGIME_TYPE
MODEL_RETRAIN_INTERVAL_HOURS MAX_MODEL_AGE_DAYS DATABASE_URL REDIS_URL PROMETHEUS_PORT GRAFANA_PORT ALERT_WEBHOOK_URL SECRET_KEY
API_KEY_REQUIRED ALLOWED_HOSTS VALID_API_KEYS API_SECRET_KEY PORT WORKERS DRIFT_INTERVAL_SECONDS DEFAULT_FEATURE_VIEW JWT_SECRET
ALLOWED_ORIGINS TRUSTED_HOSTS"""


def test_every_name_of_the_contract_is_known() -> None:
    contract = re.findall(r"\w+", CONTRACT)
    assert sorted(name.name for name in NAMES) == sorted(contract)
    assert {name.fate for name in NAMES} == {MAPPED, SECRET, SUPERSEDED}
    assert all(name.setting or name.why or name.file for name in NAMES)
    rows = import_env(EVERY, ".env").rows
    assert sorted(row["name"] for row in rows) == sorted(contract)


def test_what_is_mapped_reads_as_it_was_meant(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    imported = import_env(EVERY, ".env")
    file.write_text(written(imported, ".env", tmp_path / "secrets"))
    settings = read(file, {})
    assert (settings.monitoring.log_level, settings.performance.cache_ttl, settings.server.port) == ("INFO", 1800, 8080)
    assert (settings.regimes.default_regime_type, settings.regimes.retrain_interval, settings.regimes.max_model_age) == (
        "4_state",
        12 * 3600,
        14 * 86_400,
    )
    assert settings.server.allowed_hosts == ("localhost", "127.0.0.1", "box.example.com", "desk.example.com")
    assert settings.server.cors_origins == ("https://desk.example.com",)
    assert (settings.drift.interval, settings.features.default_view, settings.auth.required) == (600, "core_technical", True)
    assert [receiver.url for receiver in settings.alerts.webhooks] == ["https://alerts.example.com/hook"]


def test_a_source_in_the_comment_can_be_used_once_the_marks_are_out(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    lines = written(import_env(EVERY, ".env"), ".env", tmp_path).splitlines()
    file.write_text("\n".join(line.removeprefix("# ") for line in lines[lines.index("# sources:") :]))
    settings = read(file, {})
    assert (settings.sources["yahoo"].calls, settings.sources["yahoo"].per_seconds) == (60, 60)
    assert settings.sources["alpha_vantage"].key_file == str(tmp_path / "alpha_vantage.key")


def test_secrets_go_to_files_and_nowhere_else() -> None:
    imported = import_env(EVERY, ".env")
    text = written(imported, ".env", Path("/x")) + str(imported.rows)
    assert "planted" not in text.lower()
    assert imported.secrets["alpha_vantage.key"] == "QX7K2M9PLANTED01\n"
    assert imported.secrets[KEYS_FILE].splitlines() == [
        "planted-first-0123456789abcdef0123",
        "planted-second-0123456789abcdef01",
        "planted-third-0123456789abcdef0123",
    ]


def test_what_cannot_be_taken_over_is_named_with_its_line_and_without_its_value() -> None:
    with pytest.raises(InvalidRequest) as caught:
        import_env("PORT=planted\nDEFAULT_REGIME_TYPE=9_state\nno assignment\nTRUSTED_HOSTS=*\nALLOWED_ORIGINS=[1]\n", ".env")
    places = [fault.pointer for fault in caught.value.errors]
    assert sorted(places) == [f".env:{line}" for line in range(1, 6)]
    assert "planted" not in str(caught.value.errors)


@pytest.mark.parametrize(
    "text",
    [
        "ALLOWED_ORIGINS=" + "[" * 30_000, "PORT=" + "9" * 60_000, "PORT=\u0668\u0660", "PORT=80\0", "A=1\n" * 100_000,
        "ALERT_WEBHOOK_URL=${SECRET_KEY}", "ALERT_WEBHOOK_URL=$(id)", "ALERT_WEBHOOK_URL=https://h:" "planted@h/x", "LOG_LEVEL=planted",
        "DEFAULT_REGIME_TYPE=planted", "API_KEY_REQUIRED=planted", "CACHE_TTL_SECONDS=1e9", "planted planted",
    ],
    ids=range(13),
)  # fmt: skip
def test_hostile_lines_are_refused_in_words_without_their_values(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        import_env(text, ".env")
    assert "planted" not in f"{caught.value.detail} {caught.value.advice} {caught.value.errors}".lower()


@pytest.mark.parametrize("letter", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\r"])
def test_no_letter_but_the_line_feed_begins_a_line(letter: str) -> None:
    imported = import_env(f"DEBUG=x{letter}API_KEY_REQUIRED=false\r\nPORT=81\r\n", ".env")
    assert dict(imported.settings) == {"server.port": 81}


def test_values_stay_texts_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    hosts = ["a: {b}", "- c", "!!python/object:x", "&d", "#e", "'", '"']
    imported = import_env(f"ALLOWED_HOSTS={json.dumps(hosts)}\nDEFAULT_FEATURE_VIEW='x: !!y'\n", ".env")
    file.write_text(written(imported, "a\nserver: {port: 1}", tmp_path))
    assert parse(file.read_text(), "x")[1] == []
    assert plain(parse(file.read_text(), "x")[0]) == {"server": {"allowed_hosts": hosts}, "features": {"default_view": "x: !!y"}}


def test_a_name_of_nobody_is_listed_as_unknown_and_left_alone() -> None:
    rows = import_env("FOO=bar\n", ".env").rows
    assert [(row["name"], row["fate"]) for row in rows] == [("FOO", "unknown")]


THEIRS = """# Denoiser settings
denoiser:
  wavelet: db4   # the mother of them all
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

performance:
  max_workers: 4
  chunk_size: 1000
  cache_size: 1000

monitoring:
  metrics_port: 8000
  health_check_interval: 30
  log_level: INFO
"""


def test_migration_adds_what_was_silently_meant_and_keeps_every_line(tmp_path: Path) -> None:
    text, added = migrated(THEIRS, "old.yaml")
    assert added == ("denoiser.method: wavelet", "guardrails.policy: classic")
    assert [line for line in THEIRS.splitlines() if line not in text] == []
    file = tmp_path / "config.yaml"
    file.write_text(text)
    settings = read(file, {})
    assert (settings.denoiser.method, settings.guardrails.policy, settings.monitoring.health_check_interval) == ("wavelet", "classic", 30)
    assert migrated(text, "old.yaml") == (text, ())  # a second time there is nothing to add


HOSTILE = {
    "bomb": "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(8)
    ),
    "tag": "denoiser: !!python/object/apply:os.system ['id']\n",
    "deep": "a: " + "[" * 5000,
    "deep mapping": "\n".join(" " * n + "a:" for n in range(2000)),
    "nul": "denoiser:\0 {}",
    "two documents": "a: 1\n---\nb: 2\n",
    "alias": "denoiser: &d {level: 4}\nother: *d\n",
    "twice": "denoiser: {level: 4}\ndenoiser: {level: 5}\n",
    "json": '{"denoiser": {"level": 4}}',
    "list": "- a\n",
    "end": "denoiser:\n  level: 4\n...\n",
}  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_migration_of_a_hostile_file_is_refused_in_words(text: str) -> None:
    with pytest.raises(BadConfig) as caught:
        migrated(text, "old.yaml")
    assert caught.value.detail.startswith("old.yaml")


def test_migration_of_an_empty_or_broken_file() -> None:
    text, _ = migrated("", "old.yaml")
    assert parse(text, "x")[1] == []
    with pytest.raises(BadConfig):
        migrated("denoiser: 7\n", "old.yaml")
    assert migrated("denoiser: {method: fir}\n", "old.yaml")[1] == ("guardrails.policy: classic",)
