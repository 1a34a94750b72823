"""`rpsd doctor` on a data directory without a server."""

import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., tuple[int, str, str]]


def found(rpsd: Run, *arguments: str) -> tuple[int, dict[str, Any]]:
    code, out, err = rpsd("doctor", "--json", *arguments)
    assert out, err
    return code, json.loads(out)


def named(data: dict[str, Any], name: str) -> dict[str, Any]:
    return next(row for row in data["findings"] if row["name"] == name)


def test_an_empty_box_is_told_to_begin(rpsd: Run) -> None:
    code, data = found(rpsd)
    assert (code, data["status"]) == (2, "failed")
    assert named(data, "directory_data")["fixable"]
    assert "rpsd init" in named(data, "server")["hint"]


def test_a_fresh_box_wants_a_backup(rpsd: Run) -> None:
    rpsd("init")
    code, data = found(rpsd)
    assert named(data, "database")["status"] == "ok"
    assert named(data, "kernels")["status"] == "ok"
    assert named(data, "backup")["status"] == "warning"
    assert code == 1
    rpsd("backup", "create")
    assert named(found(rpsd)[1], "backup")["status"] == "ok"
    out = rpsd("doctor")[1]
    assert "structure whole" in out
    assert max(map(len, out.splitlines())) <= 140


def test_open_files_are_closed(rpsd: Run, tmp_path: Path) -> None:
    rpsd("init")
    data_dir = tmp_path / "data"
    secret = data_dir / "secrets" / "pepper"
    for path, mode in ((data_dir, 0o755), (data_dir / "secrets", 0o755), (secret, 0o644), (data_dir / "rpsd.db", 0o644)):
        path.chmod(mode)
    code, data = found(rpsd)
    assert code == 2
    assert {"directory_data", "directory_secrets", "secrets", "file_modes"} <= {
        row["name"] for row in data["findings"] if row["status"] == "failed" and row["fixable"]
    }
    code, data = found(rpsd, "--fix")
    assert (code, named(data, "file_modes")["status"], named(data, "secrets")["status"]) == (1, "ok", "ok")
    assert {"directory_data", "secrets", "file_modes"} <= set(data["mended"])
    assert (secret.stat().st_mode & 0o777, data_dir.stat().st_mode & 0o777) == (0o600, 0o700)


def test_what_killed_work_has_left_is_removed(rpsd: Run, tmp_path: Path) -> None:
    import os

    rpsd("init")
    old, new = tmp_path / "data" / "backups" / ".rpsd-old.partial", tmp_path / "data" / "backups" / ".rpsd-new.partial"
    for path in (old, new):
        path.mkdir()
    os.utime(old, (1, 1))
    assert named(found(rpsd)[1], "partial_files")["status"] == "warning"
    data = found(rpsd, "--fix")[1]
    assert "partial_files" in data["mended"]
    assert (old.exists(), new.exists()) == (False, True)
    assert "doctor.fix" in rpsd("audit", "list", "--json")[1]


def test_settings_that_cannot_be_read_are_a_finding(rpsd: Run, tmp_path: Path, monkeypatch: Any) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("server: {port: many}\n")
    monkeypatch.setenv("RPSD_CONFIG", str(broken))
    code, data = found(rpsd)
    assert (code, data["findings"][0]["name"]) == (2, "settings")
    assert "server.port" in data["findings"][0]["detail"]


