"""A live column: a causal method, or one of fixed lag, that takes its samples as they come and never goes back by itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rpsd.core.catalogue import Method
from rpsd.core.errors import BadParameter, CorruptData, Fault, UnknownMethod
from rpsd.core.market import Times, Vector
from rpsd.core.model import Packet
from rpsd.core.parameters import build
from rpsd.denoise import METHODS, door
from rpsd.denoise import scale as scales

_AUTOMATIC: Final = "model_average"
"""What `auto` means for a stream."""
Mask = npt.NDArray[np.bool_]
_LATEST: Final = -(2**63)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a live column computes: a method with a stream, its parameters, the scale price or log, and the samples that it waits for."""

    method: Method
    params: Any
    scale: str
    lag: int


@dataclass(frozen=True, slots=True)
class State:
    """Where a live column stands; nothing of the past beyond it is needed.

    `inner` is the method's own state, `length` the samples of the session so far, `value` the last usable one, `known_ns` the latest
    moment at which any sample taken in was known; `waiting_t`, `waiting`, `waiting_seen` (k,) are the last k <= lag samples, which have no
    value yet, and whether each was seen or repeats the one before.
    """

    pace: scales.Pace
    inner: Vector
    length: int
    value: float
    known_ns: int
    waiting_t: Times
    waiting: Vector
    waiting_seen: Mask


@dataclass(frozen=True, slots=True)
class Advanced:
    """Values that have become available: x̂ (n,) and the deviation of its error (n,), in the input's unit, at times t (n,).

    The deviation is NaN where x̂ is the input, where the sample was missing, and of methods without a model of their error.
    `available_at` (n,) in ns UTC is when the last sample that each rests on was known.
    """

    t: Times
    values: Vector
    deviation: Vector
    available_at: Times


def plan(method: str, params: Mapping[str, Any], *, lag: int | None = None, scale: str = "price") -> Plan:
    """The plan of a declaration; `lag` is the parameter of that name of a method that waits, and without a method asks for fixed_lag.

    Raises UnknownMethod for a method that looks ahead, InvalidRequest for an unknown scale, BadParameter.
    """
    door.check_words(scale=scale)
    if scale not in ("price", "log"):
        raise BadParameter(f"{scale} is not a scale of a live column", errors=[Fault("/scale", "expected one of price, log")])
    chosen = _find("fixed_lag" if method == "auto" and lag is not None else method)
    if lag is not None:
        if chosen.delay is None:
            reason = f"{chosen.name} does not wait; leave lag out, or choose fixed_lag"
            raise BadParameter(f"/lag: {reason}", errors=[Fault("/lag", reason)])
        params = {**params, "lag": lag}
    built = build(chosen.params, params)
    return Plan(chosen, built, scale, chosen.delay(built) if chosen.delay else 0)


def _find(name: str) -> Method:
    streaming = {method.name: method for method in METHODS if method.stream is not None}
    if name == "auto" or name in streaming:
        return streaming[_AUTOMATIC if name == "auto" else name]
    looks_ahead = any(method.name == name for method in METHODS)
    reason = f"{name[:40]!r} looks ahead" if looks_ahead else f"{name[:40]!r} is not a method"
    raise UnknownMethod(
        f"{reason}; a live column needs auto, {', '.join(streaming)}",
        errors=[Fault("/method", reason)],
        hint="POST …/denoise serves methods that look ahead, over stored data; GET /api/v1/denoise/methods tells which are causal.",
    )


def has_deviation(made: Plan) -> bool:
    """Whether the plan's method has a model of its error."""
    advanced, _ = advance(made, beginning(made), np.arange(64) * 10**9, np.sin(np.arange(64.0)) + 2.0, np.arange(64) * 10**9)
    return bool(np.isfinite(advanced.deviation).any())


def beginning(made: Plan) -> State:
    """The state before the first sample."""
    return State(scales.BEFORE, _start(made), 0, np.nan, _LATEST, np.empty(0, np.int64), np.empty(0), np.empty(0, np.bool_))


def _start(made: Plan) -> Vector:
    assert made.method.stream is not None  # a plan has no other
    return made.method.stream.start(made.params)


def advance(made: Plan, state: State, t: Times, values: Vector, known: Times) -> tuple[Advanced, State]:
    """Take in the next samples: values (n,) in any unit, NaN where missing, at times t (n,) above all before, known at `known` (n,).

    As in denoise(causality="causal", fill="bridge"): sessions are cut at gaps by the intervals before them, a value that is missing or not
    usable (beyond 1e70, not positive on the log scale) repeats the last one, the first 15 samples of a session are the input. Samples
    before the first usable value are passed over. Any split of the samples into stretches gives the same numbers, bit for bit. Causal up
    to the plan's lag; the state given stays as it is. O(n).
    """
    usable = np.abs(values) <= scales.LARGEST  # False for NaN
    if made.scale == "log":
        usable &= values > 0.0
    if state.pace.t is None:
        first = int(np.argmax(usable)) if usable.any() else t.size
        t, values, known, usable = t[first:], values[first:], known[first:], usable[first:]
    last = np.maximum.accumulate(np.where(usable, np.arange(t.size), -1))
    filled = np.where(last >= 0, values[last], state.value) if t.size else np.empty(0)
    begins, pace = scales.beginnings(t, state.pace)
    available = np.maximum.accumulate(np.maximum(known, state.known_ns))
    walk = _Walk(made, replace(state, inner=state.inner.copy()))
    bounds = np.unique(np.concatenate([[0], np.flatnonzero(begins), [t.size]])).tolist()
    for start, stop in pairwise(bounds):
        if begins[start]:
            walk.end_session(int(available[start]))
        walk.take(t[start:stop], filled[start:stop], usable[start:stop], available[start:stop])
    moved = walk.state
    if t.size:
        moved = replace(moved, pace=pace, value=float(filled[-1]), known_ns=int(available[-1]))
    return walk.gathered(), moved


