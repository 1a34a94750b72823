"""A planted secret fails the scan, and the finding does not repeat it."""

import secrets
import string
import subprocess
import sys
from pathlib import Path

import pytest


def scan(root: Path, folder: Path) -> tuple[int, str]:
    done = subprocess.run([sys.executable, root / "scripts" / "scan_secrets.py", folder], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text("ignored/\n")
    return tmp_path


def text(n: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    """Fresh random text with a digit in it, so that no planted secret ever stands in the repository."""
    return "7" + "".join(secrets.choice(alphabet) for _ in range(n - 1))


def planted() -> dict[str, tuple[str, str]]:
    body, home = text(40), "/" + "root/"
    return {
        "private key": ("-----BEGIN " + "RSA PRIVATE KEY-----", body),
        "rpsd API key": ("key: rpsd_" + text(8) + "_", body),
        "JSON web token": ("bearer ey" + "J" + text(20) + ".ey" + "J" + text(30) + ".", body),
        "cloud access key": ("AK" + "IA", text(16, string.ascii_uppercase)),
        "vendor token": ("gh" + "p_", text(36)),
        "password in a URL": ("postgres://rpsd:", body + "@db.example"),
        "random-looking text": ("API_" + 'KEY = "', body + '"'),
        "home directory": ("cache: " + home, "x"),
        "package registry": ("--index-url https://files.python" + "hosted.org/", "x"),
    }


@pytest.mark.parametrize("kind", planted())
def test_a_planted_secret_is_found_and_not_repeated(root: Path, repository: Path, kind: str) -> None:
    prefix, body = planted()[kind]
    (repository / "notes.txt").write_text(f"first line\n{prefix}{body}\n")
    status, output = scan(root, repository)
    assert status == 1
    assert f"notes.txt:2: {kind}" in output
    assert body not in output or body == "x"


def test_ordinary_text_passes(root: Path, repository: Path) -> None:
    (repository / "code.py").write_text(
        'SECRET_FILE = "secrets/pepper"\ntoken: str = request.headers["authorization"]\nX-API-Key: rpsd_<id>_<secret>\n'
        'url = "http://127.0.0.1:8000/health"\nhash=sha256:' + "0a30ef8f5322a417" * 4 + "\n"
    )
    assert scan(root, repository) == (0, "secret scan: 2 files, 0 findings\n")


def test_ignored_files_are_not_scanned_and_new_ones_are(root: Path, repository: Path) -> None:
    secret = "".join(planted()["vendor token"])
    (repository / "ignored").mkdir()
    (repository / "ignored" / "a").write_text(secret)
    assert scan(root, repository)[0] == 0
    (repository / "b").write_text(secret)
    assert scan(root, repository)[0] == 1
