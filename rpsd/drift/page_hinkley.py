"""Page-Hinkley: a stream whose mean moves away from what it was."""

from dataclasses import dataclass

from rpsd.core.market import Vector


@dataclass(frozen=True, slots=True)
class PageHinkleyParameters:
    """Move that is tolerated, sum at which it cries, values before it may, and how fast it forgets; all in the unit of the stream."""

    tolerated: float = 0.005
    threshold: float = 50.0
    least: int = 30
    forgetting: float = 0.9999


def alarms(x: Vector, params: PageHinkleyParameters) -> list[int]:
    """Places in x (n,), no NaN, at which the mean has moved up or down; after each the detector starts anew.

    Causal: an alarm at place t uses x[: t + 1] alone. Deterministic, O(n). It supposes independent values.
    Source: Page (1954), Biometrika 41, 100-115; Hinkley (1971), Biometrika 58, 509-523.
    """
    found: list[int] = []
    start = 0
    mean = up = down = lowest = highest = 0.0
    for t, value in enumerate(x.tolist()):
        seen = t - start + 1
        if seen == 1:
            mean = up = down = 0.0
            lowest, highest = float("inf"), float("-inf")
        mean += (value - mean) / seen
        up = params.forgetting * up + value - mean - params.tolerated
        down = params.forgetting * down + value - mean + params.tolerated
        lowest, highest = min(lowest, up), max(highest, down)
        if seen >= params.least and (up - lowest > params.threshold or highest - down > params.threshold):
            found.append(t)
            start = t + 1
    return found
