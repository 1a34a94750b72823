"""Accelerated expectation-maximisation of many hidden Markov models, eight side by side: a lane that ends takes up the next one.

Two steps of EM tell where the steps lead; the jump there is kept when the penalised likelihood has not fallen, else the second step is.
Source: Varadhan, Roland (2008), Scand. J. Statist. 35, 335-353, scheme S3.
"""

import math
from typing import Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.core.result import Labels, Matrix
from rpsd.kernels.jit import kernel
from rpsd.kernels.lanes import LEAST_DF, MOST_DF, Series, backward, forward, maximise
from rpsd.kernels.vector import LANES

Data = tuple[Vector, Labels, Vector, Matrix]
"""values, all series one after another; offsets (series + 1,); floors (series,), least squared scales; counts (k, k) of the prior."""
Runs = tuple[Matrix, Labels, Matrix, Labels, Labels]
"""Of each run: model (runs, rows), changed in place; its series (runs,); trace (runs, limit); accepted evaluations; 1 if converged."""

_FIRST: Final = 0
_SECOND: Final = 1
_THIRD: Final = 2
_HERE: Final = 3
_KEPT: Final = 4
_LEAST_KEPT: Final = 0.01  # a jump leaves a probability at least this share of its own, for EM could not revive a zero
_MOST_LOG: Final = 2.0  # a jump changes a scale or the degrees of freedom by a factor of e^2 at most


@kernel
def penalty_in_lane(k: int, model: Vector, lane: int, counts: Matrix) -> float:
    """Log prior in nats, up to a constant, of the moves of one lane's model."""
    total = 0.0
    for i in range(k):
        for j in range(k):
            if counts[i, j] > 0.0:
                total += counts[i, j] * math.log(model[(k + i * k + j) * LANES + lane])
    return total


@kernel
def coordinate(k: int, place: int, points: Matrix, number: int, lane: int) -> float:
    """Where a point stands on the scale on which steps are compared: root of probabilities, location in deviations, logarithms."""
    value = float(points[number, place * LANES + lane])
    location = k * (k + 1)
    if place < location:
        return math.sqrt(value)
    if place < location + k:
        return value / math.sqrt(points[_FIRST, (place + k) * LANES + lane])
    return math.log(value) if value < np.inf else 0.0


@kernel
def course(k: int, place: int, points: Matrix, lane: int) -> tuple[float, float, float]:
    """The first point, the step from it, and by how much the step after that differs."""
    first = coordinate(k, place, points, _FIRST, lane)
    second = coordinate(k, place, points, _SECOND, lane)
    third = coordinate(k, place, points, _THIRD, lane)
    return first, second - first, third - 2.0 * second + first


@kernel
def land(k: int, place: int, points: Matrix, lane: int, target: float, floor: float) -> None:
    """Set one place of `here` to the value whose coordinate is the target, within bounds about the third point."""
    at, location = place * LANES + lane, k * (k + 1)
    safe = points[_THIRD, at]
    if place < location:
        points[_HERE, at] = max(target, 0.0) ** 2 if target * target > _LEAST_KEPT * safe and target > 0.0 else _LEAST_KEPT * safe
    elif place < location + k:
        points[_HERE, at] = target * math.sqrt(points[_FIRST, at + k * LANES])
    elif safe < np.inf:
        value = safe * math.exp(min(max(target - math.log(safe), -_MOST_LOG), _MOST_LOG))
        points[_HERE, at] = max(value, floor) if place < location + 2 * k else min(max(value, LEAST_DF), MOST_DF)
    else:
        points[_HERE, at] = safe


@kernel
def normalise(k: int, points: Matrix, lane: int) -> None:
    """Make the start distribution and each row of moves of `here` sum to one."""
    for group in range(k + 1):
        total = 0.0
        for place in range(group * k, group * k + k):
            total += points[_HERE, place * LANES + lane]
        for place in range(group * k, group * k + k):
            points[_HERE, place * LANES + lane] /= total


@kernel
def jump(k: int, points: Matrix, lane: int, floor: float) -> None:
    """Set the lane's point `here` to where the steps from the first to the second to the third lead."""
    places = points.shape[1] // LANES
    moved, bent = 0.0, 0.0
    for place in range(places):
        a, step, bend = course(k, place, points, lane)
        moved += step * step
        bent += bend * bend
    length = max(math.sqrt(moved / bent), 1.0) if bent > 0.0 else 1.0
    for place in range(places):
        a, step, bend = course(k, place, points, lane)
        land(k, place, points, lane, a + length * (2.0 * step + length * bend), floor)
    normalise(k, points, lane)


@kernel
def copy_lane(source: Vector, target: Vector, lane: int) -> None:
    """Copy one lane."""
    for at in range(lane, source.size, LANES):
        target[at] = source[at]


