"""Commands on a data directory without a server, through the same entry as the console script."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.vendors import daily, serving

Run = Callable[..., tuple[int, str, str]]

CSV = "t,close\n" + "".join(f"2024-{1 + n // 28:02d}-{1 + n % 28:02d},{100 + (n * 37 % 11) / 10 + n / 50}\n" for n in range(300))


def told(result: tuple[int, str, str]) -> Any:
    """The JSON of a command that succeeded."""
    assert result[0] == 0, result[2]
    return json.loads(result[1])


def test_help_loads_no_numerics_and_no_web() -> None:
    program = (
        "import sys; from rpsd.__main__ import run; code = run(['--help']);"
        "heavy = {'numpy', 'scipy', 'numba', 'litestar', 'sklearn', 'pywt', 'apsw', 'structlog', 'httpx', 'yaml', 'rich'};"
        "print(sorted(heavy & set(sys.modules)), code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.rstrip().endswith("[] 0")
    assert "demo" in done.stdout


def test_a_wrong_command_line_exits_with_64(rpsd: Run) -> None:
    code, _, err = rpsd("series", "import")
    assert code == 64
    assert err.startswith("error: ")
    assert "(usage)" in err
    assert rpsd("nonsense")[0] == 64
    assert rpsd("retrain")[0] == 64


def test_an_error_is_told_in_words_or_json(rpsd: Run) -> None:
    code, out, err = rpsd("manual", "nonsense")
    assert (code, out) == (66, "")
    assert err.splitlines()[0] == "error: the manual has no chapter 'nonsense' (unknown_file)"
    assert err.splitlines()[1].startswith("hint: Chapters: ")
    rpsd("init")
    code, _, err = rpsd("models", "show", "nonsense", "--json")
    assert code == 66
    assert json.loads(err)["code"] == "unknown_model"


def test_a_defect_exits_with_70(rpsd: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rpsd.config.render", lambda: 1 / 0)
    code, _, err = rpsd("config", "defaults")
    assert code == 70
    assert "ZeroDivisionError" in err


def test_config_commands(rpsd: Run, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("server: {port: 8123}\ncompute: {scheduler: 'tcp://10.0.0.5:8786'}\n")
    shown = told(rpsd("config", "show", "--config", str(file), "--json"))
    row = next(row for row in shown if row["name"] == "server.port")
    assert row == {"name": "server.port", "value": 8123, "origin": f"{file}:1:10"}
    assert told(rpsd("--config", str(file), "config", "check", "--json"))["not_yet_in_use"] == [
        {"name": "compute.scheduler", "waits_for": "cluster"}
    ]
    file.write_text("server: {host: 0.0.0.0}\nbackup: {keep_days: 0}\nporrt: 1\n")
    code, _, err = rpsd("config", "check", "--config", str(file))
    assert code == 78
    assert f"{file}:2:10: backup.keep_days: expected 1 to 36500, got 0" in err
    assert f"{file}:3:1: porrt: unknown setting" in err
    file.write_text("server: {host: 0.0.0.0}\n")
    assert rpsd("serve", "--config", str(file))[0] == 78


def test_init_is_safe_to_repeat(rpsd: Run, tmp_path: Path) -> None:
    first = told(rpsd("init", "--json"))
    assert first["admin_key"].startswith("rpsd_")
    assert (first["data_dir"], first["config"]) == (str(tmp_path / "data"), None)
    assert told(rpsd("init", "--json"))["admin_key"] is None
    modes = {name: (tmp_path / "data" / name).stat().st_mode & 0o777 for name in (".", "secrets", "secrets/pepper", "backups", "cache")}
    assert modes == {".": 0o700, "secrets": 0o700, "secrets/pepper": 0o600, "backups": 0o700, "cache": 0o755}


def test_keys(rpsd: Run) -> None:
    made = told(rpsd("keys", "create", "desk", "--scope", "read,predict", "--expires", "30d", "--limit", "600", "--json"))
    assert set(made) == {"id", "key", "scopes", "expires"}
    assert made["scopes"] == ["read", "predict"]
    listed = rpsd("keys", "list")
    assert made["id"] in listed[1]
    assert made["key"] not in listed[1]
    successor = told(rpsd("keys", "rotate", made["id"], "--json"))["id"]
    old = next(line for line in rpsd("keys", "list")[1].splitlines() if line.startswith(made["id"]))
    assert successor in old
    assert told(rpsd("keys", "revoke", made["id"], "--json")) == {"id": made["id"], "revoked": True}
    assert rpsd("keys", "revoke", "nonsense")[0] == 66
    code, _, err = rpsd("keys", "create", "x", "--scope", "everything")
    assert code == 65 and "--scope: expected at least one of read, ingest, predict, train, admin" in err
    code, _, err = rpsd("keys", "create", "-", "--scope", "read", "--limit", "10/d")
    assert code == 65 and "--limit: expected a rate such as 600/min" in err and "openapi" not in err
    assert rpsd("keys", "create", "x", "--scope", "read", "--expires", "2020-01-01")[0] == 65


def test_series_go_in_and_come_out_equal(rpsd: Run, tmp_path: Path) -> None:
    source, copy = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text(CSV)
    found = told(rpsd("series", "import", str(source), "--symbol", "abc", "--interval", "1d", "--json"))
    assert (found["inserted"], found["rejected"]) == (300, [])
    assert told(rpsd("series", "import", str(source), "--symbol", "ABC", "--interval", "1d", "--json"))["unchanged"] == 300
    assert rpsd("series", "export", "--symbol", "ABC", "--interval", "1d", "-o", str(copy))[0] == 0
    rows = [line.split(",") for line in copy.read_text().splitlines()]
    assert rows[0] == ["t", "close"]
    assert [float(row[1]) for row in rows[1:]] == [float(line.split(",")[1]) for line in CSV.splitlines()[1:]]
    assert told(rpsd("series", "list", "--json"))["series"][0]["rows"] == 300
    assert rpsd("series", "import", str(tmp_path / "gone.csv"), "--symbol", "A", "--interval", "1d")[0] == 66
    assert rpsd("series", "export", "--symbol", "NOPE", "--interval", "1d")[0] == 66


def test_a_bad_row_stores_nothing_unless_skipped(rpsd: Run, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("t,close\n2024-01-01,1\n2024-01-02,inf\n2024-01-03,3\n")
    command = ("series", "import", str(source), "--symbol", "A", "--interval", "1d")
    assert rpsd(*command)[0] == 65
    assert told(rpsd("series", "list", "--json"))["series"] == []
    assert told(rpsd(*command, "--on-error", "skip", "--json"))["accepted"] == 2


def test_backup_restore_and_audit(rpsd: Run, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text(CSV)
    rpsd("series", "import", str(source), "--symbol", "ABC", "--interval", "1d")
    made = told(rpsd("backup", "create", "--json"))
    assert {"path", "bytes", "sha256", "seconds"} <= set(made)
    assert told(rpsd("backup", "verify", made["path"], "--json"))["sha256"] == made["sha256"]
    assert [row["path"] for row in told(rpsd("backup", "list", "--json"))["backups"]] == [made["path"]]
    assert told(rpsd("backup", "prune", "--json"))["pruned"] == []
    source.write_text("t,close\n2025-01-01,1\n")
    rpsd("series", "import", str(source), "--symbol", "LATER", "--interval", "1d")
    assert told(rpsd("restore", made["path"], "--dry-run", "--json"))["restored"] is False
    assert told(rpsd("restore", made["path"], "--json"))["restored"] is True
    assert [row["symbol"] for row in told(rpsd("series", "list", "--json"))["series"]] == ["ABC"]
    assert told(rpsd("audit", "verify", "--json"))["intact"] is True
    assert any(row["action"] == "backup.restore" for row in told(rpsd("audit", "list", "--json"))["audit"])
    Path(made["path"]).write_bytes(b"x")
    assert rpsd("backup", "verify", made["path"])[0] == 73


def test_a_backup_goes_to_a_file_a_directory_and_stdout_and_leaves_nothing(rpsd: Run, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    there = told(rpsd("backup", "create", "--to", str(tmp_path / "there"), "--json"))
    assert Path(there["path"]).parent == tmp_path / "there"
    assert told(rpsd("backup", "create", "--to", str(tmp_path / "one.bak"), "--json"))["path"] == str(tmp_path / "one.bak")
    assert told(rpsd("backup", "verify", str(tmp_path / "one.bak"), "--json"))["bytes"] == (tmp_path / "one.bak").stat().st_size
    assert told(rpsd("backup", "list", "--json"))["backups"] == []
    assert list((tmp_path / "data" / "backups").iterdir()) == []
    assert rpsd("backup", "create", "--to", str(tmp_path / "none" / "x"))[0] == 75


AGE = """#!/bin/sh
# stands for age on machines without it; tests/system uses the real one
case "$*" in *wrong*) echo "age: error: unknown recipient" >&2; exit 1 ;; esac
LC_ALL=C exec tr 'A-Za-z' 'N-ZA-Mn-za-m'
"""


def test_an_encrypted_backup_is_made_listed_verified_and_restored(rpsd: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "age").write_text(AGE)
    (tmp_path / "bin" / "age").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    found = told(rpsd("backup", "create", "--encrypt-to", "age1right", "--json"))
    assert found["path"].endswith(".rpsdbak.age")
    assert b"SQLite" not in Path(found["path"]).read_bytes()
    assert [row["encrypted"] for row in told(rpsd("backup", "list", "--json"))["backups"]] == ["age"]
    assert rpsd("backup", "verify", found["path"])[0] == 73
    assert told(rpsd("backup", "verify", found["path"], "--identity", "key.txt", "--json"))["sha256"] == found["sha256"]
    assert told(rpsd("restore", found["path"], "--identity", "key.txt", "--json"))["restored"] is True
    assert rpsd("backup", "create", "--encrypt-to", "age1wrong")[0] == 73
    assert rpsd("backup", "create", "--encrypt-to", "--output=/etc/passwd")[0] == 65
    assert [path.name for path in (tmp_path / "data" / "backups").iterdir()] == [Path(found["path"]).name]


def test_jobs_run_here_without_a_server(rpsd: Run) -> None:
    assert told(rpsd("jobs", "list", "--json"))["jobs"] == []
    assert told(rpsd("jobs", "run", "upkeep", "--json"))["state"] == "succeeded"
    assert [run["name"] for run in told(rpsd("jobs", "list", "--name", "upkeep", "--json"))["jobs"]] == ["upkeep"]
    assert rpsd("jobs", "run", "nonsense")[0] == 66
    assert rpsd("jobs", "cancel", "1")[0] == 73
    assert rpsd("jobs", "cancel", "x")[0] == 66


def test_a_directory_in_use_is_not_touched(rpsd: Run, tmp_path: Path) -> None:
    rpsd("init")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "data")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    assert holder.stdin
    assert holder.stdout
    try:
        assert holder.stdout.readline() == "held\n"
        code, _, err = rpsd("keys", "list")
        assert code == 75
        assert "does not answer" in " ".join(err.split())  # wrapped where the path ends
    finally:
        holder.stdin.close()
        holder.wait(20)
        holder.stdout.close()


HOLD = """
import sys, time
from pathlib import Path
from rpsd.store.db import Database
database = Database.open(Path(sys.argv[1]), clock=time.time_ns)
print("held", flush=True)
sys.stdin.read()
database.close()
"""


def test_health_of_a_server_that_is_not_there(rpsd: Run) -> None:
    code, out, _ = rpsd("health", "--url", "http://127.0.0.1:9", "--json")
    assert code == 2
    assert json.loads(out)["status"] == "unreachable"


def test_denoise_needs_no_server_and_no_database(rpsd: Run, tmp_path: Path) -> None:
    source, output = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text(CSV)
    found = told(rpsd("denoise", str(source), "-o", str(output), "--method", "ema", "--causality", "causal", "--json"))
    assert (found["method"], found["causal"], found["n"]) == ("ema", True, 300)
    lines = output.read_text().splitlines()
    assert lines[0] == "t,close,close_denoised"
    assert len(lines) == 301
    assert not (tmp_path / "data" / "rpsd.db").exists()
    code, _, err = rpsd("denoise", str(source), "-o", str(output), "--column", "open")
    assert code == 66
    assert "It has: close" in err


def test_an_export_that_cannot_be_written_says_so_and_leaves_nothing(rpsd: Run, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(CSV)
    told(rpsd("series", "import", str(file), "--symbol", "EXP", "--interval", "1d", "--json"))
    target = tmp_path / "folder"
    target.mkdir()
    code, _, err = rpsd("series", "export", "--symbol", "EXP", "--interval", "1d", "-o", str(target))
    assert (code, "unknown_file" in err) == (66, True), err
    assert not (tmp_path / "folder.partial").exists()


@pytest.mark.parametrize(("command", "code"), [("config defaults > /dev/full", 75), ("config defaults | true", 141)])
def test_an_output_that_takes_no_more(tmp_path: Path, command: str, code: int) -> None:
    script = f"set -o pipefail; {sys.executable} -m rpsd {command}"
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, env={**os.environ, "HOME": str(tmp_path)}, timeout=60, check=False
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "defect" not in done.stderr


def test_a_version_that_is_not_there_cannot_serve(rpsd: Run) -> None:
    for action in (["promote", "regime:X:1d:2_state", "1"], ["rollback", "regime:X:1d:2_state"]):
        code, _, err = rpsd("models", *action, "--reason", "try", "--json")
        assert (code, json.loads(err)["code"]) == (66, "unknown_model")
    assert rpsd("models", "promote", "regime:X:1d:2_state", "1")[0] == 64  # without a reason


def test_fetch_without_a_server_stores_what_the_source_tells(rpsd: Run, tmp_path: Path) -> None:
    with serving() as far:
        far.bars["A"] = daily(1_700_006_400, 30)
        file = tmp_path / "rpsd.yaml"
        file.write_text(
            f"sources:\n  ours:\n    kind: http_csv\n    url: {far.base}/csv/{{symbol}}.csv\n    symbols: [A, B]\n    history: 50y\n"
        )
        code, out, _ = rpsd("fetch", "--config", str(file))
    assert code == 1  # B is not there
    assert "ours" in out
    assert "unknown_series" in out
    [series] = told(rpsd("series", "list", "--json", "--config", str(file)))["series"]
    assert (series["symbol"], series["rows"]) == ("A", 30)
    assert rpsd("fetch", "theirs", "--config", str(file))[0] == 65
