"""Many series of one length under one request: the answers of `run.denoise`, from one pass over a matrix.

Worth it where the numbers cost less than the interpreter around them: the wavelet method without its low pass, judged by nothing.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rpsd.core.errors import RpsdError
from rpsd.core.market import Vector
from rpsd.core.parameters import WaveletParameters
from rpsd.core.result import DenoiseResult, Matrix
from rpsd.denoise import door, run, wavelet
from rpsd.denoise import scale as scales
from rpsd.kernels import wavelet as kernels

_NAMES: Final = tuple(field.name for field in fields(DenoiseResult))
_VALUES: Final = _NAMES.index("values")
_REDUCTION: Final = _NAMES.index("variance_reduction")
assert _VALUES == 0


def fits(how: Mapping[str, Any]) -> bool:
    """Whether series without times may be stacked under these arguments of `run.denoise`; what it would refuse does not fit."""
    plain = how["method"] == "wavelet" and how["causality"] == "hindsight" and how["lag"] is None and not how["band"]
    if not plain or how["guardrails"].policy != "none" or how["scale"] not in ("auto", "price", "log"):
        return False
    try:
        params: WaveletParameters = door.method_parameters(wavelet.METHOD, how["params"], how["defaults"], None)
    except RpsdError:
        return False
    return wavelet.is_fused(params) and not params.use_fir_filter


def denoise(values: Matrix, how: Mapping[str, Any]) -> list[DenoiseResult | None]:
    """The result of `run.denoise(row, **how)` for each row of values (k, n), bit for bit; None where that must be asked itself.

    `how` fits(); None stands for rows that are not regular (missing, constant, too large, not positive on the log scale) and for series
    too short to transform. Not causal. O(k n). Raises nothing of its own. Source: that of `wavelet`.
    """
    results: list[DenoiseResult | None] = [None] * values.shape[0]
    low, high = values.min(axis=1), values.max(axis=1)
    regular = (low >= -scales.LARGEST) & (high <= scales.LARGEST) & (low < high)  # False as well when a value is missing
    logs = np.full(low.size, how["scale"] == "log")
    if how["scale"] == "auto":
        logs = regular & (low > 0.0) & (high > scales.WIDE * low)
        for row in np.flatnonzero(logs):
            logs[row] = scales.grows(values[row])
    for on_log in (False, True):
        rows = np.flatnonzero(regular & (logs == on_log) & ((low > 0.0) | (not on_log)))
        if rows.size:
            _fill(results, values, rows, on_log, how)
    return results


def _fill(results: list[DenoiseResult | None], values: Matrix, rows: npt.NDArray[np.int64], on_log: bool, how: Mapping[str, Any]) -> None:
    """Results of some rows, all on the same scale; what does not depend on the numbers is taken from the first one's own answer."""
    try:
        first = run.denoise(values[rows[0]], **how)
    except RpsdError:
        return
    params: WaveletParameters = door.method_parameters(wavelet.METHOD, how["params"], how["defaults"], None)
    level = wavelet.depth(values.shape[1], params)
    if level == 0 or first.action != "accepted":
        return
    given = values if rows.size == values.shape[0] else values[rows]
    y = np.log(given) if on_log else np.require(given, np.float64, ["C", "W"])
    x = kernels.run_rows(y, wavelet.filters(params.wavelet), level, wavelet.rule(params))
    of_y, of_x = _step_variances(y), _step_variances(x)
    reductions = np.where(of_y > 0.0, 1.0 - of_x / np.where(of_y > 0.0, of_y, 1.0), 0.0).tolist()
    if on_log:
        x = scales.corrected(given, x - y)
    x.flags.writeable = False
    shared = tuple(getattr(first, name) for name in _NAMES)
    before, after = shared[1:_REDUCTION], shared[_REDUCTION + 1 :]
    for at, row in enumerate(rows.tolist()):
        results[row] = DenoiseResult(x[at], *before, reductions[at], *after)  # type: ignore[call-arg]  # by position: half the time


def _step_variances(y: Matrix) -> Vector:
    """Variance (k,) of the steps of each row, summed in the order in which `run` sums one series."""
    steps = np.diff(y, axis=1)
    steps -= steps.mean(axis=1, keepdims=True)
    return np.asarray(np.vecdot(steps, steps) / steps.shape[1])
