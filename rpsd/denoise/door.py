"""What a denoise request must be before any number is computed: known words, finite values, sorted times."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rpsd.core.catalogue import Method
from rpsd.core.errors import BadRows, Fault, InvalidRequest, NotFinite, TooShort, UnknownMethod
from rpsd.core.market import Times, Vector
from rpsd.core.parameters import build
from rpsd.denoise import METHODS
from rpsd.denoise.scale import LARGEST

_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "causality": ("hindsight", "causal", "lag"),
    "scale": ("auto", "price", "log", "return"),
    "fill": ("none", "bridge"),
}
_MOST_FAULTS: Final = 100


def check_words(**given: str) -> None:
    """Raises InvalidRequest when causality, scale or fill is not one of its words."""
    faults = [
        Fault(f"/{name}", f"expected one of {', '.join(_WORDS[name])}, got {value[:40]!r}")
        for name, value in given.items()
        if value not in _WORDS[name]
    ]
    if faults:
        raise InvalidRequest(f"{faults[0].pointer}: {faults[0].reason}", errors=faults)


def check_lag(causality: str, lag: int | None) -> None:
    """Raises InvalidRequest when a lag comes without causality lag, or is not at least one sample."""
    if lag is None:
        return
    reason = None
    if causality != "lag":
        reason = f'lag goes with "causality": "lag", not with {causality}'
    elif type(lag) is not int or lag < 1:
        reason = f"expected at least one sample, got {lag}"
    if reason:
        raise InvalidRequest(f"/lag: {reason}", errors=[Fault("/lag", reason)])


def allowed(method: Method, causality: str) -> bool:
    """Whether the method may answer: a causal request needs a causal method, one with a lag a method that waits no longer than it says."""
    return method.causal or causality == "hindsight" or (causality == "lag" and method.delay is not None)


def find(name: str, causality: str) -> Method:
    """The method of the catalogue. Raises UnknownMethod when there is none, or when it looks further ahead than the request allows."""
    for method in METHODS:
        if method.name == name:
            if not allowed(method, causality):
                kind = "a causal answer" if causality == "causal" else "an answer with a lag"
                reason = f"{name} looks ahead; {kind} needs {', '.join(m.name for m in METHODS if allowed(m, causality))}"
                raise UnknownMethod(reason, errors=[Fault("/method", reason)])
            return method
    reason = f"{name[:40]!r} is not a method; known are auto, {', '.join(m.name for m in METHODS)}"
    raise UnknownMethod(reason, errors=[Fault("/method", reason)])


def check_times(t: Times | None, n: int) -> None:
    """Raises BadRows unless t is None or (n,) and strictly increasing."""
    if t is None:
        return
    if t.shape != (n,):
        raise BadRows(f"{t.size} times for {n} values", errors=[Fault("/t", f"{t.size} times for {n} values")])
    backward = np.flatnonzero(t[1:] <= t[:-1])
    if backward.size:
        row = int(backward[0]) + 1
        raise BadRows(f"time {row} is not after the one before", errors=[Fault(f"/t/{row}", "not after the time before")])


def _refuse(bad: npt.NDArray[np.bool_], values: Vector, hint: str | None = None) -> None:
    rows = np.flatnonzero(bad)
    faults = [
        Fault(f"/values/{i}", "missing (NaN)" if np.isnan(values[i]) else f"{values[i]:g} is beyond {LARGEST:g}")
        for i in rows[:_MOST_FAULTS]
    ]
    raise NotFinite(f"{rows.size} of {values.size} values are not usable numbers, the first at {rows[0]}", errors=faults, hint=hint)


def finite(values: Vector, fill: str, *, causal: bool) -> tuple[Vector, int]:
    """The values (n,) without NaN as a writable array, and how many were bridged; the input stays untouched, and is not copied needlessly.

    fill none refuses every NaN. bridge draws a straight line between the neighbours (the nearest value at the ends); a causal bridge
    may not look ahead and carries the last value forward. All missing comes back as it is. Raises NotFinite, TooShort (no values),
    BadRows (not one-dimensional).
    """
    y = np.require(values, np.float64, ["C", "W"])  # kernels are compiled for writable arrays; none writes into its input
    if y.ndim != 1:
        raise BadRows("values must be one list of numbers", errors=[Fault("/values", "not a flat list")])
    if y.size == 0:
        raise TooShort("no values", errors=[Fault("/values", "empty")])
    if float(y.max()) <= LARGEST and float(y.min()) >= -LARGEST:  # False as well when a value is missing
        return y, 0
    size = np.abs(y)
    if (size > LARGEST).any():
        _refuse(size > LARGEST, y)
    missing = np.isnan(y)
    if fill == "none":
        _refuse(missing, y, 'Remove the values, or send "fill": "bridge".')
    if missing.all():
        return y, y.size
    if causal and missing[0]:
        _refuse(
            missing & (np.cumsum(~missing) == 0), y, "A causal bridge has nothing to carry before the first value: begin with a number."
        )
    known = np.flatnonzero(~missing)
    if causal:
        y = y[known[np.searchsorted(known, np.arange(y.size), "right") - 1]]
    else:
        y = y.copy()
        y[missing] = np.interp(np.flatnonzero(missing), known, y[known])
    return y, int(missing.sum())


def method_parameters(method: Method, given: Mapping[str, Any], defaults: Mapping[str, Any], lag: int | None = None) -> Any:
    """Parameters of the method: the request's over the configured defaults of `wavelet`; a method that waits takes the request's lag.

    Raises BadParameter, InvalidRequest when the lag stands in the parameters too, with another number.
    """
    if method.name == "wavelet":
        given = {**defaults, **given}
    elif method.delay is not None and lag is not None:
        if given.get("lag", lag) != lag:
            reason = f"{lag} here and {str(given['lag'])[:20]} in params"
            raise InvalidRequest(f"/lag: {reason}", errors=[Fault("/lag", reason)])
        given = {**given, "lag": lag}
    return build(method.params, given)
