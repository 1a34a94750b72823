"""`rpsd config`: what earlier systems left becomes files of rpsd, new ones only."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]
ENV = "PORT=8080\nVALID_API_KEYS=planted-0123456789abcdef0123456789\nJWT_SECRET=planted\n"


def test_import_env_writes_settings_and_secret_files(rpsd: Run, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(ENV)
    target = tmp_path / "new" / "config.yaml"
    code, out, err = rpsd("config", "import-env", str(tmp_path / ".env"), "-o", str(target), "--json")
    assert code == 0, err
    keys = tmp_path / "new" / "secrets" / "adopted.keys"
    assert json.loads(out)["credentials"] == [str(keys)]
    assert {row["name"]: row["fate"] for row in json.loads(out)["names"]} == {
        "PORT": "mapped",
        "VALID_API_KEYS": "secret",
        "JWT_SECRET": "secret",
    }
    assert (keys.stat().st_mode & 0o777, keys.parent.stat().st_mode & 0o777, target.stat().st_mode & 0o777) == (0o600, 0o700, 0o640)
    assert "planted" not in out + err + target.read_text()
    assert rpsd("config", "check", "--config", str(target))[0] == 0


def test_import_env_overwrites_nothing_and_leaves_nothing_half(rpsd: Run, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(ENV)
    target = tmp_path / "config.yaml"
    target.write_text("server: {port: 1234}\n")
    code, _, err = rpsd("config", "import-env", str(tmp_path / ".env"), "-o", str(target))
    assert code == 73
    assert f"{target} exists already" in err
    assert target.read_text() == "server: {port: 1234}\n"
    assert not (tmp_path / "secrets" / "adopted.keys").exists()
    target.unlink()
    (tmp_path / ".env").write_text("PORT=none\n")
    assert rpsd("config", "import-env", str(tmp_path / ".env"), "-o", str(target))[0] == 65
    assert rpsd("config", "import-env", str(tmp_path / "gone"), "-o", str(target))[0] == 66
    assert not target.exists()


def test_migrate_prints_or_writes(rpsd: Run, tmp_path: Path) -> None:
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text("denoiser:\n  level: 4  # theirs\n")
    code, out, _ = rpsd("config", "migrate", str(old))
    assert code == 0
    assert "level: 4  # theirs" in out
    assert rpsd("config", "migrate", str(old), "-o", str(new))[0] == 0
    assert new.read_text() == out
    assert rpsd("config", "migrate", str(old), "-o", str(new))[0] == 73
    old.write_text("denoiser: {levle: 4}\n")
    assert rpsd("config", "migrate", str(old))[0] == 78


def test_defaults_as_json_hold_the_same_text(rpsd: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert json.loads(rpsd("config", "defaults", "--json")[1])["settings"] == rpsd("config", "defaults")[1]


def test_keys_adopt_takes_what_import_env_wrote(rpsd: Run, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(ENV)
    assert rpsd("config", "import-env", str(tmp_path / ".env"), "-o", str(tmp_path / "config.yaml"))[0] == 0
    keys = tmp_path / "secrets" / "adopted.keys"
    rpsd("init")
    code, out, err = rpsd("keys", "adopt", str(keys), "--scope", "read,predict", "--json")
    assert code == 0, err
    [row] = json.loads(out)["keys"]
    assert (row["name"], row["scopes"]) == ("adopted", ["read", "predict"])
    assert row["id"] in rpsd("keys", "adopt", str(keys), "--scope", "read")[1]  # worked already
    keys.write_text("planted-short\n")
    code, out, err = rpsd("keys", "adopt", str(keys), "--scope", "read")
    assert code == 65
    assert f"{keys}:1" in err
    assert "planted" not in err.replace(str(tmp_path), "")
