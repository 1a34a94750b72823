"""Materialising feature views: closed bars become stored rows, each once, in one transaction with how far the view has come."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from rpsd.config import Settings
from rpsd.core.errors import RpsdError
from rpsd.core.feature import View
from rpsd.core.market import INTERVALS, Samples, SeriesInfo, Upsert
from rpsd.services.alert import AlertService
from rpsd.services.feature.rows import CHECKPOINT, Head, Piece, advanced, group_of, joined, standing_at
from rpsd.services.feature.view import BY, FeatureViews, entity
from rpsd.services.job import JobService
from rpsd.services.price import column_of
from rpsd.store import derived, view_standing
from rpsd.store import series as rows
from rpsd.store import view as views
from rpsd.store.blocks import Rows, compact_known
from rpsd.store.db import Connection, Database
from rpsd.store.idempotency import Once
from rpsd.store.view_standing import ViewStanding
from rpsd.telemetry import Metrics, logger

if TYPE_CHECKING:
    from rpsd.feature.graph import Graph

JOB: Final = "materialise"
_AT_ONCE: Final = 65_536
"""Bars that one transaction takes in, of one series or of many."""
_TOGETHER: Final = 32
"""Series of one transaction: enough to share its commit, few enough that a post waits some milliseconds."""
_TRIES: Final = 3
"""Rounds for a series whose past changes while it is computed; the next run takes up what is still behind."""
_LISTED: Final = 100
_NEVER: Final = -(2**63)


@dataclass(frozen=True, slots=True)
class Step:
    """Rows of one series that were computed and not written yet: from where, to where, and the checkpoints on the way."""

    info: SeriesInfo
    view: View
    was: ViewStanding
    piece: Piece
    head: Head
    checkpoints: tuple[ViewStanding, ...]
    since_ns: int | None
    is_last: bool


@dataclass(slots=True)
class Done:
    """What a run did: series moved on, rows and values written, and why others were left as they are."""

    series: int = 0
    rows: int = 0
    values: int = 0
    skipped: list[dict[str, str]] = field(default_factory=list)
    qualities: dict[str, float] = field(default_factory=dict)

    def skip(self, of: str, error: RpsdError) -> None:
        """Note why a series was left."""
        if len(self.skipped) < _LISTED:
            self.skipped.append({"entity": of, "code": error.code, "reason": error.detail})

    def told(self) -> dict[str, Any]:
        """The result as JSON; at most 100 of the skipped are listed."""
        return {"series": self.series, "rows": self.rows, "values": self.values, "skipped": self.skipped}


Progress = Callable[[float, str], None]


class Materialiser:
    """Writes the rows of views. The computing happens beside the writer, which checks that nothing has changed underneath meanwhile."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        metrics: Metrics,
        feature_views: FeatureViews,
        job: JobService,
        alert: AlertService,
        clock: Callable[[], int],
    ) -> None:
        self._settings, self._database, self._metrics = settings, database, metrics
        self._views, self._job, self._alert, self._clock = feature_views, job, alert, clock

    def begin(self) -> None:
        """The kernels are warm: register rpsd's own views and ask for a run of the job, unless one is waiting already."""
        try:
            self._views.begin()
            if not self._job.page(None, 1, JOB, "queued")[0]:
                self._job.enqueue(JOB, {}, by=BY)
        except RpsdError as error:  # a store that takes no writes: the scheduled run does what is missed
            logger(operation=JOB).warning("feature views could not be registered", outcome="error", error_code=error.code)

    def follow(self, c: Connection, info: SeriesInfo, done: Upsert) -> None:
        """Note a late or revised row for the views of the series, in the transaction of its write; one behind the last row is none."""
        if done.changed_ns is not None and done.before_ns is not None and done.changed_ns <= done.before_ns:
            view_standing.mark_late(c, info, done.changed_ns)

    def submit(self, name: str, entities: Sequence[str] | None, *, by: str, once: Once | None = None) -> dict[str, Any]:
        """Ask for a run over one view; the answer is the contract's job. Raises as run(), IdempotencyConflict, Unavailable."""
        self._views.begin()
        self._chosen(name, entities, asked=True)
        if entities is None:
            return self._job.enqueue(JOB, {"view": name}, by=by, once=once)
        return self._job.enqueue(JOB, {"view": name}, by=by, once=once, data=json.dumps(list(entities)).encode())

    def run(
        self,
        name: str | None = None,
        entities: Sequence[str] | None = None,
        *,
        go_on: Callable[[float, str], None] = lambda _share, _words: None,
    ) -> dict[str, Any]:
        """Take in what is new: of one view, or of the default view and all that are kept; of the entities, or of all.

        The default view is kept for every series that has its columns, another for the series that it was once asked for. Each run of rows
        is written with its standing or not at all, so that a run that ends early goes on where it ended. `go_on(share, words)` may raise
        Cancelled. Result: {view: {series, rows, values, skipped}}. Raises UnknownView, UnknownSeries, BadSymbol.
        """
        self._views.begin()
        wanted = [name] if name is not None else self._kept()
        results = {}
        for number, view in enumerate(wanted):
            chosen = self._chosen(view, entities, asked=name is not None)
            share = (number / len(wanted), 1 / len(wanted))
            done = self._level(view, chosen, lambda part, words, share=share: go_on(share[0] + part * share[1], words))  # type: ignore[misc]
            results[view] = done.told()
        return results

    def _kept(self) -> list[str]:
        default = self._settings.features.default_view
        return list(dict.fromkeys([default, *self._database.read(view_standing.kept)]))

    def _chosen(self, name: str, entities: Sequence[str] | None, *, asked: bool) -> list[tuple[str, str]]:
        """The series to look at. Raises UnknownView, UnknownSeries, BadSymbol."""
        if entities is not None:
            chosen = [entity(one, f"/entities/{number}") for number, one in enumerate(entities)]
            self._database.read(lambda c: [rows.require(c, *one) for one in chosen])
            return list(dict.fromkeys(chosen))
        is_default = name == self._settings.features.default_view

        def read(c: Connection) -> list[tuple[str, str]]:
            view = views.require(c, name)[0]
            found = view_standing.behind(c, view)
            if asked or is_default:
                return found
            begun = set(view_standing.of_view(c, name))
            return [one for one in found if one in begun]

        return self._database.read(read)

    def _level(self, name: str, chosen: list[tuple[str, str]], go_on: Progress) -> Done:
        """Move the view on for the series until none is behind."""
        done, waiting, left = Done(), list(chosen), dict.fromkeys(chosen, _TRIES)
        written: tuple[list[Step], Future[list[bool]]] | None = None
        n = max(len(chosen), 1)
        while waiting or written is not None:
            batch, waiting = waiting[:_TOGETHER], waiting[_TOGETHER:]
            steps = self._steps(name, batch, done) if batch else []
            again = self._settled(written, done, left) if written is not None else []
            written = (steps, self._write(steps)) if steps else None
            waiting += again
            go_on(max(0.0, 1.0 - len(waiting) / n), f"{name}: {done.rows} rows of {done.series} series")
        self._judge(name, done)
        return done

    def _steps(self, name: str, batch: list[tuple[str, str]], done: Done) -> list[Step]:
        """What the series of the batch come to, computed in one read; those that lack columns, or are gone, are passed over."""

        def read(c: Connection) -> tuple[list[Step], list[tuple[SeriesInfo, View]]]:
            found: list[Step] = []
            fresh: list[tuple[SeriesInfo, View]] = []
            held, room = views.require(c, name), _AT_ONCE
            for symbol, interval in batch:
                if (info := rows.find(c, symbol, interval)) is None:
                    continue
                try:
                    view, graph = self._views.fitting(c, name, info, held=held)
                    if (was := view_standing.find(c, info, name)) is None:
                        fresh.append((info, view))
                        continue
                    step = self._step(c, info, (view, graph), was, max(room, CHECKPOINT))
                except RpsdError as error:
                    done.skip(f"{symbol}:{interval}", error)
                    continue
                room -= int(step.piece.t.size)
                found.append(step)
            return found, fresh

        steps, fresh = self._database.read(read)
        if fresh:
            self._begin(fresh)
            return [*self._new(steps), *self._steps(name, [(info.symbol, info.interval) for info, _ in fresh], done)]
        return self._new(steps)

    def _new(self, steps: list[Step]) -> list[Step]:
        """Those that have something to write."""
        return [step for step in steps if step.piece.t.size or step.since_ns is not None or step.was.dirty_ns is not None]

    def _begin(self, fresh: list[tuple[SeriesInfo, View]]) -> None:
        """Note that the view is kept for the series that it never was: from then on late rows are noticed while others are computed."""

        def write(c: Connection) -> None:
            for info, view in fresh:
                held = rows.find(c, info.symbol, info.interval)
                if held is not None and held.id == info.id:
                    view_standing.begin(c, info, view, column_of(info))

        self._database.write(write).result()

    def _step(self, c: Connection, info: SeriesInfo, what: "tuple[View, Graph]", was: ViewStanding, most: int) -> Step:
        """The rows of up to `most` bars behind where the view stands."""
        view, graph = what
        head, since_ns = standing_at(c, info, view, graph, was)
        has_rows = derived.has_group(c, info, group_of(view.name))
        if head.standing.head_ns is None and has_rows:
            since_ns = _NEVER
        elif head.standing.head_ns is not None and not has_rows:
            head, since_ns = standing_at(c, info, view, graph, replace(was, graph=""))  # the rows are gone: begin again
        pieces, checkpoints = [], []
        for piece, after in advanced(c, info, head, self._clock(), most):
            pieces.append(piece)
            head = after
            if head.standing.rows % CHECKPOINT == 0:
                checkpoints.append(head.packed(head.standing.rows // CHECKPOINT))
        piece = joined(pieces, graph)
        quality = _quality(graph, piece, head.standing.quality)
        head = replace(head, standing=replace(head.standing, quality=quality))
        return Step(info, view, was, piece, head, tuple(checkpoints), since_ns, is_last=int(piece.t.size) < most)

    def _write(self, steps: list[Step]) -> "Future[list[bool]]":
        """Queue the steps for one transaction; the future says of each whether it was written or met a change underneath."""
        return self._database.write(lambda c: [self._store(c, step) for step in steps])

    def _store(self, c: Connection, step: Step) -> bool:
        """Write rows, checkpoints and standing of a step, unless the series or the standing has changed since it was computed."""
        info, now_ns = step.info, self._clock()
        held = rows.find(c, info.symbol, info.interval)
        if held is None or held.id != info.id or view_standing.find(c, info, step.view.name) != step.was:
            return False
        group = _group(c, info, step, now_ns)
        if step.since_ns is not None:
            derived.truncate(c, info, group, step.since_ns, now_ns)
            view_standing.forget(c, info, step.view.name, step.since_ns)
        if step.piece.t.size:
            known = compact_known(step.piece.t, step.piece.known, INTERVALS[info.interval])
            cells = Rows(step.piece.t, np.ascontiguousarray(step.piece.features.T), known)
            derived.append_rows(c, info, group, cells, now_ns)
        for checkpoint in step.checkpoints:
            view_standing.put(c, info, checkpoint)
        view_standing.put(c, info, step.head.packed())
        return True

    def _settled(
        self, written: "tuple[list[Step], Future[list[bool]]]", done: Done, left: dict[tuple[str, str], int]
    ) -> list[tuple[str, str]]:
        """Count what became durable; the series to look at again."""
        steps, future = written
        again = []
        for step, is_written in zip(steps, future.result(), strict=True):
            key = (step.info.symbol, step.info.interval)
            if is_written:
                done.series += step.is_last
                done.rows += int(step.piece.t.size)
                done.values += int(step.piece.features.size)
                self._metrics.feature_rows_total.inc(int(step.piece.t.size))
                if (quality := step.head.standing.quality) is not None:
                    done.qualities[":".join(key)] = quality
            else:
                left[key] -= 1
            if (is_written and not step.is_last) or (not is_written and left[key] > 0):
                again.append(key)
        return again

    def _judge(self, name: str, done: Done) -> None:
        """Tell the quality of the newest rows of the default view: its mean as a metric, what is below the threshold as an alert."""
        if name != self._settings.features.default_view or not done.qualities:
            return
        found, threshold = self._database.read(lambda c: view_standing.qualities(c, name)), self._settings.features.quality_threshold
        self._metrics.feature_quality_score.set(sum(quality for _, quality in found) / max(1, len(found)))
        if not (poor := [one for one in found if one[1] < threshold]):
            self._alert.resolve("feature_quality", name)
            return
        worst = f"that of {poor[0][0]} is {poor[0][1]:.3f}"
        detail = f"{len(poor)} of {len(found)} series have newest rows of a quality below {threshold:g}; {worst}"
        self._alert.raise_("feature_quality", name, "MEDIUM", detail)


def _group(c: Connection, info: SeriesInfo, step: Step, now_ns: int) -> derived.GroupInfo:
    """The group of the view's rows, made anew when it is of another version."""
    view, name = step.view, group_of(step.view.name)
    meta = {"kind": "view", "view": view.name, "version": view.version, "graph": view.graph, "causal": True}
    held = derived.find_group(c, info, name)
    if held is None or held.meta != meta or held.columns != view.features:
        nothing = Samples(np.empty(0, np.int64), {feature: np.empty(0) for feature in view.features})
        derived.write_group(c, info, name, meta, nothing, now_ns)
        held = derived.find_group(c, info, name)
    assert held is not None  # it has just been made
    return held


def _quality(graph: "Graph", piece: Piece, before: float | None) -> float | None:
    """The quality of the last row; that of before when there is no new one."""
    from rpsd.feature import quality  # numerics wait for the warm-up

    return quality.judged(graph, piece.features[-1])[0] if piece.t.size else before
