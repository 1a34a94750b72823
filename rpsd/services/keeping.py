"""Keeping live columns level with their series: within each write, and in slices where one write would be too long."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import numpy as np

from rpsd.core.errors import BadRows, Fault, RpsdError
from rpsd.core.market import INTERVALS, SEQUENCE, Samples, SeriesInfo, Upsert
from rpsd.services.feature.materialise import Materialiser
from rpsd.services.following import SLICE, Follower, Stretch, stretch_of
from rpsd.services.herald import Herald, LiveRegime, LiveValues
from rpsd.services.regime.standing import Standings
from rpsd.store import live
from rpsd.store import series as rows
from rpsd.store.blocks import Rows
from rpsd.store.db import Connection, Database
from rpsd.store.live import LiveColumn
from rpsd.telemetry import Metrics, logger

_AT_ONCE: Final = 65536
"""Samples that the post or the late row which brings them computes itself; what is beyond follows in slices."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What one write did to a live column, told once it is durable."""

    series: str
    column: LiveColumn
    samples: int
    replayed: int
    behind: bool = False
    failure: Exception | None = None
    values: LiveValues | None = None


@dataclass(frozen=True, slots=True)
class Followed:
    """What one write moved on: live columns, and regimes that have new rows."""

    columns: Sequence[Moved] = ()
    regimes: Sequence[LiveRegime] = ()


