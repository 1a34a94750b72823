"""The catalogue of what tells drift: distances between two windows, and detectors that watch a stream."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from rpsd.drift import adwin, ks, page_hinkley, psi, shift, wasserstein


@dataclass(frozen=True, slots=True)
class Detector:
    """A member: a distance `run(before, after)` of two windows, or `run(x, params)`, the places in a stream at which it cries.

    `params` is the dataclass of a stream's detector, None of a distance. None of them decides what a scan calls significant.
    """

    name: str
    run: Callable[..., Any]
    params: type[Any] | None
    summary: str
    source: str


DETECTORS: Final[tuple[Detector, ...]] = (
    Detector("psi", psi.psi, None, "Population stability index over ten bins with open ends, in nats.", "Jeffreys (1946)"),
    Detector("ks", ks.ks, None, "Widest gap between two distribution functions.", "Smirnov (1948)"),
    Detector("wasserstein", wasserstein.wasserstein, None, "Area between two distribution functions.", "Vallender (1974)"),
    Detector("shift", shift.shift, None, "Shift of the mean in deviations, and ratio of the deviations.", "Cohen (1988)"),
    Detector(
        "page_hinkley",
        page_hinkley.alarms,
        page_hinkley.PageHinkleyParameters,
        "Cumulative sum against the running mean of a stream.",
        "Page (1954); Hinkley (1971)",
    ),
    Detector("adwin", adwin.alarms, adwin.AdwinParameters, "Window that lets go of a part with another mean.", "Bifet and Gavalda (2007)"),
)
