"""From the 27 features of a book to the probabilities of down, flat and up: a logistic part, a part of trees, and their calibration.

Every model has two log-odds: of up against down, an odd function of the book, and of any move against none, an even one. Mirroring a book
(bids for asks) therefore swaps up and down exactly, to the last bit. The readable form stands above its kernel.
"""

from typing import Final, NamedTuple

import numpy as np

from rpsd.core.book import Grid, Integers
from rpsd.core.market import Vector
from rpsd.kernels.jit import kernel

_HEAD: Final = 9  # integers before the arrays of a packed model


class Forecaster(NamedTuple):
    """A model as the kernel reads it; an array that a model does not need has no elements.

    `odd` (k,), `even` (m,): columns of the logistic part; `weights` (k,) of signed logarithms, `threshold` (m + 1,) of a constant and of
    signed logarithms, none when the label knows no flat. `nodes` (K, 3): column (-1 of a leaf), left and right; `cuts` (K,): the largest
    value that goes left, or the leaf's value; `roots` (T,): first nodes, those of the direction's trees first, `direction_trees` of them;
    `base`: log-odds of a move before any tree. `source`, `sign` (27,): column j of the mirrored book is sign[j] times column source[j].
    `logistic_share`: what the logistic part counts, the trees the rest. `direction` (a, 2), `move` (b, 2): knots of the calibration, score
    and log-odds, from (0, 0) up the first; `slopes` (2,): beyond the outermost knots.
    """

    odd: Integers
    even: Integers
    weights: Vector
    threshold: Vector
    nodes: Integers
    cuts: Vector
    roots: Integers
    direction_trees: int
    base: float
    source: Integers
    sign: Vector
    logistic_share: float
    direction: Grid
    move: Grid
    slopes: Vector


class Packed(NamedTuple):
    """A Forecaster in two arrays: to hand its fifteen fields to a kernel takes four times as long as a forecast of one row.

    `integers`: how many there are of odd, even, threshold, nodes, roots, source, direction and move, `direction_trees`, and the arrays of
    integers one behind the other. `numbers`: base and logistic_share, and the arrays of numbers.
    """

    integers: Integers
    numbers: Vector


def packed(model: Forecaster) -> Packed:
    """The model as `forecast` takes it."""
    whole = (model.odd, model.even, model.nodes, model.roots, model.source)
    real = (model.weights, model.threshold, model.cuts, model.sign, model.direction, model.move, model.slopes)
    counted = (model.odd, model.even, model.threshold, model.nodes, model.roots, model.source, model.direction, model.move)
    head = np.array([*map(len, counted), model.direction_trees], np.int64)
    integers = np.concatenate([head, *(np.ravel(one) for one in whole)])
    return Packed(integers, np.concatenate([[model.base, model.logistic_share], *(np.ravel(one) for one in real)]))


def reference_forecast(x: Grid, model: Forecaster) -> tuple[Grid, Grid]:
    """Probabilities (n, 3) of down, flat, up, and the scores (n, 2) of direction and of move, infinite without flat, for x (n, 27).

    With s the odd score and h >= 0 the threshold, up is sigma(s - h) and down sigma(-s - h). Causal. O(n (k + T depth)).
    Source: McCullagh (1980), JRSS B 42, 109-142, section 2.3, with the two thresholds tied to be opposite.
    """

    def signed_log(columns: Integers) -> Grid:
        return np.sign(x[:, columns]) * np.log1p(np.abs(x[:, columns]))

    def grown(rows: Grid, roots: Integers) -> Vector:
        total = np.zeros(len(rows))
        for root in roots.tolist():
            for i, row in enumerate(rows):
                at = root
                while model.nodes[at, 0] >= 0:
                    at = model.nodes[at, 1 if row[model.nodes[at, 0]] <= model.cuts[at] else 2]
                total[i] += model.cuts[at]
        return total

    has_flat, share = model.move.shape[0] > 0, model.logistic_share
    s = (signed_log(model.odd) * model.weights).sum(axis=1)
    scores = np.column_stack([s, np.full(len(x), np.inf)])
    if model.threshold.size:
        h = np.logaddexp(0.0, model.threshold[0] + (signed_log(model.even) * model.threshold[1:]).sum(axis=1))
        moves = 1 / (1 + np.exp(h - s)) + 1 / (1 + np.exp(h + s))
        scores = np.column_stack([np.logaddexp(0.0, s + h) - np.logaddexp(0.0, h - s), np.log(moves / (1 - moves))])
    if model.roots.size:
        mirrored = model.sign * x[:, model.source]
        first, second = model.roots[: model.direction_trees], model.roots[model.direction_trees :]
        scores[:, 0] = share * scores[:, 0] + (1 - share) * (grown(x, first) - grown(mirrored, first)) / 2
        if has_flat:
            evens = model.base + (grown(x, second) + grown(mirrored, second)) / 2
            scores[:, 1] = evens if share == 0 else share * scores[:, 1] + (1 - share) * evens
    up = 1 / (1 + np.exp(-np.sign(scores[:, 0]) * _on(model.direction, model.slopes[0], np.abs(scores[:, 0]))))
    moves = 1 / (1 + np.exp(-_on(model.move, model.slopes[1], scores[:, 1]))) if has_flat else np.ones(len(x))
    return np.column_stack([moves * (1 - up), 1 - moves, moves * up]), scores


def _on(knots: Grid, slope: float, score: Vector) -> Vector:
    """The line through the knots (a, 2), going on with the slope."""
    first, last = knots[0], knots[-1]
    outside = np.minimum(score - first[0], 0.0) + np.maximum(score - last[0], 0.0)
    return np.asarray(np.interp(score, knots[:, 0], knots[:, 1]) + slope * outside)