class Keeper:
    """Computes live columns and has live regimes moved on; all of it happens in the writer's transactions.

    A post computes what it brings in its own transaction. What is too much for one (the history at a declaration, a very large post, a
    late row far back) follows in slices of 4096 samples, each a short write of its own that moves rows and position together: a crash
    loses no slice that was written, and the next start goes on from there.
    """

    def __init__(
        self,
        database: Database,
        metrics: Metrics,
        clock: Callable[[], int],
        standings: Standings,
        materialiser: Materialiser,
        herald: Herald,
        *,
        ready: bool,
    ) -> None:
        """`ready`: compute at once in whatever thread asks; otherwise nothing is computed before begin()."""
        self._database, self._metrics, self._clock, self._standings = database, metrics, clock, standings
        self._materialiser, self._herald = materialiser, herald
        self._follower = Follower()
        self.ready, self._ended, self._wake = ready, False, threading.Event()
        self._thread: threading.Thread | None = None
        self._complained: set[tuple[str, str]] = set()

    def begin(self) -> None:
        """The kernels are warm: compute from now on, beginning with what the last stop left behind."""
        self.ready = True
        self._standings.begin()
        if self._thread is None and not self._ended:
            self._thread = threading.Thread(target=self._keep_up, name="rpsd-live", daemon=True)
            self._wake.set()
            self._thread.start()

    def close(self) -> None:
        """End the thread; what is behind is taken up at the next start."""
        self._ended = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def follow(self, c: Connection, symbol: str, interval: str, samples: Samples, done: Upsert, now_ns: int) -> Followed:
        """Move the live columns and regimes of the series on by a write that has just been done, in its transaction.

        Once it is durable publish() comes, in the order of the commits, and then told().

        A column that cannot be computed stays behind, and the samples are stored all the same. Raises BadRows when the samples bring a
        column of a live column's name.
        """
        if done.changed_ns is None:
            return Followed()
        info = rows.require(c, symbol, interval)
        moved = [self._moved(c, info, column, samples, done, now_ns) for column in live.columns(c, info)]
        kept = self._standings.follow(c, info, samples, done)
        self._materialiser.follow(c, info, done)
        return Followed(moved, kept)

    def publish(self, done: Followed) -> None:
        """Say on the channels what became durable."""
        self._herald.values([one.values for one in done.columns if one.values is not None])
        self._herald.regimes(done.regimes)

    def told(self, done: Followed) -> None:
        """Count and log what became durable."""
        for one in done.columns:
            meta = one.column.group.meta
            if one.failure is not None:
                self._complain(one.series, one.column.group.name, one.failure)
            elif one.replayed:
                log = logger(operation="live", series=one.series, column=one.column.group.name, denoiser=meta["method"])
                tell = log.info if one.replayed > SLICE else log.debug  # a feed that is a little out of order is no news
                tell("a live column went back for a late or revised row", outcome="success", data_size=one.replayed)
            self._metrics.denoise_points_total.labels(meta["method"]).inc(one.samples)
        if any(one.behind for one in done.columns):
            self.wake()

    def wake(self) -> None:
        """There are columns behind: let the thread look."""
        self._wake.set()

    def slice(self, symbol: str, interval: str, name: str) -> bool:
        """Take one slice of what a column is behind; whether that was all. Raises UnknownSeries, CorruptData."""
        now_ns = self._clock()

        def write(c: Connection) -> Moved | None:
            info = rows.require(c, symbol, interval)
            column = live.find(c, info, name)
            if column is None or column.head_ns == info.last_ns:
                return None
            after, fresh = self._follower.take(c, info, column, None, now_ns, SLICE)
            return Moved(f"{symbol} {interval}", after, after.samples - column.samples, 0, values=_values(info, after, fresh))

        moved = self._database.write(write, lambda one: self.publish(Followed([one] if one is not None else []))).result()
        if moved is not None:
            self._metrics.denoise_points_total.labels(moved.column.group.meta["method"]).inc(moved.samples)
        return moved is None or not moved.samples

    def _moved(self, c: Connection, info: SeriesInfo, column: LiveColumn, samples: Samples, done: Upsert, now_ns: int) -> Moved:
        names = column.group.columns
        if taken := next((name for name in names if name in samples.columns), None):
            reason = f"{taken} is a live column; rpsd writes it"
            raise BadRows(reason, errors=[Fault(f"/{taken}", reason)])
        moved = [Moved(f"{info.symbol} {info.interval}", column, 0, 0)]

        def move() -> None:
            moved[0] = self._one(c, info, column, samples, done, now_ns)

        failure = live.apart(c, move)
        return moved[0] if failure is None else Moved(moved[0].series, column, 0, 0, behind=True, failure=failure)

    def _one(self, c: Connection, info: SeriesInfo, column: LiveColumn, samples: Samples, done: Upsert, now_ns: int) -> Moved:
        assert done.changed_ns is not None  # follow() has looked
        series, before, replayed, given = f"{info.symbol} {info.interval}", column, 0, None
        level = column.head_ns == done.before_ns
        if column.head_ns is not None and done.changed_ns <= column.head_ns:
            column = self._follower.go_back(c, info, column, done.changed_ns, now_ns)
            replayed = before.samples - column.samples
        elif level and samples.known_at is None and SEQUENCE not in info.columns:
            given = stretch_of(samples, column.group.meta["column"], INTERVALS[info.interval], samples.n)
        if not self.ready or (replayed == 0 and not level):
            return Moved(series, column, 0, replayed, behind=True)  # the thread is at it, or will be
        at_once = samples.n if self._thread is None else _AT_ONCE
        if given is not None and given.t.size > at_once:
            given = Stretch(given.t[:at_once], given.values[:at_once], given.known[:at_once])
        most = _AT_ONCE if self._thread is not None else np.iinfo(np.int64).max
        column, fresh = self._follower.take(c, info, column, given, now_ns, int(most))
        taken = column.samples - before.samples + replayed
        values = _values(info, column, fresh, is_replay=replayed > 0)
        return Moved(series, column, taken, replayed, behind=column.head_ns != done.last_ns, values=values)

    def _keep_up(self) -> None:
        while not self._ended:
            self._wake.wait()
            self._wake.clear()
            with suppress(RpsdError):  # a store that takes no writes now is asked again at the next post
                self._level_all()

    def _level_all(self) -> None:
        """Slice after slice, one column after the other, until none is behind or those that are cannot be computed."""
        failed: set[tuple[str, str, str]] = set()
        while not self._ended:
            behind = [key for key in self._database.read(live.behind) if key not in failed]
            if not behind:
                return
            for key in behind:
                try:
                    while not self._ended and not self.slice(*key):
                        pass
                except Exception as error:  # noqa: BLE001 - whatever it is, the other columns go on
                    self._complain(f"{key[0]} {key[1]}", key[2], error)
                    failed.add(key)

    def _complain(self, series: str, column: str, error: Exception) -> None:
        """Log why a column stays behind: once, for every post would meet it again."""
        if (series, column) in self._complained:
            return
        self._complained.add((series, column))
        code = error.code if isinstance(error, RpsdError) else "internal_error"
        log = logger(operation="live", series=series, column=column)
        log.error("a live column stays behind", outcome="error", error_code=code, exc_info=error)


def _values(info: SeriesInfo, column: LiveColumn, fresh: Rows, *, is_replay: bool = False) -> LiveValues | None:
    """The new rows, if there are any."""
    return LiveValues(info.symbol, info.interval, column.group, fresh, is_replay) if fresh.n else None
