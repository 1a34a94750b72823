"""`rpsd serve` with one promise broken on purpose: `python -m tests.fault.broken_server CHANGE serve`.

What the failing controls run against; each change shows that the fault tests would see such a defect:

- `early`: the writer answers a group of writes before it commits them, as a write-behind cache does; the commit comes BEHIND_SECONDS later.
  The pause spares kills, not the proof: without it 30 kills still lost 14 of 61,497 acknowledged rows.
- `forgetful`: idempotency keys are not kept, so that a request sent again is done again.
- `amnesiac`: a live column that is not in memory begins anew after its head, instead of from its last checkpoint.
- `oblivious`: a regime's filter that is not in memory begins anew from the long-run shares, instead of from where the store says it stands.
- `bookless`: the features of an order book that is not in memory begin anew, instead of from where the store says they stand.
- `hasty`: how far a feature view is comes into the store in a transaction of its own, a second before its rows do.
- `brittle`: a query parameter of more than 200 characters, and a body that holds 2^64, raise what nobody expected.
- `talkative`: a problem's detail tells the Python type and the file in which an exception arose.
- `hoarding`: four kilobytes of memory are lost with every request.
- `sleepless`: nothing is shut for being silent or stuck, and the engine waits for headers for an hour.
- `impatient`: nothing is broken, but a training may take only a few seconds, so that a test need not wait for the real deadline.

A server with PRAGMA synchronous=OFF would be no control here. SIGKILL ends a process, not the kernel: what the process has handed to
write() lives on in the page cache and is read back by the next process, fsync or not. Only a machine that loses power or panics shows a
missing fsync. What SIGKILL can show is an answer given before write().
"""

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from rpsd.__main__ import run
from rpsd.services import series
from rpsd.services.following import Follower
from rpsd.services.regime import training
from rpsd.store.writer import Writer

BEHIND_SECONDS: Final = 0.05


def commit_behind(self: Any, group: list[Any]) -> None:
    """Writer._commit with its two ends swapped: the answers, then the commit."""
    self._connection.execute("BEGIN IMMEDIATE")
    for request in group:
        value, failure = self._attempt(request)
        if failure is None:
            request.future.set_result(value)
        else:
            request.future.set_exception(failure)
    time.sleep(BEHIND_SECONDS)
    self._connection.execute("COMMIT")


def early() -> None:
    Writer._commit = commit_behind  # type: ignore[method-assign]


def forgetful() -> None:
    def always(_c: Any, _once: Any, _now_ns: int, fn: Callable[[], dict[str, Any]]) -> tuple[dict[str, Any], bool]:
        return fn(), False

    series.run_once = always


def amnesiac() -> None:
    from rpsd.denoise import live as numerics

    held = Follower._state

    def state(self: Any, c: Any, info: Any, column: Any) -> Any:
        fresh = column.group.id not in self._standing
        return numerics.beginning(self._plan(column)) if fresh else held(self, c, info, column)

    Follower._state = state  # type: ignore[method-assign]


def oblivious() -> None:
    from rpsd.services.regime.standing import Standings

    held, known = Standings._start, set[str]()

    def start(self: Any, c: Any, model: Any, stood: Any, changed_ns: Any) -> Any:
        at, back_to_ns = held(self, c, model, stood, changed_ns)
        if model.name not in known:
            known.add(model.name)
            at = replace(at, p=model.packet.arrays["stationary"])
        return at, back_to_ns

    Standings._start = start  # type: ignore[method-assign]


def bookless() -> None:
    from rpsd.services.book import live as book_live

    held = book_live.opened

    def opened(c: Any, symbol: str) -> Any:
        stand = held(c, symbol)
        return None if stand is None else replace(stand, memory=None)

    book_live.opened = opened


def hasty() -> None:
    from rpsd.services.feature.materialise import Materialiser
    from rpsd.store import view_standing

    held = Materialiser._write

    def write(self: Any, steps: Any) -> Any:
        def note(c: Any) -> None:
            for step in steps:
                view_standing.put(c, step.info, step.head.packed())

        self._database.write(note).result()
        time.sleep(1.0)  # so that few kills find it
        return held(self, [replace(step, was=step.head.packed()) for step in steps])

    Materialiser._write = write  # type: ignore[method-assign]


def brittle() -> None:
    from rpsd.web import wire

    held_text, held_json = wire.parse_qsl, wire.decoded_json

    def parsed(text: str, **more: Any) -> Any:
        pairs = held_text(text, **more)
        assert all(len(value) <= 200 for _, value in pairs)
        return pairs

    def decoded(body: bytes, kind: Any = Any) -> Any:
        assert b"18446744073709551616" not in body
        return held_json(body, kind)

    wire.parse_qsl, wire.decoded_json = parsed, decoded


def talkative() -> None:
    from rpsd.web import edge, problem

    held = problem.body_of

    def body_of(error: Any, request_id: str) -> bytes:
        error.detail = f"<class '{type(error).__module__}'> in {__file__}: {error.detail}"
        return held(error, request_id)

    problem.body_of = edge.body_of = body_of


def hoarding() -> None:
    from rpsd.web import edge

    held, hoard = edge.Edge._account, []

    def account(self: Any, *arguments: Any) -> None:
        hoard.append(bytearray(4096))
        held(self, *arguments)

    edge.Edge._account = account  # type: ignore[method-assign]


def impatient() -> None:
    training._DEADLINE_SECONDS = 3.0  # type: ignore[misc]


def sleepless() -> None:
    from rpsd.web.process import engine
    from rpsd.web.process.reaper import Reaper

    Reaper.walk = lambda _self: 0  # type: ignore[method-assign]
    engine._head_milliseconds = lambda _settings: 3_600_000


CHANGES: Final = {
    change.__name__: change
    for change in (amnesiac, bookless, brittle, early, forgetful, hasty, hoarding, impatient, oblivious, sleepless, talkative)
}

if __name__ == "__main__":
    CHANGES[sys.argv[1]]()
    sys.exit(run(sys.argv[2:]))