def test_the_bundle_holds_no_secret(rpsd: Run, tmp_path: Path, monkeypatch: Any) -> None:
    planted = {
        "secret file": "whsec-4f1c92d07be35a8866ab01",
        "url": "T000SLACKTOKEN",
        "environment": "environment-secret-91",
        "logged": "hunter2hunter2",
        "argument": "offsite-pass",
    }
    key = json.loads(rpsd("init", "--json")[1])["admin_key"]
    secrets = tmp_path / "data" / "secrets"
    (secrets / "hook").write_text(planted["secret file"] + planted["secret file"][::-1] + "\n")
    (secrets / "hook").chmod(0o600)
    log = tmp_path / "rpsd.json"
    lines = [
        f"key {key} was used",
        f"Authorization: Bearer {planted['logged']}",
        f"password={planted['logged']}",
        "Bearer " + ".".join(("eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiJ4In0", "c2lnbmF0dXJl")),
        f"posted to https://hooks.slack.com/services/{planted['url']}?x={planted['url']}",
        f"the secret is {planted['secret file'] + planted['secret file'][::-1]}",
        f"pepper {(secrets / 'pepper').read_bytes().hex()}",
        "a harmless line",
    ]
    log.write_text("\n".join(json.dumps({"message": line}) for line in lines))
    settings = tmp_path / "config.yaml"
    hook = {"url": f"https://hooks.slack.com/services/{planted['url']}", "secret_file": "hook"}
    settings.write_text(json.dumps({"alerts": {"webhooks": [hook]}, "monitoring": {"log_file": str(log)}}))
    settings.chmod(0o600)
    monkeypatch.setenv("RPSD_CONFIG", str(settings))
    monkeypatch.setenv("SOME_API_TOKEN", planted["environment"])
    rpsd("keys", "create", "desk", "--scope", "read")
    target = tmp_path / "support.tar.gz"
    data = found(rpsd, "--bundle", str(target))[1]
    assert data["bundle"] == str(target)
    assert target.stat().st_mode & 0o777 == 0o600
    with tarfile.open(target) as archive:
        held = {name: archive.extractfile(name).read().decode() for name in archive.getnames()}  # type: ignore[union-attr]
    assert {
        f"rpsd-support/{name}" for name in ("doctor.json", "config.json", "health.json", "metrics.txt", "audit.json", "log.jsonl")
    } <= set(held)
    whole = "\n".join(held.values())
    assert "a harmless line" in whole
    assert "rpsd_build_info" in whole
    pepper = (secrets / "pepper").read_bytes()
    for secret in (*planted.values(), key, key.rpartition("_")[2], pepper.hex(), "c2lnbmF0dXJl"):
        assert secret not in whole, secret
    audit = json.loads(held["rpsd-support/audit.json"])
    assert {"key.create"} <= {row["action"] for row in audit}
    assert "desk" not in json.dumps(audit)


def told_of(place: Path) -> dict[str, Any]:
    """Each file and directory below the place with mode, owner, size and content; of the database its rows."""
    import hashlib
    import sqlite3

    found: dict[str, Any] = {}
    for path in sorted(place.rglob("*")):
        held, name = path.lstat(), str(path.relative_to(place))
        if path.name == "lock" or path.name.startswith("rpsd.db"):
            continue
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[name] = (held.st_mode, held.st_uid, content, held.st_mtime_ns if path.is_file() else 0)
    with sqlite3.connect(place / "rpsd.db") as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found["rows"] = {name: database.execute(f'SELECT * FROM "{name}"').fetchall() for name in tables}
    return found


def test_a_healthy_box_is_left_as_it_is(rpsd: Run, tmp_path: Path) -> None:
    rpsd("init")
    rpsd("backup", "create")
    found(rpsd)
    before = told_of(tmp_path / "data")
    for _ in range(2):
        assert found(rpsd, "--fix")[1]["mended"] == []
    assert told_of(tmp_path / "data") == before


def test_a_data_directory_behind_a_link_is_as_good(rpsd: Run, tmp_path: Path) -> None:
    rpsd("init")
    rpsd("backup", "create")
    (tmp_path / "data").rename(tmp_path / "elsewhere")
    (tmp_path / "data").symlink_to("elsewhere")
    before = told_of(tmp_path / "elsewhere")
    code, data = found(rpsd, "--fix")
    assert (code, data["mended"]) == (found(rpsd)[0], [])
    assert told_of(tmp_path / "elsewhere") == before
    (tmp_path / "elsewhere").chmod(0o755)
    assert "directory_data" in found(rpsd, "--fix")[1]["mended"]
    assert (tmp_path / "data").is_symlink()
    assert (tmp_path / "elsewhere").stat().st_mode & 0o777 == 0o700


def test_no_link_leads_a_repair_out_of_the_data(rpsd: Run, tmp_path: Path) -> None:
    """Who runs it may be root, and who planted the link only the user of rpsd."""
    rpsd("init")
    victim, folder = tmp_path / "precious", tmp_path / "folder"
    victim.write_text("x" * 40)
    folder.mkdir()
    for path, mode in ((victim, 0o644), (folder, 0o755)):
        path.chmod(mode)
    data = tmp_path / "data"
    (data / "rpsd.db-planted").symlink_to(victim)
    (data / "secrets" / "planted").symlink_to(victim)
    os.link(victim, data / "rpsd.db-hard")
    (data / "backups").rename(data / "backups-before")
    (data / "backups").symlink_to(folder)
    owner = victim.stat().st_uid
    found(rpsd, "--fix")
    assert (victim.stat().st_mode & 0o777, victim.stat().st_uid, folder.stat().st_mode & 0o777) == (0o644, owner, 0o755)
