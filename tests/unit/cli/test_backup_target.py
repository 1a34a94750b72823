"""A backup on its way out: two to one place, and programs that die."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rpsd.cli.backup_target import deliver
from rpsd.core.errors import BadBackup, RpsdError

PIECES = [bytes([k]) * (1 << 18) for k in range(16)]


def facts(pieces: list[bytes]) -> dict[str, Any]:
    return {"path": "/b/once-rpsd-20260301T020304Z.rpsdbak", "sha256": hashlib.sha256(b"".join(pieces)).hexdigest()}


def test_two_to_one_place_do_not_write_into_each_other(tmp_path: Path) -> None:
    target, other = tmp_path / "a.bak", [b"other" * 1000]

    def interrupted() -> Iterator[bytes]:
        yield from PIECES[:8]
        deliver(other, facts(other), str(target), None)
        assert target.read_bytes() == other[0]
        yield from PIECES[8:]

    deliver(interrupted(), facts(PIECES), str(target), None)
    assert target.read_bytes() == b"".join(PIECES)
    assert [path.name for path in tmp_path.iterdir()] == ["a.bak"]
    assert target.stat().st_mode & 0o777 == 0o600


def test_what_does_not_arrive_whole_gets_no_name(tmp_path: Path) -> None:
    with pytest.raises(BadBackup, match="whole"):
        deliver(PIECES[:-1], facts(PIECES), str(tmp_path / "a.bak"), None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("pieces", [PIECES, [b"x" * 5000] * 40, [b"x"]], ids=["large", "small", "one byte"])
@pytest.mark.parametrize(
    "script",
    ["head -c 10 >/dev/null; echo 'age: no space' >&2; exit 1", "kill -9 $$", "exit 3", "exec 0<&-; sleep 0.2; exit 1"],
    ids=["stops", "killed", "at once", "closes its input"],
)
def test_a_program_that_dies_is_named_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, pieces: list[bytes]
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "age").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "bin" / "age").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    (tmp_path / "out").mkdir()
    with pytest.raises(RpsdError) as caught:
        deliver(pieces, facts(pieces), str(tmp_path / "out"), "age1right")
    assert caught.value.code == BadBackup.code, caught.value.detail
    assert "age failed" in caught.value.detail
    assert list((tmp_path / "out").iterdir()) == []
