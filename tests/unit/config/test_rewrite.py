"""Values set in a file that a person wrote."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rpsd.config.rewrite import rewritten, set_values
from rpsd.core.errors import BadConfig, UnsafeStorage

WRITTEN = {
    "nothing": "",
    "comments": "# settings\n# server:\n#   host: 127.0.0.1\n",
    "no end of line": "storage: {data_dir: /d}",
    "another section": "storage:\n  data_dir: /d  # here\n",
    "empty section": "server:\nstorage: {data_dir: /d}\n",
    "empty section with a comment": "server:  # how it listens\nstorage: {data_dir: /d}\n",
    "block": "server:\n  # the port\n  port: 8000   # as before\n  host: 127.0.0.1\nstorage: {data_dir: /d}\n",
    "deep block": "server:\n      port: 8000\n\n      allowed_hosts:\n      - a\n      - b\n\n# end\nstorage: {data_dir: /d}\n",
    "flow": "server: {port: 8000, host: 127.0.0.1}\nstorage: {data_dir: /d}\n",
    "empty flow": "server: {}\nstorage: {data_dir: /d}\n",
    "many lines": 'server:\n  allowed_hosts: [a,\n    b]\n  host: "127.0.0.1"\n',
    "windows": "server:\r\n  port: 8000\r\n  host: ::1\r\n",
}
VALUES = {"host": "0.0.0.0", "allowed_hosts": ["localhost", "box.lan"]}


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN.keys())
def test_values_are_set_and_the_rest_stays(text: str) -> None:
    made = rewritten(text, "server", VALUES, "file")
    before, after = yaml.safe_load(text) or {}, yaml.safe_load(made)
    assert after == before | {"server": (before.get("server") or {}) | VALUES}
    assert [line for line in text.splitlines() if "#" in line] == [line for line in made.splitlines() if "#" in line]
    assert rewritten(made, "server", VALUES, "file") == made


@given(st.lists(st.text(max_size=20), max_size=4), st.text(max_size=20))
def test_any_text_is_kept_as_text(many: list[str], one: str) -> None:
    printable = all(c.isprintable() for c in one + "".join(many))
    values = {"allowed_hosts": many, "host": one}
    try:
        made = rewritten("server: {port: 1}\n", "server", values, "file")
    except BadConfig:
        assert not printable
    else:
        assert yaml.safe_load(made) == {"server": {"port": 1} | values}


@pytest.mark.parametrize("text", ["server: [", "a: &x 1\nserver: *x\n", "server: !!python/name:x\n", "server: {port: 1\n"])
def test_what_cannot_be_changed_is_refused(text: str) -> None:
    with pytest.raises(BadConfig):
        rewritten(text, "server", VALUES, "file")


def test_the_file_keeps_its_mode_and_is_made_when_missing(tmp_path: Path) -> None:
    file = tmp_path / "etc" / "config.yaml"
    assert set_values(file, "server", VALUES)
    assert file.stat().st_mode & 0o777 == 0o640
    file.chmod(0o604)
    assert set_values(file, "server", {"port": 9})
    assert file.stat().st_mode & 0o777 == 0o604
    assert not set_values(file, "server", {"port": 9})
    assert list(file.parent.iterdir()) == [file]


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(b"\xff")
    with pytest.raises(BadConfig):
        set_values(tmp_path / "config.yaml", "server", VALUES)
    (tmp_path / "f").touch()
    with pytest.raises(UnsafeStorage):
        set_values(tmp_path / "f" / "config.yaml", "server", VALUES)
