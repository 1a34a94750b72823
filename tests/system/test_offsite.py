"""Backups that leave encrypted, by the real program."""

import shutil
import subprocess
from pathlib import Path

import pytest

from rpsd.config import read
from rpsd.services.outside.copying import copy_away

pytestmark = pytest.mark.system
NAME = "rpsd-20240603T120000Z.rpsdbak"


def test_what_leaves_is_encrypted_to_its_recipient(tmp_path: Path) -> None:
    if shutil.which("age") is None:
        pytest.fail("this test needs Debian's package age")
    key, away = tmp_path / "key", tmp_path / "away"
    subprocess.run(["age-keygen", "-o", str(key)], check=True, capture_output=True)
    public = subprocess.run(["age-keygen", "-y", str(key)], check=True, capture_output=True, text=True).stdout.strip()
    for place in (away, tmp_path / "backups"):
        place.mkdir()
    plain = bytes(range(256)) * 20_000
    (tmp_path / "backups" / NAME).write_bytes(plain)
    file = tmp_path / "c.yaml"
    file.write_text(f"backup:\n  offsite:\n    dir: {away}\n    encrypt_to: {public}\n")
    assert copy_away(read(file, {"RPSD_DATA_DIR": str(tmp_path)}), NAME)["name"] == f"{NAME}.age"
    sealed = away / f"{NAME}.age"
    assert plain[:4096] not in sealed.read_bytes()
    assert subprocess.run(["age", "-d", "-i", str(key), str(sealed)], check=True, capture_output=True).stdout == plain
