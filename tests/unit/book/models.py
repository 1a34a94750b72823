"""Feature rows, mirrored rows and models that the tests of predictors share."""

import numpy as np

from rpsd.book.forecast import mirror
from rpsd.core.book import Grid
from rpsd.kernels.forecast import Forecaster


def rows(n: int, seed: int) -> Grid:
    """Features (n, 27) without any meaning, long tails and exact zeros among them."""
    rng = np.random.default_rng(seed)
    x = rng.standard_t(2, size=(n, 27))
    x[rng.random(x.shape) < 0.1] = 0.0
    return x


def mirrored(x: Grid) -> Grid:
    """The rows of the mirrored books."""
    source, sign = mirror()
    return np.asarray(sign * x[:, source])


def tree(rng: np.random.Generator, at: int) -> tuple[list[list[int]], list[float]]:
    """Nodes and cuts of a tree of three leaves whose first node has the number `at`."""
    columns, values = rng.integers(0, 27, 2).tolist(), rng.normal(size=5).tolist()
    return [[columns[0], at + 1, at + 2], [-1, 0, 0], [columns[1], at + 3, at + 4], [-1, 0, 0], [-1, 0, 0]], values


def model(seed: int, *, trees: int = 6, has_flat: bool = True, share: float = 0.4) -> Forecaster:
    """A model of random numbers: half of its trees are of the direction, all of them without flat."""
    rng = np.random.default_rng(seed)
    grown = [tree(rng, 5 * i) for i in range(trees)]
    nodes = np.array([node for nodes, _ in grown for node in nodes], np.int64).reshape(-1, 3)
    cuts = np.array([cut for _, values in grown for cut in values])
    odd = np.array([1, 6, 14, 26], np.int64)
    knots = np.array([[0.0, 0.0], [0.4, 0.3], [1.5, 2.0]])
    move = np.array([[-1.0, -2.0], [0.0, 0.1], [2.0, 1.0]]) if has_flat else np.empty((0, 2))
    even = np.array([0, 24], np.int64) if has_flat else np.empty(0, np.int64)
    threshold = np.array([0.3, -0.2, 0.1]) if has_flat else np.empty(0)
    first = trees // 2 if has_flat else trees
    roots, share = np.arange(trees, dtype=np.int64) * 5, share if trees else 1.0
    slopes = np.array([0.1, 0.2])
    return Forecaster(odd, even, rng.normal(size=4), threshold, nodes, cuts, roots, first, 0.2, *mirror(), share, knots, move, slopes)
