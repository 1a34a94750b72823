"""Backups through the real age and gpg: made, verified, restored; with the wrong key, or cut short, refused and nothing left."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.system


class Box:
    """`rpsd` on a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environment = os.environ | {"RPSD_DATA_DIR": str(directory / "data"), "GNUPGHOME": str(directory / "gnupg")}

    def run(self, *words: str) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            [sys.executable, "-m", "rpsd", *words], env=self.environment, cwd=ROOT, capture_output=True, check=False, timeout=120
        )

    def good(self, *words: str) -> dict[str, object]:
        done = self.run(*words, "--json")
        assert done.returncode == 0, done.stderr.decode()
        found: dict[str, object] = json.loads(done.stdout)
        return found

    def identity(self, name: str) -> tuple[Path, str]:
        """A key file of age and its recipient."""
        file = self.directory / name
        subprocess.run(["age-keygen", "-o", str(file)], check=True, capture_output=True)
        return file, subprocess.run(["age-keygen", "-y", str(file)], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    for program, package in {"age": "age", "gpg": "gnupg", "gpgconf": "gnupg"}.items():
        if shutil.which(program) is None:
            pytest.fail(f"this test needs {program}: apt-get install {package}", pytrace=False)
    found = Box(tmp_path)
    (tmp_path / "gnupg").mkdir(mode=0o700)
    assert found.run("init").returncode == 0
    yield found
    subprocess.run(["gpgconf", "--kill", "all"], env=found.environment, check=False)


def nothing_left(box: Box) -> None:
    cache = box.directory / "data" / "cache"
    assert list(cache.glob(".rpsd-*")) + list((box.directory / "data").glob(".rpsd-*")) == []


def test_age_there_and_back(box: Box) -> None:
    right, recipient = box.identity("right")
    wrong, _ = box.identity("wrong")
    made = box.good("backup", "create", "--encrypt-to", recipient)
    file = Path(str(made["path"]))
    assert file.suffix == ".age"
    assert b"SQLite format" not in file.read_bytes()
    assert box.good("backup", "verify", str(file), "--identity", str(right))["sha256"] == made["sha256"]
    for words in (("--identity", str(wrong)), ("--identity", str(box.directory / "none")), ()):
        assert box.run("backup", "verify", str(file), *words).returncode == 73
        assert box.run("restore", str(file), *words).returncode == 73
    cut = file.with_name("cut.age")
    cut.write_bytes(file.read_bytes()[:-100])
    assert box.run("restore", str(cut), "--identity", str(right)).returncode == 73
    flipped = bytearray(file.read_bytes())
    flipped[len(flipped) // 2] ^= 1
    cut.write_bytes(flipped)
    assert box.run("restore", str(cut), "--identity", str(right)).returncode == 73
    nothing_left(box)
    assert box.good("restore", str(file), "--identity", str(right))["restored"] is True
    nothing_left(box)


def test_gpg_there_and_back(box: Box) -> None:
    subprocess.run(
        ["gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", "box@example.org", "default", "default", "never"],
        env=box.environment, check=True, capture_output=True,
    )  # fmt: skip
    made = box.good("backup", "create", "--encrypt-to", "box@example.org")
    file = Path(str(made["path"]))
    assert file.suffix == ".gpg"
    assert b"SQLite format" not in file.read_bytes()
    assert box.good("backup", "verify", str(file))["sha256"] == made["sha256"]
    assert box.run("backup", "create", "--encrypt-to", "nobody@example.org").returncode == 73
    assert box.good("restore", str(file))["restored"] is True
    box.environment["GNUPGHOME"] = str(box.directory / "elsewhere")
    (box.directory / "elsewhere").mkdir(mode=0o700)
    assert box.run("restore", str(file)).returncode == 73
    nothing_left(box)
