"""Frames against an independent reading of the past: any posts, in any order, with revisions, late rows, missing cells and known_at."""

from dataclasses import dataclass, field
from itertools import count

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rpsd.core.errors import TooShort
from rpsd.core.market import DAY_NS, Samples
from rpsd.feature import run
from rpsd.services.feature import materialise
from rpsd.services.feature import rows as feature_rows
from rpsd.services.feature.frame import Frame
from rpsd.services.wiring import Services
from rpsd.store import derived, series
from tests.conftest import Clock
from tests.unit.services.feature.feature_bars import FIRST

VIEW = "small"
DEFINITION = {
    "features": ["sma_3", "ema_3", "rsi_2", "atr_2", "drawdown", {"name": "z", "transform": "zscore", "of": "close", "window": 4}]
}
COLUMNS = ("high", "low", "close")
BARS = 24
_number = count()


def table(c: object, symbol: str, as_of_ns: int | None) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Times, known times and inputs of the series, straight from the store."""
    info = series.require(c, symbol, "1d")  # type: ignore[arg-type]
    found = series.read(c, info, as_of_ns=as_of_ns)  # type: ignore[arg-type]
    close = found.t + DAY_NS
    known = close if found.known_at is None else np.maximum(found.known_at, close)
    return found.t, known, {name: found.columns[name] for name in COLUMNS}


@dataclass
class World:
    """A series that is posted to, and what was answered on the way."""

    services: Services
    clock: Clock
    symbol: str
    posted: int = 0
    seen_ns: int = 0
    skipped: list[int] = field(default_factory=list)
    answers: list[tuple[int, Frame, dict[str, object] | None]] = field(default_factory=list)

    def post(self, places: list[int], level: float, holes: bool, known: str) -> None:
        """Bars of these numbers, now; `known`: as the sender says."""
        t = FIRST + DAY_NS * np.array(places, np.int64)
        self.clock.now_ns = max(self.clock.now_ns + 7, int(t[-1]) + (DAY_NS // 2 if known == "open" else DAY_NS + 5))
        now, close = self.clock.now_ns, t + DAY_NS
        middle = 100.0 + level * (1.0 + np.arange(t.size))
        columns = {"high": middle + 1.0, "low": middle - 1.5, "close": middle.copy()}
        if holes:
            columns["close"][0] = np.nan
        said = np.full(t.size, now)
        if known == "early":
            said = np.maximum(np.maximum(close, self.seen_ns + 1), now - DAY_NS)
        is_close = known in ("close", "open") and bool((close > self.seen_ns).all())
        self.services.series.append(self.symbol, "1d", Samples(t, columns, None if is_close else said))

    def answer(self) -> None:
        """Ask for the frame and the vector of this moment."""
        self.seen_ns = now = self.clock.now_ns
        frame = self.services.feature.frames.read(VIEW, self.symbol, as_of_ns=now)
        try:
            vector = self.services.feature.vectors.of(VIEW, self.symbol)
        except TooShort:
            vector = None
        self.answers.append((now, frame, vector))


Action = tuple[str, int, float, bool, str]
ACTIONS = st.tuples(
    st.sampled_from(["new", "new", "new", "skip", "late", "revise", "revise", "materialise", "answer", "wait"]),
    st.integers(1, 4),
    st.integers(-20, 20).map(float),
    st.booleans(),
    st.sampled_from(["close", "now", "early", "open"]),
)

BARS_OF_THREE: Action = ("new", 3, 1.0, False, "now")


def play(world: World, action: Action) -> None:
    kind, n, level, holes, known = action
    if kind == "new" and world.posted + n <= BARS:
        world.post(list(range(world.posted, world.posted + n)), level, holes, known)
        world.posted += n
    elif kind == "skip" and world.posted < BARS:
        world.skipped.append(world.posted)
        world.posted += 1
    elif kind == "late" and world.skipped:
        world.post([world.skipped.pop(0)], level, holes, "now")
    elif kind == "revise" and world.posted:
        wanted = [i for i in range(max(0, world.posted - 3 * n), world.posted, n) if i not in world.skipped]
        if wanted:
            world.post(wanted, level, holes, "now")
    elif kind == "materialise":
        world.services.feature.materialiser.run(VIEW, [world.symbol] if has(world) else [])
    elif kind == "answer" and has(world):
        world.answer()
    elif kind == "wait":
        world.clock.now_ns += DAY_NS // 3


def has(world: World) -> bool:
    return world.services.database.read(lambda c: series.find(c, world.symbol, "1d")) is not None


def computed(frame: Frame, inputs: dict[str, np.ndarray], there: np.ndarray) -> np.ndarray:
    return run.compute(frame.graph, {name: np.ascontiguousarray(inputs[name][there]) for name in frame.graph.inputs})


@pytest.mark.parametrize("checkpoint", [4, 4096])
def test_frames_vectors_and_stored_rows_agree_with_the_store_at_every_moment(
    services: Services, clock: Clock, checkpoint: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_rows, "CHECKPOINT", checkpoint)
    monkeypatch.setattr(materialise, "CHECKPOINT", checkpoint)
    services.feature.views.register(VIEW, DEFINITION, "test")

    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.lists(ACTIONS, min_size=4, max_size=24), st.booleans())
    @example([BARS_OF_THREE, ("skip", 1, 0.0, False, "now"), BARS_OF_THREE, ("late", 1, 9.0, False, "now")], False)
    def holds(actions: list[Action], revised: bool) -> None:
        clock.now_ns = FIRST
        world = World(services, clock, f"S{next(_number)}")
        for action in actions:
            if revised or action[0] != "revise":  # what was only ever late is read another way
                play(world, action)
        if not has(world):
            return
        check(world)
        services.feature.materialiser.run(VIEW, [world.symbol])
        check(world)
        stored(world)
        services.series.delete(world.symbol, "1d", "test")

    holds()


def check(world: World) -> None:
    """Each row as known is what the store had at its known time; what was answered at a moment is what as_of says of it later."""
    frames, database = world.services.feature.frames, world.services.database
    frame = frames.read(VIEW, world.symbol)
    now_t, now_known, _ = database.read(lambda c: table(c, world.symbol, None))
    for i, (t, known) in enumerate(zip(frame.piece.t.tolist(), frame.piece.known.tolist(), strict=True)):
        times, seen, inputs = database.read(lambda c, at=known: table(c, world.symbol, at))
        there = (seen <= known) & (times <= t)
        assert times[there][-1] == t
        assert computed(frame, inputs, there)[-1].tobytes() == frame.piece.features[i].tobytes(), (i, t, known)
        before = database.read(lambda c, at=known - 1: table(c, world.symbol, at))
        assert t not in before[0][before[1] <= known - 1], "it was known before"
    assert frame.piece.t.tolist() == now_t[now_known <= world.clock.now_ns].tolist()
    for moment, then, vector in world.answers:
        later = frames.read(VIEW, world.symbol, as_of_ns=moment)
        assert later.piece.t.tolist() == then.piece.t.tolist()
        assert later.piece.features.tobytes() == then.piece.features.tobytes()
        joined = frames.join(VIEW, [(world.symbol, moment)], as_of_ns=moment)
        assert joined.there[0] == bool(then.piece.t.size)
        if vector is not None:
            values = [np.nan if value is None else value for value in vector["features"].values()]
            assert np.array(values).tobytes() == then.piece.features[-1].tobytes()


def stored(world: World) -> None:
    """The materialised rows are those of the series as it stands."""

    def look(c: object) -> tuple[Samples, tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]]:
        info = series.require(c, world.symbol, "1d")  # type: ignore[arg-type]
        return derived.read_group(c, info, f"view:{VIEW}")[1], table(c, world.symbol, None)  # type: ignore[arg-type]

    frame = world.services.feature.frames.read(VIEW, world.symbol)
    if not frame.piece.t.size:
        return
    rows, (t, known, inputs) = world.services.database.read(look)
    waits = np.flatnonzero(known > world.clock.now_ns)
    there = np.arange(t.size) < (waits[0] if waits.size else t.size)
    assert rows.t.tolist() == t[there].tolist()
    assert np.stack(list(rows.columns.values()), axis=1).tobytes() == computed(frame, inputs, there).tobytes()