def available_at(t: Times, known: Times, lag: int) -> Times:
    """When each value of a one-off result of that lag can be known (n,), ns UTC; its samples at t (n,) were known at `known` (n,).

    Equal to what a live column tells. The last `lag` values still wait: theirs is the moment of the last sample there is. O(n).
    """
    starts = scales.cuts(t, t.size, causal=True)
    after = np.repeat(starts[1:], np.diff(starts))  # the first sample of the next session
    rests_on = np.minimum(np.minimum(np.arange(t.size) + lag, after), t.size - 1)
    return np.asarray(np.maximum.accumulate(known)[rests_on], np.int64)


class _Walk:
    """One stretch of samples on its way through the sessions."""

    def __init__(self, made: Plan, state: State) -> None:
        self._made, self.state = made, state
        self._parts: list[Advanced] = []

    def take(self, t: Times, values: Vector, seen: Mask, available: Times) -> None:
        """Samples of the present session."""
        made, state = self._made, self.state
        assert made.method.stream is not None
        held = state.waiting.size
        t, values = np.concatenate([state.waiting_t, t]), np.concatenate([state.waiting, values])
        seen = np.concatenate([state.waiting_seen, seen])
        y = values if made.scale == "price" else np.log(values)
        x, deviation = made.method.stream.advance(state.inner, np.ascontiguousarray(y[held:]), made.params)
        skipped = max(made.lag - state.length, 0)  # places that are still without a sample to speak of
        x, deviation, available = x[skipped:], deviation[skipped:], available[skipped:]
        first, n = state.length - held, x.size
        bare = np.arange(first, first + n) < scales.SHORTEST - 1
        self._emit((t[:n], values[:n], y[:n], seen[:n]), (x, deviation), bare, available)
        length = state.length + t.size - held
        waiting = (t[n:].copy(), values[n:].copy(), seen[n:].copy())
        self.state = replace(state, length=length, waiting_t=waiting[0], waiting=waiting[1], waiting_seen=waiting[2])

    def end_session(self, available_ns: int) -> None:
        """What still waits gets its value from what the session has shown; the next sample begins another one."""
        made, state = self._made, self.state
        assert made.method.stream is not None
        if state.waiting.size and made.method.stream.flush is not None:
            y = state.waiting if made.scale == "price" else np.log(state.waiting)
            place = np.arange(state.length - y.size, state.length)
            bare = (place < scales.SHORTEST - 1) | (state.length < scales.SHORTEST)
            found = made.method.stream.flush(state.inner, made.params)
            self._emit((state.waiting_t, state.waiting, y, state.waiting_seen), found, bare, np.full(y.size, available_ns))
        fresh = beginning(made)
        self.state = replace(fresh, pace=state.pace, value=state.value, known_ns=state.known_ns)

    def _emit(self, of: tuple[Times, Vector, Vector, Mask], found: tuple[Vector, Vector], bare: Mask, available: Times) -> None:
        """Note x̂ and deviation `found` of the samples `of` (t, value, y, seen); where `bare`, the input stands."""
        t, values, y, seen = of
        x, deviation = np.where(bare, y, found[0]), np.where(bare | ~seen, np.nan, found[1])
        if self._made.scale == "log":
            x = scales.corrected(values, x - y)
            deviation = deviation * x  # to first order
        self._parts.append(Advanced(t, x, deviation, available))

    def gathered(self) -> Advanced:
        """All that became available."""
        if len(self._parts) == 1:
            return self._parts[0]
        none = Advanced(np.empty(0, np.int64), np.empty(0), np.empty(0), np.empty(0, np.int64))
        parts = [none, *self._parts]
        joined: Callable[[str], Any] = lambda name: np.concatenate([getattr(part, name) for part in parts])  # noqa: E731
        return Advanced(joined("t"), joined("values"), joined("deviation"), joined("available_at"))


def pack(state: State) -> bytes:
    """The state as bytes."""
    pace = state.pace
    head = {"t": pace.t, "seen": pace.seen, "length": state.length, "known_ns": state.known_ns}
    arrays = {
        "intervals": pace.intervals, "inner": state.inner, "value": np.array([state.value]),
        "waiting_t": state.waiting_t, "waiting": state.waiting, "waiting_seen": state.waiting_seen.astype(np.uint8),
    }  # fmt: skip
    return Packet(head, arrays).pack()


def fits(made: Plan, state: State) -> bool:
    """Whether the state is one of this plan; a release whose method keeps another state has to begin anew."""
    return state.inner.shape == _start(made).shape and state.waiting_t.size <= made.lag


def unpack(data: bytes) -> State:
    """The state of pack(). Raises CorruptData."""
    packet = Packet.unpack(data)
    head, arrays = packet.head, packet.arrays
    try:
        pace = scales.Pace(head["t"], arrays["intervals"].copy(), head["seen"])
        waiting = (arrays["waiting_t"].copy(), arrays["waiting"].copy(), arrays["waiting_seen"].astype(np.bool_))
        return State(pace, arrays["inner"].copy(), head["length"], float(arrays["value"][0]), head["known_ns"], *waiting)
    except (KeyError, IndexError) as error:
        raise CorruptData("the state of a live column lacks a part") from error
