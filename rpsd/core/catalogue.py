"""What a member of a catalogue is: a method with its parameters, its claim of causality and its source."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rpsd.core.market import Vector


@dataclass(frozen=True, slots=True)
class Stream:
    """A method taken one stretch at a time: one session, working scale.

    `start(params)` is the state before the first sample: a flat float64 vector (k,), k given by params alone. `advance(state, y, params)`
    takes y (n,), finite, into the state in place and returns x̂ (n,) and the standard deviation of its error (n,), NaN where the method
    has no model of it. Any split of y into stretches gives the same numbers, bit for bit. With a delay of d samples the value at place i
    belongs to sample i - d of the session, NaN where there is none; `flush(state, params)` then gives value and deviation of the last
    min(d, seen) samples from what has been seen so far, oldest first, and leaves the state alone.
    """

    start: Callable[[Any], Vector]
    advance: Callable[[Vector, Vector, Any], tuple[Vector, Vector]]
    flush: Callable[[Vector, Any], tuple[Vector, Vector]] | None = None


@dataclass(frozen=True, slots=True)
class Method:
    """A denoiser. `run(y, params)` maps y (n,), finite, one session, on the working scale, to x̂ (n,) of the same unit.

    `causal` claims that run(y[:m]) equals run(y)[:m]; the contract suite proves it. `params` is a dataclass of
    core/parameters.py with a field `strength` in [0, 1] that the back-off halves. `cost` is in words: "O(n)". `summary` is one sentence.
    Every causal method has a `stream`; so has one that waits for `delay(params)` samples, and then run(y[:m])[:m-d] equals run(y)[:m-d].
    `deviation(y, params)` is the standard deviation of the error of run(y, params) (n,) of a method that looks ahead and has a model of it.
    `response(y, params)` is run(y, params) and dx̂_t/dy_t (n,) of a method that knows it without a probe.
    """

    name: str
    causal: bool
    params: type[Any]
    run: Callable[[Vector, Any], Vector]
    source: str
    cost: str
    summary: str
    stream: Stream | None = None
    delay: Callable[[Any], int] | None = None
    deviation: Callable[[Vector, Any], Vector] | None = None
    response: Callable[[Vector, Any], tuple[Vector, Vector]] | None = None
