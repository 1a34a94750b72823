"""The test signals of the denoising chapter: each draw gives the truth and what is observed of it."""

from collections.abc import Callable

import numpy as np
import pywt

from rpsd.core.market import Vector

Draw = Callable[[np.random.Generator], tuple[Vector, Vector]]
_STEP = 1e-4  # standard deviation of one step of the log price
_N = 4096


def _classic(name: str, snr: float) -> Draw:
    def draw(rng: np.random.Generator) -> tuple[Vector, Vector]:
        x = pywt.data.demo_signal(name, 2048)
        x = x * (snr / x.std())
        return x, x + rng.normal(size=x.size)

    return draw


def gbm(rng: np.random.Generator) -> tuple[Vector, Vector]:
    """A random walk with noise of twice its step."""
    x = np.log(100.0) + np.cumsum(_STEP * rng.normal(size=_N))
    return x, x + 2.0 * _STEP * rng.normal(size=_N)


def jump(rng: np.random.Generator) -> tuple[Vector, Vector]:
    """A quiet walk with about twelve jumps."""
    jumps = (rng.random(_N) < 12.0 / _N) * 30.0 * _STEP * rng.normal(size=_N)
    x = np.log(100.0) + np.cumsum(0.3 * _STEP * rng.normal(size=_N) + jumps)
    return x, x + 5.0 * _STEP * rng.normal(size=_N)


def stochastic_volatility(rng: np.random.Generator) -> tuple[Vector, Vector]:
    """Step and noise follow one log-volatility AR(1) and a U-shaped day."""
    h, state = np.empty(_N), 0.0
    for t, shock in enumerate(0.05 * rng.normal(size=_N)):
        state = 0.998 * state + shock
        h[t] = state
    day = 0.6 + 4.8 * (np.linspace(0.0, 1.0, _N) - 0.5) ** 2
    v = _STEP * np.exp(h) * day
    x = np.log(100.0) + np.cumsum(v * rng.normal(size=_N))
    return x, x + 2.0 * v * rng.normal(size=_N)


def roll_tick(rng: np.random.Generator) -> tuple[Vector, Vector]:
    """Trades at bid or ask, rounded to a cent."""
    x = np.log(100.0) + np.cumsum(_STEP * rng.normal(size=_N))
    side = np.where(rng.random(_N) < 0.5, -1.0, 1.0)
    return x, np.log(np.round(np.exp(x) * (1.0 + 3e-4 * side), 2))


def trend(rng: np.random.Generator) -> tuple[Vector, Vector]:
    """Sixteen pieces of constant drift."""
    drift = np.repeat(_STEP * rng.normal(size=16), _N // 16)
    x = np.log(100.0) + np.cumsum(drift + 0.1 * _STEP * rng.normal(size=_N))
    return x, x + 30.0 * _STEP * rng.normal(size=_N)


CASES: dict[str, Draw] = {
    **{f"{name} {snr}": _classic(name, float(snr)) for name in ("Blocks", "Bumps", "HeaviSine", "Doppler") for snr in (3, 7)},
    "GBM": gbm,
    "jump": jump,
    "stochastic volatility": stochastic_volatility,
    "Roll + tick": roll_tick,
    "trend": trend,
}
"""Name -> draw(rng) -> (truth, observed)."""