@kernel
def _signed_log(value):  # type: ignore[no-untyped-def]
    return np.log1p(value) if value >= 0.0 else -np.log1p(-value)


@kernel
def _softplus(value):  # type: ignore[no-untyped-def]
    return max(value, 0.0) + np.log1p(np.exp(-abs(value)))


@kernel
def _sigmoid(value):  # type: ignore[no-untyped-def]
    """At -value one minus this, exactly: the smaller of the two is the difference."""
    larger = 1.0 / (1.0 + np.exp(-abs(value)))
    return larger if value >= 0.0 else 1.0 - larger


@kernel
def _on_line(knots, slope, score):  # type: ignore[no-untyped-def]
    last = knots.shape[0] - 1
    if score <= knots[0, 0]:
        return knots[0, 1] + slope * (score - knots[0, 0])
    if score >= knots[last, 0]:
        return knots[last, 1] + slope * (score - knots[last, 0])
    low, high = 0, last
    while high - low > 1:
        middle = (low + high) // 2
        if knots[middle, 0] <= score:
            low = middle
        else:
            high = middle
    share = (score - knots[low, 0]) / (knots[high, 0] - knots[low, 0])
    return knots[low, 1] + share * (knots[high, 1] - knots[low, 1])


@kernel
def _grown(nodes, cuts, roots, row):  # type: ignore[no-untyped-def]
    """Sum of the leaves that the row falls into."""
    total = 0.0
    for root in roots:
        at = root
        while nodes[at, 0] >= 0:
            at = nodes[at, 1] if row[nodes[at, 0]] <= cuts[at] else nodes[at, 2]
        total += cuts[at]
    return total


@kernel
def _unpacked(integers, numbers):  # type: ignore[no-untyped-def]
    """The model of `packed`, in views."""
    odd, even, threshold, nodes, roots = integers[0], integers[1], integers[2], integers[3], integers[4]
    source, direction, move, direction_trees = integers[5], integers[6], integers[7], integers[8]
    i, j = _HEAD, 2
    places, weights = integers[i : i + odd], numbers[j : j + odd]
    i, j = i + odd, j + odd
    evens, thresholds = integers[i : i + even], numbers[j : j + threshold]
    i, j = i + even, j + threshold
    tree, cuts = integers[i : i + 3 * nodes].reshape((nodes, 3)), numbers[j : j + nodes]
    i, j = i + 3 * nodes, j + nodes
    first, sign = integers[i : i + roots], numbers[j : j + source]
    i, j = i + roots, j + source
    mirrored, line = integers[i : i + source], numbers[j : j + 2 * direction].reshape((direction, 2))
    j += 2 * direction
    moves, slopes = numbers[j : j + 2 * move].reshape((move, 2)), numbers[j + 2 * move :]
    base, share = numbers[0], numbers[1]
    return Forecaster(
        places, evens, weights, thresholds, tree, cuts, first, direction_trees, base, mirrored, sign, share, line, moves, slopes
    )


@kernel
def _linear(row, model):  # type: ignore[no-untyped-def]
    """Direction and move of the logistic part."""
    s = 0.0
    for k in range(model.odd.size):
        s += model.weights[k] * _signed_log(row[model.odd[k]])
    if model.threshold.size == 0:
        return s, np.inf
    u = model.threshold[0]
    for k in range(model.even.size):
        u += model.threshold[k + 1] * _signed_log(row[model.even[k]])
    h = _softplus(u)
    moves = _sigmoid(s - h) + _sigmoid(-s - h)
    return _softplus(s + h) - _softplus(h - s), np.log(moves / (1.0 - moves))


@kernel
def forecast(x, integers, numbers, out, scores):  # type: ignore[no-untyped-def]
    """`reference_forecast` by a Packed model into out (n, 3) and scores (n, 2)."""
    model = _unpacked(integers, numbers)
    has_flat, share = model.move.shape[0] > 0, model.logistic_share
    first, second = model.roots[: model.direction_trees], model.roots[model.direction_trees :]
    mirrored = np.empty(x.shape[1])
    for i in range(x.shape[0]):
        direction, move = _linear(x[i], model)
        if model.roots.size > 0:
            for j in range(mirrored.size):
                mirrored[j] = model.sign[j] * x[i, model.source[j]]
            here, there = _grown(model.nodes, model.cuts, first, x[i]), _grown(model.nodes, model.cuts, first, mirrored)
            direction = share * direction + (1.0 - share) * (0.5 * (here - there))
            if has_flat:
                here, there = _grown(model.nodes, model.cuts, second, x[i]), _grown(model.nodes, model.cuts, second, mirrored)
                evens = model.base + 0.5 * (here + there)
                move = evens if share == 0.0 else share * move + (1.0 - share) * evens
        scores[i, 0], scores[i, 1] = direction, move
        size = _on_line(model.direction, model.slopes[0], abs(direction))
        up = _sigmoid(size if direction >= 0.0 else -size)
        moves = _sigmoid(_on_line(model.move, model.slopes[1], move)) if has_flat else 1.0
        out[i, 0], out[i, 1], out[i, 2] = moves * (1.0 - up), 1.0 - moves, moves * up


def warm() -> None:
    """Compile or load the kernel."""
    one, none, grid = np.zeros(1, np.int64), np.empty(0, np.int64), np.zeros((1, 2))
    model = Forecaster(
        one, one, np.zeros(1), np.zeros(2), np.full((1, 3), -1), np.zeros(1), none, 0, 0.0, one, np.ones(1), 1.0, grid, grid, np.zeros(2)
    )
    forecast(np.zeros((1, 1)), *packed(model), np.empty((1, 3)), np.empty((1, 2)))
