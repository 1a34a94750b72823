"""The cache of compiled kernels: one for each state of the sources."""

import os
from pathlib import Path

import numba.core.config

import rpsd.kernels
from rpsd.kernels import jit


def test_any_changed_source_changes_the_digest(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1")
    (tmp_path / "b.py").write_text("y = 2")
    first = jit.digest(tmp_path)
    assert jit.digest(tmp_path) == first
    (tmp_path / "b.py").write_text("y = 3")
    second = jit.digest(tmp_path)
    (tmp_path / "b.py").rename(tmp_path / "c.py")
    assert len({first, second, jit.digest(tmp_path)}) == 3


def test_kernels_are_kept_below_the_digest_of_their_sources() -> None:
    folder = Path(rpsd.kernels.__path__[0])
    assert Path(numba.core.config.CACHE_DIR).name == jit.digest(folder)
    assert Path(numba.core.config.CACHE_DIR).parent == Path(os.environ["NUMBA_CACHE_DIR"])


def test_old_caches_of_other_sources_are_removed(tmp_path: Path) -> None:
    names = {"own": "0" * 16, "old": "1" * 16, "young": "2" * 16, "foreign": "numba"}
    for name in names.values():
        (tmp_path / name).mkdir()
    for name in ("own", "old", "foreign"):
        os.utime(tmp_path / names[name], (0, 0))
    jit.forget_others(tmp_path / names["own"])
    assert {path.name for path in tmp_path.iterdir()} == {names["own"], names["young"], names["foreign"]}
