"""Figures of a prediction in process: fused event, features and probability, one at a time, beside a scikit-learn pipeline of the model.

`python -m tests.bench.bench_forecast`. The model is trained on the bundled quotes; the events are the latest of the bundled capture.
"""

import time
from collections.abc import Callable

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from rpsd.book import boosted, logistic
from rpsd.book.features import BookMemory, run
from rpsd.book.forecast import mirror, opened, probabilities
from rpsd.book.table import gathered
from rpsd.book.train import train
from rpsd.core.book import Event, Tape
from rpsd.core.parameters import BookParameters, LabelParameters
from rpsd.kernels import jit
from rpsd.kernels.forecast import Forecaster, Packed, packed
from rpsd.samples import book_tape
from tests.bench.harness import bar, ratio, seconds

TICK, EVENTS, PIECE = 0.1, 20_000, 200
TRAINED = 30_000  # quotes: what a forecast costs does not hang on how many


def single(tape: Tape) -> list[Tape]:
    """The latest events, each a tape of its own, as they arrive live."""
    last = np.arange(tape.n)
    return [tape.taken(last == i) for i in range(tape.n - EVENTS, tape.n)]


def follow(events: list[Tape], model: Packed) -> list[float]:
    """Microseconds from each event to its probabilities."""
    memory, times = BookMemory.fresh(), []
    for event in events:
        begin = time.perf_counter_ns()
        features, _, memory = run(event, TICK, memory)
        probabilities(features, model)
        times.append((time.perf_counter_ns() - begin) / 1000)
    return times


def forecaster(trees: boosted.Trees) -> Forecaster:
    """The trees alone, as the kernel reads them."""
    plain, none = np.zeros((1, 2)), np.empty(0, np.int64)
    grown = (trees.nodes, trees.cuts, trees.roots, trees.direction_trees, trees.base)
    return Forecaster(none, none, np.empty(0), np.empty(0), *grown, *mirror(), 0.0, plain, np.empty((0, 2)), np.ones(2))


def peers(x: np.ndarray, y: np.ndarray) -> tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]:
    """The same six features, kind of fit and calibration as a pipeline, asked for one row; and the same without the calibration."""
    columns = logistic.columns(logistic.ODD)
    shaped = FunctionTransformer(lambda rows: logistic.signed_log(rows[:, columns]))
    pipeline = make_pipeline(shaped, LogisticRegression(fit_intercept=False)).fit(x, y)
    return CalibratedClassifierCV(FrozenEstimator(pipeline), method="isotonic").fit(x, y).predict_proba, pipeline.predict_proba


def report() -> None:
    """Print the bars."""
    jit.warm(skip=jit.FITS)
    whole = book_tape()
    quotes = whole.taken(whole.kind == Event.QUOTE)
    quotes = quotes.taken(np.arange(quotes.n) < TRAINED)
    table, _ = gathered([(quotes, TICK)], LabelParameters(), 0.4)
    model = packed(opened(train([(quotes, TICK)], LabelParameters(), BookParameters(bootstrap=20), seed=0)))
    events = single(whole)
    follow(events[:1000], model)
    times = np.array(follow(events, model))
    print(f"event to probability: median {np.median(times):.1f} us, p99 {np.percentile(times, 99):.1f} us")
    bar("forecast_event_p99_us", float(np.percentile(times, 99)), "<=", 20.0)
    (predict, bare), rows = peers(table.x, table.y), table.x[-PIECE:]

    def ours() -> None:
        for i in range(PIECE):
            probabilities(rows[i], model)

    def theirs() -> None:
        for i in range(PIECE):
            predict(rows[i : i + 1])

    share, mine, other = ratio(ours, theirs)
    print(f"features to probability: {1e6 * mine / PIECE:.1f} us, scikit-learn pipeline {1e6 * other / PIECE:.0f} us")
    plain = seconds(lambda: [bare(rows[i : i + 1]) for i in range(PIECE)]) / PIECE
    print(f"the pipeline without its calibration: {1e6 * plain:.0f} us, {plain * PIECE / mine:.0f} times ours with it")
    bar("forecast_over_sklearn", 1 / share, ">=", 100.0)
    trees = packed(forecaster(boosted.fit(table.x, table.y, BookParameters(), 0)))
    grown = seconds(lambda: probabilities(rows, trees)) / PIECE
    print(f"150 trees of 8 leaves, both ways: {1e6 * grown:.1f} us a row")
    batch = seconds(lambda: probabilities(table.x, model))
    print(f"in one batch: {table.t.size / batch / 1e6:.1f} M probabilities a second")


if __name__ == "__main__":
    report()