@kernel
def advance(k: int, lane: int, stage: int, accepted: bool, points: Matrix, following: Vector, floor: float) -> int:
    """Set the lane's next point to evaluate, given how the last one went; returns its stage: 0, 1 after EM steps, 2 after a jump."""
    if stage == 2 and not accepted:
        copy_lane(points[_THIRD], points[_HERE], lane)
        return 0
    if stage == 1:
        copy_lane(points[_HERE], points[_SECOND], lane)
        copy_lane(following, points[_THIRD], lane)
        jump(k, points, lane, floor)
        return 2
    copy_lane(points[_HERE], points[_FIRST], lane)
    copy_lane(following, points[_HERE], lane)
    return 1


@kernel
def take_up(run: int, lane: int, data: Data, runs: Runs, points: Matrix, series: Series, floors: Vector) -> None:
    """Put the run's model and series into the lane."""
    values, offsets, least, _ = data
    models, whose = runs[0], runs[1]
    bars, x = series
    for place in range(models.shape[1]):
        points[_HERE, place * LANES + lane] = models[run, place]
    begin, end = offsets[whose[run]], offsets[whose[run] + 1]
    for t in range(end - begin):
        x[t * LANES + lane] = values[begin + t]
    bars[lane] = end - begin
    floors[lane] = least[whose[run]]


@kernel
def climb(data: Data, tolerance: float, runs: Runs) -> None:
    """Run accelerated EM on every run from its model, in place, for at most as many evaluations as its row of trace is long.

    trace receives the penalised log-likelihood in nats of each accepted evaluation; it never falls but for rounding. A run ends when a
    step of EM gains less than tolerance nats per bar; the model it leaves is the one accepted last. O(n k^2) an evaluation.
    """
    models, whose, trace, accepted, converged = runs
    offsets, counts, k = data[1], data[3], data[3].shape[0]
    longest = 0
    for run in range(whose.size):
        longest = max(longest, offsets[whose[run] + 1] - offsets[whose[run]])
    series, floors = (np.zeros(LANES), np.zeros(longest * LANES)), np.ones(LANES)
    room = longest * k * LANES
    passes = (np.empty(room), np.empty(room), np.empty(room), np.empty(longest * LANES))
    places = models.shape[1] * LANES
    points, following, tallies = np.ones((5, places)), np.empty(places), np.empty((k * k + 5 * k + 1) * LANES)
    score, stage, spent, running = np.empty(LANES), np.zeros(LANES, np.int64), np.zeros(LANES, np.int64), np.full(LANES, -1)
    waiting, active = 0, 0
    while True:
        for lane in range(LANES):
            if running[lane] < 0 and waiting < whose.size:
                take_up(waiting, lane, data, runs, points, series, floors)
                running[lane], stage[lane], spent[lane], accepted[waiting] = waiting, 0, 0, 0
                waiting, active = waiting + 1, active + 1
        if active == 0:
            return
        n = int(series[0].max())
        forward(k, n, points[_HERE], series, passes, score)
        backward(k, n, points[_HERE], series, passes, tallies)
        maximise(k, points[_HERE], tallies, (counts.ravel(), floors), following)
        for lane in range(LANES):
            if running[lane] < 0:
                continue
            spent[lane] += 1
            reached = score[lane] + penalty_in_lane(k, points[_HERE], lane, counts)
            good, settled = judge(running[lane], reached, stage[lane], tolerance * series[0][lane], runs)
            if good:
                copy_lane(points[_HERE], points[_KEPT], lane)
            if settled or spent[lane] == trace.shape[1]:
                converged[running[lane]] = settled
                for place in range(models.shape[1]):
                    models[running[lane], place] = points[_KEPT, place * LANES + lane]
                running[lane], series[0][lane], active = -1, 0.0, active - 1
            else:
                stage[lane] = advance(k, lane, stage[lane], good, points, following, floors[lane])


@kernel
def judge(run: int, reached: float, stage: int, least: float, runs: Runs) -> tuple[bool, bool]:
    """Record what the run reached unless it was a jump down; returns whether it is recorded, and whether EM has converged."""
    _, _, trace, accepted, _ = runs
    known = accepted[run]
    gain = reached - trace[run, known - 1] if known > 0 else np.inf
    if stage == 2 and not gain >= 0.0:
        return False, False
    trace[run, known] = reached
    accepted[run] = known + 1
    return True, stage != 2 and gain < least


def warm() -> None:
    """Compile, or load from the cache, the kernel of this file that Python calls, in the one signature that is used."""
    model = np.array([[0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.0, 1.0, 1.0, 1.0, 5.0]])
    data = (np.array([0.0, 1.0, 2.0]), np.array([0, 3]), np.array([0.1]), np.ones((2, 2)))
    climb(data, 1e-6, (model, np.zeros(1, np.int64), np.empty((1, 3)), np.zeros(1, np.int64), np.zeros(1, np.int64)))
