"""What every denoiser of the catalogue must keep, and that the catalogue is complete."""

import importlib
import re
import subprocess
import sys
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rpsd
import rpsd.denoise
from rpsd.core.catalogue import Method
from rpsd.core.errors import NotFinite, TooShort
from rpsd.core.parameters import PARAMETERS
from rpsd.denoise import METHODS
from rpsd.denoise.run import denoise
from rpsd.kernels import jit

PACKAGE = Path(rpsd.__file__).parent
each_method = pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)


def walk(n: int = 600, seed: int = 0) -> np.ndarray:
    """A random walk plus noise."""
    rng = np.random.default_rng(seed)
    return 50.0 + np.cumsum(rng.normal(size=n)) + 2.0 * rng.normal(size=n)


def test_every_file_with_a_method_is_listed() -> None:
    files = sorted(p.stem for p in (PACKAGE / "denoise").glob("*.py") if p.stem != "__init__")
    having = {name for name in files if hasattr(importlib.import_module(f"rpsd.denoise.{name}"), "METHOD")}
    assert having == {m.name for m in METHODS}
    for method in METHODS:
        assert importlib.import_module(f"rpsd.denoise.{method.name}").METHOD is method


def test_every_file_of_kernels_is_warmed() -> None:
    files = {p.stem for p in (PACKAGE / "kernels").glob("*.py")} - {"__init__", "jit"}
    assert {w.args[0] for w in jit.WARMERS} == files
    jit.warm()


def test_kernels_use_the_one_decorator() -> None:
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        if path.name not in {"jit.py", "vector.py"}:
            assert not re.search(r"^\s*(import numba|from numba)", text, re.MULTILINE), path
    settings = (PACKAGE / "kernels" / "jit.py").read_text()
    assert 'nogil=True, cache=True, error_model="numpy"' in settings


def test_run_time_never_loads_scipy_signal() -> None:
    code = "import sys, numpy; from rpsd.denoise.run import denoise; denoise(numpy.arange(400.0) % 7); print('scipy.signal' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert done.stdout.strip() == "False"


@each_method
def test_is_described(method: Method) -> None:
    assert is_dataclass(method.params)
    assert method.params in PARAMETERS
    strength = {f.name: f for f in fields(method.params)}["strength"]
    assert (strength.default, strength.metadata["ge"], strength.metadata["le"]) == (1.0, 0.0, 1.0)
    assert method.summary.endswith(".")
    assert re.search(r"\(\d{4}\)", method.source)
    doc = method.run.__doc__ or ""
    assert "Source:" in doc
    assert re.search(r"[Cc]ausal", doc)
    assert "O(n)" in doc


@each_method
def test_has_its_place_in_the_manual(method: Method) -> None:
    text = (PACKAGE / "manual" / "methods.md").read_text()
    assert f"### `{method.name}`" in text
    for field in fields(method.params):
        assert f"`{field.name}`" in text, field.name


@each_method
def test_leaves_its_input_alone_and_answers_in_kind(method: Method) -> None:
    y = walk()
    before = y.copy()
    y.flags.writeable = False
    x = method.run(y, method.params())
    assert (y == before).all()
    assert x.shape == y.shape
    assert x.dtype == np.float64
    assert x.flags.writeable
    assert not np.shares_memory(x, y)
    assert (method.run(y, method.params()) == x).all()


