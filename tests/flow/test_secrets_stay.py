"""Every kind of secret is planted on a box that serves, and looked for in all that leaves it: backups, bundles, logs, answers, settings."""

import gzip
import json
from pathlib import Path

import pytest

from tests.fault.victim import Victim, victim

RANDOM = "Zq7Wv3Xk9Lm2Rt8Yp4Bn6Cd1Fg5Hj0Sa"


def planted(directory: Path) -> dict[str, str]:
    """Secrets by kind; the files that hold them, and settings that name those, lie in the directory afterwards."""
    words = {kind: f"{kind}{RANDOM}" for kind in ("webhook", "vendor", "slack", "query", "offsite")}
    for kind in ("webhook", "vendor"):
        (directory / kind).write_text(words[kind] + "\n")
        (directory / kind).chmod(0o600)
    (directory / "c.yaml").write_text(f"""
alerts:
  webhooks:
    - {{url: "http://127.0.0.1:9/hook", private: [127.0.0.0/8], secret_file: {directory / "webhook"}}}
    - {{url: "http://127.0.0.1:9/services/T0/B0/{words["slack"]}", private: [127.0.0.0/8], format: slack}}
sources:
  alpha_vantage: {{key_file: {directory / "vendor"}, symbols: [AAPL]}}
  desk:
    kind: http_csv
    url: "http://127.0.0.1:9/{{symbol}}.csv?token={words["query"]}"
    private: true
    symbols: [GOLD]
backup:
  offsite:
    command: ["/bin/false", "--password={words["offsite"]}", "{{file}}"]
""")
    return words


def used(server: Victim, words: dict[str, str]) -> None:
    """Whatever touches them: requests with a good and a bad key, a token, fetches, messages and copies that fail, a reload."""
    words["admin key"] = server.key.rpartition("_")[2]
    words["new key"] = server.json("POST", "/api/v1/admin/keys", {"name": "n", "scopes": ["read"]})["key"].rpartition("_")[2]
    words["token"] = server.json("POST", "/api/v1/auth/token", {})["token"].rpartition(".")[2]
    words["wrong key"] = f"rpsd_abcdefgh_{RANDOM}"
    server.ask("GET", "/api/v1/series", headers={"X-API-Key": words["wrong key"]})
    server.ask("GET", f"/api/v1/series?key={words['wrong key']}")
    server.ask("POST", "/api/v1/admin/alerts/test", {})
    for name in ("fetch", "offsite"):
        server.command("jobs", "run", name, "--json")
    server.command("fetch", "desk", "--json")
    for file in sorted((server.data / "secrets").rglob("*")):
        if file.is_file() and len(content := file.read_bytes()) >= 16:
            words[f"file {file.name}"] = content.strip().decode("latin-1")


def test_no_secret_leaves_the_box(tmp_path: Path) -> None:
    words = planted(tmp_path)
    log = tmp_path / "rpsd.log"
    with victim(
        tmp_path / "server", CONFIG=str(tmp_path / "c.yaml"), MONITORING__LOG_FILE=str(log), MONITORING__LOG_LEVEL="DEBUG"
    ) as server:
        server.start()
        used(server, words)
        made = json.loads(server.command("backup", "create", "--json").stdout)["path"]
        bundle = tmp_path / "b.tar.gz"
        said = server.command("doctor", "--bundle", str(bundle), "--json")
        assert bundle.is_file(), said.stderr
        left: dict[str, bytes] = {
            "backup": Path(made).read_bytes(),
            "bundle": gzip.decompress(bundle.read_bytes()),
            "log file": log.read_bytes() if log.exists() else b"",
            "output": server.log.read_bytes(),
        }
        for path in ("/api/v1/admin/config", "/api/v1/admin/audit", "/api/v1/health", "/metrics", "/api/v1/jobs", "/api/v1/admin/alerts",
                     "/api/v1/admin/doctor", "/api/v1/admin/keys"):  # fmt: skip
            left[path] = server.ask("GET", path)[1]
        for command in (("config", "show"), ("doctor",), ("health",), ("audit", "list"), ("jobs", "list"), ("keys", "list")):
            done = server.command(*command, "--json")
            left[" ".join(command)] = done.stdout + done.stderr
        server.stop()
        left["output"] = server.log.read_bytes()
    found = {(kind, place) for kind, word in words.items() for place, content in left.items() if word.encode("latin-1") in content}
    assert not found
    assert b"backup.offsite.encrypt_to" in left["config show"], "the settings were read at all"


@pytest.mark.parametrize("kind", ["webhook", "slack", "query", "offsite"])
def test_the_search_finds_what_is_there(tmp_path: Path, kind: str) -> None:
    """The failing control: in the files that hold them they are found."""
    words = planted(tmp_path)
    assert words[kind].encode() in (tmp_path / "c.yaml").read_bytes() + (tmp_path / "webhook").read_bytes()
