"""Runs in the user's words: begin one, log into it, end it."""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from rpsd.core.errors import BodyTooLarge, Fault, InvalidRequest, NotFinite, StateConflict, UnknownRun
from rpsd.core.experiment import RunState
from rpsd.services.experiment.run_name import artifact_fault, refuse_clash, refuse_keys
from rpsd.services.experiment.run_reading import described, described_artifact
from rpsd.services.experiment.service import owned, seen_run, writable
from rpsd.services.idempotency import Once
from rpsd.store import artifact as artifacts
from rpsd.store import audit, run_metric
from rpsd.store import run as rows
from rpsd.store.db import Connection, Database
from rpsd.store.idempotency import run_once

if TYPE_CHECKING:
    from rpsd.services.access.service import Principal

MOST_NAMES: Final = 1000
"""Parameters of a run; its metrics, its tags and its artifacts may be as many each."""
MOST_POINTS: Final = 1_000_000
"""Points of all metrics of a run; a batch of them is bounded by the size of a body."""
MOST_BYTES: Final = 16 << 20
"""Bytes of an artifact: it is written in one transaction, for which others wait."""
MOST_BYTES_OF_RUN: Final = 256 << 20
LONGEST: Final = 5000
"""Characters of a parameter or a tag."""
_LONGEST_NAME: Final = 250
_FARTHEST_STEP: Final = 2**53  # beyond it JSON loses the last digit

Number = int | float
Text = str | bool | int | float


@dataclass(frozen=True, slots=True)
class Point:
    """A value of a metric at a step; without a time it is of now."""

    name: str
    value: float
    step: int = 0
    t_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """What a new run may come with: all of it at once, if the fit has ended already."""

    name: str = ""
    parent: str | None = None
    started_ns: int | None = None
    params: Mapping[str, Text] = field(default_factory=dict)
    tags: Mapping[str, Text] = field(default_factory=dict)
    metrics: Sequence[Point] = ()
    state: RunState = RunState.RUNNING


