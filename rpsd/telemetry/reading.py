"""What the children of a metric say now, without the texts and objects that an exposition needs: a tenth of the cost."""

from itertools import accumulate
from typing import NamedTuple

from prometheus_client import Counter, Histogram
from prometheus_client.metrics import MetricWrapperBase


class Reading(NamedTuple):
    """One series: its labels and value; of a histogram the number of observations, and `counts` (k,) of those up to each bound."""

    labels: dict[str, str]
    value: float
    counts: tuple[float, ...] = ()


def readings(metric: MetricWrapperBase) -> list[Reading]:
    """Every series of the metric, in the order in which they began; some 5 µs for each."""
    names = metric._labelnames
    if not names:
        return [_reading(metric, {})]
    with metric._lock:
        children = list(metric._metrics.items())
    return [_reading(child, dict(zip(names, values, strict=True))) for values, child in children]


def bounds(metric: MetricWrapperBase) -> tuple[float, ...]:
    """Upper bounds (k,) of a histogram's buckets, the last infinite; () for any other metric."""
    return tuple(metric._upper_bounds) if isinstance(metric, Histogram) else ()


def _reading(child: MetricWrapperBase, labels: dict[str, str]) -> Reading:
    if isinstance(child, Histogram):
        counts = tuple(accumulate(bucket.get() for bucket in child._buckets))
        return Reading(labels, counts[-1], counts)
    if isinstance(child, Counter):
        return Reading(labels, child._value.get())
    return Reading(labels, next(iter(child._child_samples())).value)  # a gauge may be told by a function
