"""Secret files: where they are looked for, and which are refused without a word of what is in them."""

from pathlib import Path

import pytest

from rpsd.config.secret import read_secrets, secret_path
from rpsd.core.errors import BadConfig

GOOD = "0123456789abcdef0123456789abcdef"


def written(path: Path, text: str | bytes, mode: int = 0o600) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


def test_one_secret_or_the_two_of_a_rotation(tmp_path: Path) -> None:
    assert read_secrets(str(written(tmp_path / "a", f"{GOOD}\n")), Path("/nowhere")) == (GOOD,)
    assert read_secrets(str(written(tmp_path / "b", f"{GOOD}\n\n{GOOD[::-1]}\n", 0o400)), Path("/nowhere")) == (GOOD, GOOD[::-1])


def test_a_bare_name_is_a_credential_and_then_a_file_of_the_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets, credentials = tmp_path / "secrets", tmp_path / "credentials"
    secrets.mkdir()
    credentials.mkdir()
    assert secret_path("hook", secrets) == secrets / "hook"
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert secret_path("hook", secrets) == secrets / "hook"
    written(credentials / "hook", GOOD)
    assert secret_path("hook", secrets) == credentials / "hook"
    assert secret_path("/etc/hook", secrets) == Path("/etc/hook")


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        (GOOD, 0o644, "others can read"),
        (GOOD, 0o640, "others can read"),
        (GOOD[:-1], 0o600, "can be guessed"),
        ("a" * 64, 0o600, "can be guessed"),
        ("changeme" * 8, 0o600, "can be guessed"),
        ("", 0o600, "holds 0 secrets"),
        (f"{GOOD}\n{GOOD}\n{GOOD}\n", 0o600, "holds 3 secrets"),
        (b"\xff" * 40, 0o600, "cannot be read"),
        (GOOD[:-1] + "\x01", 0o600, "can be guessed"),
    ],
)
def test_what_is_no_secret_is_refused(tmp_path: Path, text: str | bytes, mode: int, words: str) -> None:
    with pytest.raises(BadConfig, match=words) as caught:
        read_secrets(str(written(tmp_path / "s", text, mode)), tmp_path)
    assert GOOD[:8] not in caught.value.detail


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="cannot be read: FileNotFoundError"):
        read_secrets("none", tmp_path)
