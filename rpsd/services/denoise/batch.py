"""Denoising many series in one call: spread over the cores, each with its own answer or its own error."""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

import numpy as np

from rpsd.config import Settings
from rpsd.core.errors import BodyTooLarge, Cancelled, DeadlineExceeded, RpsdError, Unavailable
from rpsd.core.market import Times, Vector
from rpsd.core.result import DenoiseResult
from rpsd.services.denoise.service import DenoiseService
from rpsd.services.turn import LONG

MOST_SERIES: Final = 20_000
"""Series of one call."""
_AT_ONCE: Final = 2  # calls that compute; each takes a thread besides those that help
_IN_LINE: Final = 16  # calls that wait, each with its body in memory
_PIECE: Final = 1 << 16  # points of one piece of work: a few milliseconds of kernel time
_FEW: Final = 16  # series of one piece that are computed one by one
_WORTH_STACKING: Final = 4

Outcome = DenoiseResult | RpsdError


@dataclass(frozen=True, slots=True)
class Wanted:
    """One series of a batch: values (n,), times (n,) in ns UTC or None, and `how` as in DenoiseService.settled().

    Series that share one `how`, the same object, may be computed together.
    """

    values: Vector
    t: Times | None = None
    how: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Places of some series in the batch, their settled arguments or why there are none, and whether they are stacked.

    `shared`: its time passes in kernels, so that other threads may take it: stacks, and series that are long enough for stacking to save
    nothing. Short series one by one are for one thread, as in services/turn.
    """

    places: Sequence[int]
    how: Mapping[str, Any] | RpsdError
    stacked: bool
    shared: bool


class _Stopped(Exception):
    """The call's answer is not wanted any more."""


