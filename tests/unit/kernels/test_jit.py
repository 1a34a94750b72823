"""The cache of compiled kernels: one for each state of the sources."""

import os
import sys
from pathlib import Path

import numba.core.config
import pytest

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


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_compiler_takes_no_memory_until_it_is_needed() -> None:
    def resident_kib() -> int:
        parts = Path("/proc/self/smaps").read_text(encoding="utf-8").split("libllvmlite")
        return sum(int(part.split("Rss:")[1].split()[0]) for part in parts[1:])

    double = jit.kernel(lambda x: 2.0 * x)
    assert double(1.0) == 2.0
    before = resident_kib()
    jit.return_compiler()
    assert resident_kib() < before - 5000
    assert double(1) == 2.0  # compiled afresh, for another type


@jit.kernel
def _times(x: float, k: int) -> float:
    return x * k


@jit.kernel
def _both(x: float) -> float:
    y: float = _times(x, 2) + _times(x, 3)
    return y


def test_constants_of_a_caller_do_not_compile_a_kernel_anew() -> None:
    assert _both(1.5) == 7.5
    _both.recompile()  # type: ignore[attr-defined]  # an earlier run's cache would have spared it what it calls
    assert len(_times.signatures) == 1  # type: ignore[attr-defined]
