"""Point-in-time frames: a later revision or a late bar never shows in a row that was known before it."""

import random
from typing import Any

import numpy as np
import pytest

from rpsd.core.errors import BadTime, BadView, FeatureGraphChanged, UnknownView
from rpsd.core.market import DAY_NS, Samples
from rpsd.feature import run
from rpsd.services.feature.frame import Frame
from rpsd.services.wiring import Services
from tests.conftest import Clock
from tests.unit.services.feature.feature_bars import FIRST, bars

CORE = "core_technical"
DAY = FIRST + DAY_NS * np.arange(2000, dtype=np.int64)


def read(services: Services, **asked: Any) -> Frame:
    return services.feature.frames.read(CORE, "A:1d", **asked)


def same(a: Frame, b: Frame, rows: int | None = None) -> bool:
    return all(getattr(a.piece, name)[:rows].tobytes() == getattr(b.piece, name)[:rows].tobytes() for name in ("t", "known", "features"))


def scaled(samples: Samples, factor: float) -> Samples:
    """The bars revised: all prices times the factor."""
    columns = {name: values * (factor if name != "volume" else 1.0) for name, values in samples.columns.items()}
    return Samples(samples.t.copy(), columns, samples.known_at)


def test_without_revisions_the_stored_rows_are_the_frame(services: Services) -> None:
    services.series.append("A", "1d", bars(0, 300))
    before = read(services)
    services.feature.materialiser.run()
    stored = read(services)
    assert same(before, stored)
    assert before.piece.known.tolist() == (DAY[:300] + DAY_NS).tolist()
    services.series.append("A", "1d", bars(300, 303))
    assert read(services).piece.t.size == 303  # the bars since are there before the job has run
    page = read(services, start_ns=int(DAY[100]), end_ns=int(DAY[301]), limit=10)
    assert page.piece.t.tolist() == DAY[100:110].tolist()
    assert page.next_ns == DAY[110]
    assert read(services, start_ns=int(DAY[298]), end_ns=int(DAY[301]), limit=10).next_ns is None


def test_a_later_revision_leaves_known_rows_as_they_were(services: Services, clock: Clock) -> None:
    clock.now_ns = int(DAY[300])
    services.series.append("A", "1d", bars(0, 300))
    services.feature.materialiser.run()
    before = read(services)
    clock.now_ns = int(DAY[310])
    services.series.append("A", "1d", scaled(bars(150, 151), 1.5))
    services.feature.materialiser.run()
    assert same(read(services), before)
    services.series.append("A", "1d", bars(300, 309))
    services.feature.materialiser.run()
    after = read(services)
    assert same(after, before, 300)
    assert after.piece.t.size == 309
    revised = scaled(bars(0, 309), 1.0).columns
    known = {
        name: np.concatenate([revised[name][:150], scaled(bars(150, 151), 1.5).columns[name], revised[name][151:]]) for name in revised
    }
    want = run.compute(after.graph, {name: known[name] for name in after.graph.inputs})
    # bars 300 to 308 counted from their close on, before the revision was known
    untouched = run.compute(after.graph, {name: revised[name] for name in after.graph.inputs})
    assert after.piece.features[300:].tobytes() == untouched[300:].tobytes()
    assert not np.array_equal(want[300:], untouched[300:], equal_nan=True)
    as_of = read(services, as_of_ns=clock.now_ns)
    assert as_of.piece.features.tobytes() == want.tobytes()
    assert as_of.reading == "as_of"


def test_as_of_before_and_after_a_revision(services: Services, clock: Clock) -> None:
    clock.now_ns = int(DAY[300])
    services.series.append("A", "1d", bars(0, 300))
    before = read(services)
    clock.now_ns = int(DAY[310])
    services.series.append("A", "1d", scaled(bars(299, 300), 1.5))
    then = read(services, as_of_ns=int(DAY[310]) - 1)
    now = read(services, as_of_ns=int(DAY[310]))
    assert same(then, before)
    assert same(now, before, 299)
    assert not same(now, before)
    assert now.piece.known[-1] == DAY[310]
    assert read(services, as_of_ns=int(DAY[100])).piece.t.size == 100


def test_a_bar_that_came_late_has_its_row_from_then_on_and_changes_none_before(services: Services, clock: Clock) -> None:
    clock.now_ns = int(DAY[200])
    given = bars(0, 200)
    services.series.append("A", "1d", Samples(np.delete(given.t, 150), {k: np.delete(v, 150) for k, v in given.columns.items()}))
    services.feature.materialiser.run()
    before = read(services)
    late = bars(150, 151)
    clock.now_ns = int(DAY[210])
    services.series.append("A", "1d", Samples(late.t.copy(), dict(late.columns), DAY[205:206].copy()))
    services.series.append("A", "1d", bars(200, 209))
    services.feature.materialiser.run()
    after = read(services)
    row = int(np.searchsorted(after.piece.t, DAY[150]))
    assert after.piece.known[row] == DAY[205]
    rest = np.delete(np.arange(after.piece.t.size), row)
    assert after.piece.features[rest][:199].tobytes() == before.piece.features.tobytes()
    everything = run.compute(after.graph, {name: bars(0, 209).columns[name] for name in after.graph.inputs})
    assert after.piece.features[row].tobytes() == everything[150].tobytes()
    assert after.piece.features[205:].tobytes() == everything[205:].tobytes()