@each_method
@pytest.mark.parametrize("n", [16, 17, 31, 100, 303, 304, 1741])
def test_any_length_and_shape_gives_finite_numbers(method: Method, n: int) -> None:
    rng = np.random.default_rng(n)
    shapes = (
        walk(n),
        np.arange(n, dtype=np.float64),
        np.where(np.arange(n) < n // 2, 0.0, 1.0),
        1e-12 * rng.normal(size=n),
        1e12 * walk(n),
    )
    for y in shapes:
        x = method.run(y, method.params())
        assert np.isfinite(x).all()
        assert x.size == n


@each_method
def test_constant_stays_constant(method: Method) -> None:
    y = np.full(200, 123.456)
    assert np.abs(method.run(y, method.params()) - y).max() < 1e-10


@each_method
def test_strength_zero_is_the_identity(method: Method) -> None:
    y = walk()
    assert np.abs(method.run(y, replace(method.params(), strength=0.0)) - y).max() < 1e-9


@each_method
def test_scale_and_shift(method: Method) -> None:
    y = walk()
    a, b = method.run(y, method.params()), method.run(4.0 * y + 100.0, method.params())
    assert np.abs(b - (4.0 * a + 100.0)).max() < 1e-9


@each_method
def test_causal_claim(method: Method) -> None:
    y = walk(900)
    whole = method.run(y, method.params())
    equal = [bool((method.run(y[:m].copy(), method.params()) == whole[:m]).all()) for m in (1, 15, 16, 17, 64, 65, 300, 511, 899)[2:]]
    assert all(equal) if method.causal else not all(equal)


streamed = pytest.mark.parametrize("method", [m for m in METHODS if m.stream], ids=lambda m: m.name)


def test_what_is_causal_or_waits_has_a_stream() -> None:
    assert {m.name for m in METHODS if m.causal or m.delay} == {m.name for m in METHODS if m.stream}


def stretched(method: Method, y: np.ndarray, cuts: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values, deviations and the last state of the stream over y cut at these places."""
    stream, params = method.stream, method.params()
    assert stream is not None
    state = stream.start(params)
    parts = [stream.advance(state, part, params) for part in np.split(y, cuts)]
    values, deviations = (np.concatenate(column) for column in zip(*parts, strict=True))
    return values, deviations, state


@streamed
@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 900), max_size=12).map(sorted), seed=st.integers(0, 9))
def test_any_split_gives_the_same_numbers(method: Method, cuts: list[int], seed: int) -> None:
    y = walk(900, seed)
    whole, apart = stretched(method, y, []), stretched(method, y, cuts)
    for a, b in zip(whole, apart, strict=True):
        assert np.array_equal(a, b, equal_nan=True)


@streamed
def test_stream_one_sample_at_a_time(method: Method) -> None:
    y = walk(300)
    y.flags.writeable = False
    whole, apart = stretched(method, y, []), stretched(method, y, list(range(1, 300)))
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(whole, apart, strict=True))


@streamed
def test_run_is_the_stream_from_its_start(method: Method) -> None:
    assert method.stream is not None
    y, params = walk(700), method.params()
    values, deviations, state = stretched(method, y, [])
    waits = method.delay(params) if method.delay else 0
    assert np.isnan(values[:waits]).all()
    assert np.isfinite(values[waits:]).all()
    if waits:
        assert method.stream.flush is not None
        before = state.copy()
        last, last_deviations = method.stream.flush(state, params)
        assert last.size == last_deviations.size == waits
        assert np.array_equal(state, before, equal_nan=True)
        values = np.concatenate([values[waits:], last])
        early, state = y[: waits - 1], method.stream.start(params)
        assert np.isnan(method.stream.advance(state, early, params)[0]).all()
        assert method.stream.flush(state, params)[0].size == early.size
    assert np.array_equal(values, method.run(y, params))
    assert (deviations[~np.isnan(deviations)] >= 0.0).all()


@streamed
def test_state_keeps_its_size(method: Method) -> None:
    assert method.stream is not None
    before = method.stream.start(method.params())
    state = stretched(method, walk(900), [])[2]
    assert before.shape == state.shape
    assert state.dtype == np.float64
    assert state.ndim == 1


@streamed
def test_what_waits_is_causal_after_its_delay(method: Method) -> None:
    y, params = walk(900), method.params()
    waits = method.delay(params) if method.delay else 0
    whole = method.run(y, params)
    for m in (waits + 1, 16, 17, 64, 65, 300, 511, 899):
        assert (method.run(y[:m].copy(), params)[: m - waits] == whole[: m - waits]).all()
    assert waits == 0 or (method.run(y[:300].copy(), params) != whole[:300]).any()


@each_method
def test_bad_input_is_refused_with_a_code(method: Method) -> None:
    y = walk(40)
    with pytest.raises(TooShort):
        denoise(np.empty(0), method=method.name)
    for bad in (np.nan, np.inf, -np.inf):
        spoiled = y.copy()
        spoiled[7] = bad
        with pytest.raises(NotFinite) as caught:
            denoise(spoiled, method=method.name)
        assert caught.value.errors[0].pointer == "/values/7"


@each_method
def test_answer_says_what_it_is(method: Method) -> None:
    answer = denoise(walk(), method=method.name)
    assert answer.method == method.name
    assert answer.causal is method.causal
    assert set(answer.params) == {f.name for f in fields(method.params)}
    assert answer.reason
