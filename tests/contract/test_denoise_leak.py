"""Whoever claims causality earns nothing on random walks. A short version of the one in tests/quality/denoise_table.py."""

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


def test_what_looks_ahead_is_caught() -> None:
    """The control: the classic pipeline earns what nobody can earn."""
    wavelet = next(m for m in METHODS if m.name == "wavelet")
    assert leak.earned(leak.through_the_door(wavelet), WALKS).sharpe > 4.0


@pytest.mark.parametrize("early", [1, 2])
def test_a_peek_of_one_sample_is_caught(early: int) -> None:
    """The control: a causal filter whose values come a sample too early."""
    ema = leak.through_the_door(next(m for m in METHODS if m.name == "ema"))

    def peeking(y: object) -> object:
        x = ema(y).copy()  # type: ignore[arg-type]
        x[:-early] = x[early:]
        return x

    assert leak.earned(peeking, WALKS).sharpe > 4.0  # type: ignore[arg-type]