def test_a_bar_that_was_revised_before_the_next_one_came_keeps_its_first_row(services: Services, clock: Clock) -> None:
    clock.now_ns = int(DAY[100]) + 1
    services.series.append("A", "1d", bars(0, 100))
    before = read(services)
    clock.now_ns += 5
    services.series.append("A", "1d", scaled(bars(99, 100), 1.1))
    clock.now_ns = int(DAY[101])
    services.series.append("A", "1d", bars(100, 101))
    services.feature.materialiser.run()  # every bar as it stands now was known no earlier than those before it
    assert same(read(services), before, 100)


def slow(services: Services, frame: Frame, history: list[tuple[int, Samples]]) -> np.ndarray:
    """The same rows one by one: for each bar all that was known at its moment, computed anew."""
    rows = []
    for t, known in zip(frame.piece.t.tolist(), frame.piece.known.tolist(), strict=True):
        state: dict[int, list[float]] = {}
        stored: set[int] = set()
        for at, samples in history:
            for i, bar in enumerate(samples.t.tolist()):
                first = bar + DAY_NS if samples.known_at is None else int(samples.known_at[i])
                seen = at if bar in stored else first
                stored.add(bar)
                if max(seen, bar + DAY_NS) <= known and bar <= t:
                    state[bar] = [samples.columns[name][i] for name in frame.graph.inputs]
        table = np.array([state[bar] for bar in sorted(state)]).T
        rows.append(run.compute(frame.graph, {name: table[i].copy() for i, name in enumerate(frame.graph.inputs)})[-1])
    return np.array(rows)


@pytest.mark.parametrize("seed", range(6))
def test_any_history_reads_as_if_each_row_were_computed_when_it_was_known(services: Services, clock: Clock, seed: int) -> None:
    rng, history, at, skipped = random.Random(seed), [], 0, []
    clock.now_ns = int(DAY[0])
    while at < 90:
        stop = at + rng.choice([1, 2, 5, 20])
        new = bars(at, stop)
        at = stop
        if rng.random() < 0.4 and new.t.size > 1:
            skipped.append(int(new.t[0]))
            new = Samples(new.t[1:].copy(), {name: values[1:].copy() for name, values in new.columns.items()})
        clock.now_ns = max(clock.now_ns + 7, int(new.t[-1]) + DAY_NS + 1)
        posts = [new]
        if rng.random() < 0.6:
            bar = rng.randrange(0, at)
            posts.append(scaled(bars(bar, bar + 1), rng.uniform(0.9, 1.1)))
        if skipped and rng.random() < 0.5:
            bar = (skipped.pop() - FIRST) // DAY_NS
            late = bars(bar, bar + 1)
            posts.append(Samples(late.t.copy(), dict(late.columns), np.array([clock.now_ns + 5])))
        for post in posts:
            clock.now_ns += 5
            if int(post.t[0]) in skipped:
                continue
            services.series.append("A", "1d", post)
            history.append((clock.now_ns, post))
        if rng.random() < 0.5:
            services.feature.materialiser.run()
    found = read(services)
    assert found.piece.features.tobytes() == slow(services, found, history).tobytes()


def test_a_join_gives_the_last_row_that_was_known(services: Services, clock: Clock) -> None:
    clock.now_ns = int(DAY[300])
    services.series.append("A", "1d", bars(0, 300))
    services.series.append("B", "1d", Samples(bars(0, 50).t, {"close": bars(0, 50).columns["close"]}))
    frames = services.feature.frames
    frame = read(services)
    pairs = [("A:1d", int(DAY[100])), ("A", int(DAY[100]) - 1), ("A:1d", int(DAY[0])), ("A:1d", int(DAY[299]) + 5)]
    joined = frames.join(CORE, pairs)
    assert joined.view.version == 2
    assert joined.there.tolist() == [True, True, False, True]
    assert joined.event[joined.there].tolist() == [DAY[99], DAY[98], DAY[298]]
    assert joined.features[0].tobytes() == frame.piece.features[99].tobytes()
    both = frames.join(CORE, [*pairs, ("B:1d", int(DAY[60]))])
    assert both.view.version == 1  # the newest that both have the columns for
    assert both.event[-1] == DAY[49]
    assert frames.join(CORE, pairs[:1], as_of_ns=int(DAY[100])).features[0].tobytes() == joined.features[0].tobytes()
    assert not frames.join(CORE, []).there.size


def test_bad_questions(services: Services, clock: Clock) -> None:
    services.series.append("A", "1d", bars(0, 30))
    with pytest.raises(BadTime) as caught:
        read(services, as_of_ns=clock.now_ns + 1)
    assert caught.value.errors[0].pointer == "/query/as_of"
    with pytest.raises(FeatureGraphChanged):
        read(services, expect="0" * 64)
    assert read(services, expect=read(services).graph.hash).piece.t.size == 30
    with pytest.raises(UnknownView):
        services.feature.frames.read("core_technical@9", "A")
    services.series.append("N", "1d", Samples(bars(0, 30).t, {"high": bars(0, 30).columns["high"], "low": bars(0, 30).columns["low"]}))
    with pytest.raises(BadView) as refused:
        services.feature.frames.read(CORE, "N")
    assert ("/features/sma_20", True) in [(fault.pointer, "close" in fault.reason) for fault in refused.value.errors]
    with pytest.raises(BadView):
        services.feature.frames.join(CORE, [("N", int(DAY[3]))])
