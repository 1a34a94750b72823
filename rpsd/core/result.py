"""Results of the numerics, in the words of the contract."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rpsd.core.market import Times, Vector
from rpsd.core.model import Packet

Matrix = npt.NDArray[np.float64]
Cube = npt.NDArray[np.float64]
"""Float64 array of two dimensions."""
Labels = npt.NDArray[np.int64]
"""Int64 array of state numbers."""
_ARRAYS: Final = ("values", "deviation", "lower", "upper")


@dataclass(frozen=True, slots=True)
class Warned:
    """Something doubtful that the answer rests on."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Guardrail:
    """One guardrail: measured value, threshold, and whether it passed; None when it does not apply."""

    value: float | None
    threshold: float | None
    passed: bool | None


@dataclass(frozen=True, slots=True)
class DenoiseResult:
    """A denoised series x̂ (n,) in the input's unit, with the account of how far to trust it.

    `action`: accepted, backed_off, flagged or returned_original. `noise_sigma` in the unit of the working scale. `snr_gain_db` is the
    predicted gain -10 log10 of the estimated risk, `trace` lists the back-off attempts. `lag`: samples that a value waits for.
    `lower` and `upper` (n,) are the 95 % band and `deviation` (n,) the standard deviation of the error of x̂, all in the input's unit, NaN
    where the method has no model of it; None unless a band was asked for.
    """

    values: Vector
    method: str
    params: Mapping[str, Any]
    causal: bool
    guardrails: Mapping[str, Guardrail]
    passed: bool
    action: str
    reason: str
    noise_sigma: float
    snr_gain_db: float | None
    variance_reduction: float
    quality_score: float
    scale: str
    trace: tuple[Mapping[str, Any], ...] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[Warned, ...] = ()
    lag: int = 0
    deviation: Vector | None = None
    lower: Vector | None = None
    upper: Vector | None = None


def packed(result: DenoiseResult) -> Packet:
    """The result on its way between processes. Raises ValueError when its account holds a number that is not finite."""
    told = {field.name: getattr(result, field.name) for field in fields(result) if field.name not in _ARRAYS}
    told |= {"guardrails": {name: asdict(one) for name, one in result.guardrails.items()}, "warnings": [asdict(w) for w in result.warnings]}
    arrays = {name: array for name in _ARRAYS if (array := getattr(result, name)) is not None}
    return Packet(_plain(told), arrays)


def unpacked(packet: Packet) -> DenoiseResult:
    """The result of a packet that packed() made; sequences of its account are lists now."""
    told = dict(packet.head)
    told["guardrails"] = {name: Guardrail(**one) for name, one in told["guardrails"].items()}
    told["warnings"] = tuple(Warned(**one) for one in told["warnings"])
    told["trace"] = tuple(told["trace"])
    told |= packet.arrays
    return DenoiseResult(**told)


def _plain(item: Any) -> Any:
    """What JSON knows, of mappings, sequences and numpy's scalars."""
    if isinstance(item, Mapping):
        return {str(name): _plain(one) for name, one in item.items()}
    if isinstance(item, list | tuple):
        return [_plain(one) for one in item]
    return item.item() if hasattr(item, "item") else item


@dataclass(frozen=True, slots=True)
class RegimeStatistics:
    """One state over its own spells; mean and volatility in percent per bar, annual figures as fractions, durations in bars.

    None where a state has no bars on the path to measure, and for the duration of a state that is never left.
    """

    label: str
    alias: str
    label_confidence: float
    mean: float
    volatility: float
    annual_return: float | None
    annual_volatility: float | None
    sharpe: float | None
    max_drawdown: float | None
    expected_duration: float | None
    occupancy: float
    episodes: int
    win_rate: float | None
    mean_duration: float | None
    median_duration: float | None


@dataclass(frozen=True, slots=True)
class RegimePath:
    """Regimes over n bars: times t (n,), state numbers (n,), probabilities (n, k) that sum to one in each row."""

    t: Times
    states: Labels
    probabilities: Matrix
    mode: str
    causal: bool
    causal_from_ns: int | None
    trained_until_ns: int