class RunService:
    """Writes runs. Every write is durable when it returns, all of it or nothing, and is a sign of life of the run."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database, self._clock = database, clock

    def begin(self, experiment: str, begun: Begun, who: "Principal", once: Once | None = None) -> dict[str, Any]:
        """A new run of the experiment; ended at once when its state is final.

        Raises UnknownExperiment, Forbidden, UnknownRun (the parent, which must be of the same experiment), InvalidRequest, NotFinite,
        StateConflict, IdempotencyConflict.
        """
        now_ns = self._clock()
        entry = Entry.of(begun.params, begun.tags, begun.metrics, now_ns)
        started_ns = now_ns if begun.started_ns is None else begun.started_ns
        if len(begun.name) > _LONGEST_NAME or started_ns > now_ns:
            fault = Fault("/started", "in the future") if started_ns > now_ns else Fault("/name", f"longer than {_LONGEST_NAME} characters")
            raise InvalidRequest(f"{fault.pointer}: {fault.reason}", errors=[fault])

        def add(c: Connection) -> dict[str, Any]:
            home = writable(c, experiment, who)
            if begun.parent is not None and seen_run(c, begun.parent, who).experiment != home.id:
                raise UnknownRun(f"there is no run {begun.parent[:40]!r} in experiment {home.id}")
            identifier = rows.new_id()
            name = begun.name or identifier[:8]
            seq = rows.add(c, identifier, home.id, name=name, owner=who.id, started_ns=started_ns, now_ns=now_ns, parent=begun.parent)
            entry.write(c, seq)
            if begun.state is not RunState.RUNNING:
                rows.finish(c, seq, begun.state, now_ns)
            return described(rows.whole(c, [seq])[0])

        return self._write(add, once)

    def log(
        self,
        identifier: str,
        who: "Principal",
        *,
        params: Mapping[str, Text] | None = None,
        metrics: Sequence[Point] = (),
        tags: Mapping[str, Text] | None = None,
        once: Once | None = None,
    ) -> dict[str, Any]:
        """Log into a run; what was taken: {"run", "params", "metrics", "tags"} in numbers. With nothing it is a sign of life.

        Parameters never change; a metric's point at the same step and time takes the new value; tags take the new value, also when the run
        has ended. Raises UnknownRun, Forbidden, InvalidRequest, NotFinite, StateConflict (ended; another value; a name that clashes).
        """
        now_ns = self._clock()
        entry = Entry.of(params or {}, tags or {}, metrics, now_ns)

        def add(c: Connection) -> dict[str, Any]:
            place = seen_run(c, identifier, who, write=True)
            if not tags or params or metrics:
                _refuse_ended(place)
            entry.write(c, place.seq)
            rows.hear(c, place.seq, now_ns)
            return {"run": place.id, "params": len(entry.params), "metrics": len(metrics), "tags": len(entry.tags)}

        return self._write(add, once)

    def finish(self, identifier: str, state: RunState, who: "Principal", once: Once | None = None) -> dict[str, Any]:
        """End a run. Raises UnknownRun, Forbidden, InvalidRequest for RUNNING, StateConflict when it has ended."""
        if state is RunState.RUNNING:
            raise InvalidRequest("/state: not an end", errors=[Fault("/state", "expected FINISHED, FAILED or KILLED")])
        now_ns = self._clock()

        def end(c: Connection) -> dict[str, Any]:
            place = seen_run(c, identifier, who, write=True)
            _refuse_ended(place)
            rows.finish(c, place.seq, state, now_ns)
            return described(rows.whole(c, [place.seq])[0])

        return self._write(end, once)

    def keep(
        self, identifier: str, name: str, data: bytes, who: "Principal", *, media_type: str = "", once: Once | None = None
    ) -> dict[str, Any]:
        """Keep an artifact of a running run; its name, size and SHA-256. The same content under the same name again is no fault.

        Raises InvalidRequest for a name that is unsafe, BodyTooLarge, UnknownRun, Forbidden, StateConflict (ended; the name holds something
        else, or is a directory of another).
        """
        if fault := artifact_fault(name):
            raise InvalidRequest(f"/query/name: {fault}", errors=[Fault("/query/name", fault)])
        if len(data) > MOST_BYTES:
            raise BodyTooLarge(f"an artifact holds at most {MOST_BYTES >> 20} MiB", hint="Split it, or keep it elsewhere and tag the run.")
        now_ns, digest = self._clock(), hashlib.sha256(data).digest()  # here, not in the thread that all writes share

        def put(c: Connection) -> dict[str, Any]:
            place = seen_run(c, identifier, who, write=True)
            _refuse_ended(place)
            held = rows.names(c, "run_artifact", place.seq)
            refuse_clash([name], held, "artifact")
            count, size = artifacts.held(c, place.seq)
            if name not in held and (count >= MOST_NAMES or size + len(data) > MOST_BYTES_OF_RUN):
                raise StateConflict(f"a run keeps at most {MOST_NAMES} artifacts and {MOST_BYTES_OF_RUN >> 20} MiB")
            kept = artifacts.put(c, place.seq, name, data, media_type or "application/octet-stream", now_ns, digest=digest)
            rows.hear(c, place.seq, now_ns)
            return described_artifact(kept)

        return self._write(put, once)

    def delete(self, identifier: str, who: "Principal") -> dict[str, Any]:
        """Drop a run with all that was logged, by the experiment's owner or an administrator; audited. Raises UnknownRun, Forbidden."""
        now_ns = self._clock()

        def drop(c: Connection) -> dict[str, Any]:
            place = seen_run(c, identifier, who)
            owned(c, str(place.experiment), who)
            told = described(rows.whole(c, [place.seq])[0])
            rows.delete(c, place.seq)
            artifacts.sweep(c)
            audit.append(c, who.actor, "run.delete", place.id, {"experiment": place.experiment, "name": place.name}, now_ns)
            return told

        return self._database.write(drop).result()

    def _write(self, fn: Callable[[Connection], dict[str, Any]], once: Once | None) -> dict[str, Any]:
        now_ns = self._clock()
        return self._database.write(lambda c: run_once(c, once, now_ns, lambda: fn(c))[0]).result()


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be logged, checked and in the form of the store."""

    params: Mapping[str, str]
    tags: Mapping[str, str]
    points: Mapping[str, Sequence[run_metric.Point]]

    @classmethod
    def of(cls, params: Mapping[str, Text], tags: Mapping[str, Text], metrics: Sequence[Point], now_ns: int) -> "Entry":
        """Raises InvalidRequest (names, lengths, steps), NotFinite, each naming its place."""
        refuse_keys(params, "/params")
        refuse_keys(tags, "/tags")
        points: dict[str, list[run_metric.Point]] = {}
        for at, point in enumerate(metrics):
            if not math.isfinite(point.value):
                raise NotFinite(f"metric {point.name[:80]!r} is not finite", errors=[Fault(f"/metrics/{at}/value", "not a finite number")])
            if abs(point.step) > _FARTHEST_STEP:
                raise InvalidRequest("/metrics: a step is out of range", errors=[Fault(f"/metrics/{at}/step", "beyond 2^53")])
            t_ns = now_ns if point.t_ns is None else point.t_ns
            points.setdefault(point.name, []).append((point.step, t_ns, float(point.value)))
        refuse_keys(points, "/metrics")
        return cls(_texts(params, "/params"), _texts(tags, "/tags"), points)

    def write(self, c: Connection, seq: int) -> None:
        """Log it all. Raises StateConflict: a parameter of another value, a name that clashes, more than a run may hold."""
        for table, kind, new in (
            ("run_param", "parameter", self.params),
            ("run_tag", "tag", self.tags),
            ("run_metric", "metric", self.points),
        ):
            if new:
                held = rows.names(c, table, seq)
                refuse_clash(new, held, kind)
                if len(held.union(new)) > MOST_NAMES:
                    raise StateConflict(f"a run holds at most {MOST_NAMES} of each kind; one more {kind} does not fit")
        rows.set_params(c, seq, self.params)
        rows.set_tags(c, seq, self.tags)
        if self.points:
            if run_metric.points(c, seq) + sum(map(len, self.points.values())) > MOST_POINTS:
                raise StateConflict(f"a run holds at most {MOST_POINTS:,} points")
            run_metric.log(c, seq, self.points)


def _texts(given: Mapping[str, Text], where: str) -> dict[str, str]:
    """Values as text: numbers and booleans as JSON writes them. Raises InvalidRequest for one that is too long."""
    texts = {name: value if isinstance(value, str) else _text(value) for name, value in given.items()}
    faults = [Fault(f"{where}/{name[:40]}", f"longer than {LONGEST} characters") for name, text in texts.items() if len(text) > LONGEST]
    if faults:
        raise InvalidRequest(f"{faults[0].pointer}: {faults[0].reason}", errors=faults)
    return texts


def _text(value: bool | Number) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _refuse_ended(place: rows.Place) -> None:
    if place.state is not RunState.RUNNING:
        raise StateConflict(f"run {place.id} has ended: it is {place.state.value}", hint="Begin a new run; its parent may be this one.")
