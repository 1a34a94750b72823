"""Whoever claims causality earns nothing on random walks. A short version of the one in tests/quality/denoise_table.py."""

from typing import Any

import pytest

from rpsd.denoise import METHODS
from tests.quality import leak

WALKS = leak.walks(60, 500, seed=11)
HONEST = [None, *(m for m in METHODS if m.causal or m.delay)]


def short(method: object) -> str:
    return getattr(method, "name", "auto")


@pytest.mark.parametrize("method", HONEST, ids=short)
def test_what_claims_causality_earns_nothing(method: object) -> None:
    wait = leak.delay_of(method) if method else 0  # type: ignore[arg-type]
    assert not leak.earned(leak.through_the_door(method), WALKS, wait).leaks  # type: ignore[arg-type]


@pytest.mark.parametrize("early", [1, 2])
def test_a_peek_of_one_sample_is_caught(early: int) -> None:
    """The control: a causal filter whose values come a sample too early."""
    ema = leak.through_the_door(next(m for m in METHODS if m.name == "ema"))

    def peeking(y: object) -> object:
        x = ema(y).copy()  # type: ignore[arg-type]
        x[:-early] = x[early:]
        return x

    assert leak.earned(peeking, WALKS).sharpe > 4.0  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "settings"), [("wavelet", {}), ("fixed_lag", {"ratio": 0.25}), ("kalman_smoother", {"ratio": 0.25})])
def test_what_looks_ahead_is_caught(name: str, settings: dict[str, Any]) -> None:
    """The control, on the methods themselves: one that looks ahead, one that hides its delay, and a smoother made to smooth a walk."""
    method = {m.name: m for m in METHODS}[name]
    assert leak.earned(lambda y: method.run(y, method.params(**settings)), WALKS).sharpe > 4.0
