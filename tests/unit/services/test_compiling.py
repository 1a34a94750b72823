"""Compiling in a process of its own: done once, ended when it is not wanted, and never in the way of a server."""

import sys
import time
from pathlib import Path

import numba.core.config
import pytest

from rpsd.kernels import jit
from rpsd.services.compiling import compile_apart


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of kernels."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(numba.core.config, "CACHE_DIR", str(tmp_path))
    return tmp_path


def test_what_is_not_cached_is_compiled_by_a_child(cache: Path) -> None:
    assert not jit.is_cached()
    made = cache / "made"
    assert compile_apart(lambda: False, (sys.executable, "-c", f"open({str(made)!r}, 'x')"))
    assert made.exists()


def test_what_is_cached_is_not_compiled_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jit, "WARMERS", ())
    jit.warm(skip=("csv",))
    assert not jit.is_cached()  # a server needs that one
    jit.warm(skip=jit.FITS)
    assert jit.is_cached()
    assert not compile_apart(lambda: False, (sys.executable, "-c", f"open({str(cache / 'made')!r}, 'x')"))
    assert not (cache / "made").exists()


@pytest.mark.usefixtures("cache")
def test_a_child_that_is_not_wanted_any_more_ends_at_once() -> None:
    began = time.monotonic()
    assert not compile_apart(lambda: time.monotonic() > began + 0.2, (sys.executable, "-c", "import time; time.sleep(600)"))
    assert time.monotonic() < began + 60


@pytest.mark.usefixtures("cache")
def test_a_child_that_fails_leaves_the_work_to_the_caller() -> None:
    assert not compile_apart(lambda: False, (sys.executable, "-c", "raise SystemExit(3)"))


def test_without_a_cache_there_is_nothing_to_compile_into(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    assert not compile_apart(lambda: False, (sys.executable, "-c", "pass"))