class DenoiseBatch:
    """Denoises many series in one call. Its threads begin with the first call; close() ends them."""

    def __init__(self, settings: Settings, denoise: DenoiseService, threads: int | None = None) -> None:
        """`threads` compute at a time for one call, the caller's own included; None: as many as there are cores."""
        self._settings, self._denoise = settings, denoise
        self._helping = max(0, (threads or os.cpu_count() or 1) - 1)
        self._helpers = ThreadPoolExecutor(max(1, self._helping), "denoise-batch")
        self._callers = ThreadPoolExecutor(_AT_ONCE, "denoise-caller")
        self._room = threading.BoundedSemaphore(_AT_ONCE + _IN_LINE)

    @property
    def most_points(self) -> int:
        """Points of one call: what server.max_body_bytes holds as float64."""
        return self._settings.server.max_body_bytes // 8

    def submit(self, work: Callable[[], Any]) -> "Future[Any]":
        """`work`, a call of run() and what belongs to it, in a thread of the service's own: batches wait for each other, others do not.

        Raises Unavailable when too many wait already.
        """
        if not self._room.acquire(blocking=False):
            raise Unavailable(f"{_IN_LINE} batches wait already", hint="Send one batch after another.", retry_after=1.0)
        try:
            future = self._callers.submit(work)
        except BaseException:
            self._room.release()
            raise
        future.add_done_callback(lambda _: self._room.release())
        return future

    def run(self, wanted: Sequence[Wanted], *, cancelled: Callable[[], bool] = lambda: False) -> list[Outcome]:
        """Result or error of each series, in order; each equals DenoiseService.run() of that series alone, bit for bit.

        Raises BodyTooLarge (more than most_points or MOST_SERIES), Cancelled, DeadlineExceeded (server.request_timeout).
        """
        self._check_size(wanted)
        started = time.perf_counter()
        until = time.monotonic() + self._settings.server.request_timeout
        outcomes: list[Outcome | None] = [None] * len(wanted)
        pieces = self._pieces(wanted)
        stop = threading.Event()

        def go_on() -> None:
            """Raise when the work is to end: asked between two series."""
            if stop.is_set() or cancelled():
                raise _Stopped
            if time.monotonic() > until:
                raise DeadlineExceeded(f"the batch took longer than {self._settings.server.request_timeout:g} s")

        try:
            self._work_through(wanted, pieces, outcomes, go_on, stop)
        except _Stopped as error:
            raise Cancelled("the client has gone") from error
        done = [outcome for outcome in outcomes if outcome is not None]
        results = [outcome for outcome in done if isinstance(outcome, DenoiseResult)]
        seconds = time.perf_counter() - started
        self._denoise.count(results, seconds)
        self._denoise.note(seconds, well=bool(results) or not done)
        return done

    def close(self) -> None:
        """End the threads; what runs is finished first."""
        self._callers.shutdown()
        self._helpers.shutdown()

    def _check_size(self, wanted: Sequence[Wanted]) -> None:
        if len(wanted) > MOST_SERIES:
            raise BodyTooLarge(f"{len(wanted)} series in one call; at most {MOST_SERIES}", hint="Split the request.")
        points = sum(one.values.size for one in wanted)
        if points > self.most_points:
            raise BodyTooLarge(
                f"{points} points in one call; at most {self.most_points}", hint="Split the request, or raise server.max_body_bytes."
            )

    def _pieces(self, wanted: Sequence[Wanted]) -> list[_Piece]:
        """The work in pieces that threads take in turn: stacks of equal length and request, and handfuls of all others."""
        from rpsd.denoise import stack  # numerics wait for the warm-up

        families: dict[tuple[int, int], list[int]] = {}
        for place, one in enumerate(wanted):
            n = one.values.size
            kind = n if one.t is None and n < LONG else -1 if n < LONG else LONG
            families.setdefault((id(one.how), kind), []).append(place)
        settled: dict[int, Mapping[str, Any] | RpsdError] = {}
        pieces = []
        for (asked, kind), places in families.items():
            if asked not in settled:
                settled[asked] = self._settled(wanted[places[0]].how)
            how = settled[asked]
            stacked = 0 < kind < LONG and len(places) >= _WORTH_STACKING and isinstance(how, Mapping) and stack.fits(how)
            size = max(_WORTH_STACKING, _PIECE // kind) if stacked else 1 if kind == LONG else _FEW
            pieces += [_Piece(places[i : i + size], how, stacked, stacked or kind == LONG) for i in range(0, len(places), size)]
        return pieces

    def _settled(self, how: Mapping[str, Any]) -> Mapping[str, Any] | RpsdError:
        try:
            return self._denoise.settled(**how)
        except RpsdError as error:
            return error

    def _work_through(
        self,
        wanted: Sequence[Wanted],
        pieces: Sequence[_Piece],
        outcomes: list[Outcome | None],
        go_on: Callable[[], None],
        stop: threading.Event,
    ) -> None:
        """Do the pieces, in this thread and in those that help. Raises what go_on() raises, when no thread works any more."""
        shared = deque(piece for piece in pieces if piece.shared)

        def take(own: Sequence[_Piece] = ()) -> None:
            try:
                for piece in chain(own, _emptied(shared)):
                    go_on()
                    _compute(wanted, piece, outcomes, go_on)
            except BaseException:
                stop.set()
                raise

        helping = [self._helpers.submit(take) for _ in range(min(self._helping, len(shared) - (len(shared) == len(pieces))))]
        errors: list[BaseException] = []
        try:
            take([piece for piece in pieces if not piece.shared])
        except BaseException as error:  # noqa: BLE001 - raised again below, once every thread has left the arrays
            errors.append(error)
        errors += [raised for future in helping if not future.cancel() and (raised := future.exception()) is not None]
        if errors:
            raise next((error for error in errors if not isinstance(error, _Stopped)), errors[0])


def _emptied(line: "deque[_Piece]") -> Iterator[_Piece]:
    """The pieces of a line that several threads empty."""
    while True:
        try:
            yield line.popleft()
        except IndexError:
            return


def _compute(wanted: Sequence[Wanted], piece: _Piece, outcomes: list[Outcome | None], go_on: Callable[[], None]) -> None:
    """Fill in the outcomes of a piece."""
    from rpsd.denoise import run, stack

    if isinstance(piece.how, RpsdError):
        for place in piece.places:
            outcomes[place] = piece.how
        return
    if piece.stacked:
        values = np.stack([wanted[place].values for place in piece.places])
        for place, result in zip(piece.places, stack.denoise(values, piece.how), strict=True):
            outcomes[place] = result
    for place in piece.places:
        if outcomes[place] is None:
            go_on()
            one = wanted[place]
            try:
                outcomes[place] = run.denoise(np.ascontiguousarray(one.values, np.float64), t=one.t, **piece.how)
            except RpsdError as error:
                outcomes[place] = error
