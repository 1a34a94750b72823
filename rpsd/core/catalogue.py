"""What a member of a catalogue is: a method with its parameters, its claim of causality and its source."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rpsd.core.market import Vector


@dataclass(frozen=True, slots=True)
class Method:
    """A denoiser. `run(y, params)` maps y (n,), finite, one session, on the working scale, to x̂ (n,) of the same unit.

    `causal` claims that run(y[:m]) equals run(y)[:m]; the contract suite proves it. `params` is a dataclass of
    core/parameters.py with a field `strength` in [0, 1] that the back-off halves. `cost` is in words: "O(n)". `summary` is one sentence.
    """

    name: str
    causal: bool
    params: type[Any]
    run: Callable[[Vector, Any], Vector]
    source: str
    cost: str
    summary: str
