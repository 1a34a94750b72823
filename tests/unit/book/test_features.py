"""Features of order books: kernel = readable form, splits, mirror, degenerate books, causality, and formulas worked by hand."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpsd.book.features import FEATURES, PAUSE_NS, SCHEMA, BookMemory, book_of, mirrored, run, tick_of
from rpsd.core.book import Tape
from rpsd.core.errors import CorruptData
from rpsd.kernels import depth
from rpsd.samples import book_tape
from tests.unit.book.tapes import BASE_NS, TICK, part, tape_of, tapes

NAMES = [feature.name for feature in FEATURES]
MS = 1_000_000


def books(*rows: tuple[list[tuple[float, float]], list[tuple[float, float]]], step_ns: int = MS) -> Tape:
    """A tape of books, each (bids, asks) of (price, size)."""
    levels = max(max(len(side) for side in row) for row in rows)
    cube = np.zeros((2, len(rows), levels, 2))
    for i, row in enumerate(rows):
        for k, side in enumerate(row):
            cube[k, i, : len(side)] = side
    counts = np.array([[len(side) for side in row] for row in rows], np.int64)
    return Tape.of_books(BASE_NS + step_ns * np.arange(len(rows)), cube[0], cube[1], counts)


def rows_of(tape: Tape, tick: float = TICK) -> dict[str, np.ndarray]:
    """Each feature (n,) by its name."""
    return dict(zip(NAMES, run(tape, tick, BookMemory.fresh())[0].T, strict=True))


@settings(deadline=None, max_examples=80)
@given(tapes())
def test_kernel_is_its_readable_form(tape: Tape) -> None:
    found, _, memory = run(tape, TICK, BookMemory.fresh())
    assert np.allclose(found, depth.reference_depth(tape, TICK, PAUSE_NS), rtol=1e-9, atol=1e-10)
    bids, asks = depth.reference_books(tape, TICK)[-1]
    for side, sign, expected in zip(book_of(memory, TICK), (-1.0, 1.0), (bids, asks), strict=True):
        assert np.allclose(side, np.reshape([(sign * place * TICK, size) for place, size in expected], (-1, 2)), rtol=1e-12)


@settings(deadline=None, max_examples=60)
@given(tapes(), st.lists(st.integers(0, 60), max_size=6))
def test_every_split_gives_the_same_bits(tape: Tape, cuts: list[int]) -> None:
    whole, tops, last = run(tape, TICK, BookMemory.fresh())
    memory, rows, quotes = BookMemory.fresh(), [], []
    bounds = sorted({0, tape.n, *(cut for cut in cuts if cut < tape.n)})
    for start, stop in pairwise(bounds):
        found, top, memory = run(part(tape, start, stop), TICK, BookMemory.unpack(memory.pack()))
        rows.append(found), quotes.append(top)
    assert np.concatenate(rows).tobytes() == whole.tobytes()
    assert np.concatenate(quotes).tobytes() == tops.tobytes()
    assert memory.pack() == last.pack()


@settings(deadline=None, max_examples=80)
@given(tapes())
def test_mirror_is_exact(tape: Tape) -> None:
    straight, turned = rows_of(tape), rows_of(mirrored(tape, TICK))
    partner = {"slope_b": "slope_a", "slope_a": "slope_b", "gap_b": "gap_a", "gap_a": "gap_b"}
    for feature in FEATURES:
        expected = {"odd": -straight[feature.name], "even": straight[feature.name]}.get(feature.parity)
        expected = straight[partner[feature.name]] if expected is None else expected
        assert np.array_equal(turned[feature.name], expected), feature.name


@settings(deadline=None, max_examples=80)
@given(tapes(), st.sampled_from([1.0, 1e-300, 1e300]))
def test_every_feature_is_finite_and_in_its_range(tape: Tape, scale: float) -> None:
    scaled = dataclasses.replace(tape, bids=tape.bids * [1.0, scale], asks=tape.asks * [1.0, scale])
    for name, values in rows_of(scaled).items():
        feature = FEATURES[NAMES.index(name)]
        assert np.isfinite(values).all(), name
        assert (values >= feature.low).all(), name
        assert (values <= feature.high).all(), name


@settings(deadline=None, max_examples=40)
@given(tapes(), st.integers(0, 59))
def test_a_row_does_not_know_later_events(tape: Tape, cut: int) -> None:
    cut = min(cut, tape.n)
    assert run(part(tape, 0, cut), TICK, BookMemory.fresh())[0].tobytes() == run(tape, TICK, BookMemory.fresh())[0][:cut].tobytes()


def test_shape_of_a_book_by_hand() -> None:
    row = rows_of(books(([(9.9, 3.0), (9.7, 1.0)], [(10.1, 1.0), (10.2, 2.0), (10.5, 5.0)])))
    expected = {
        "spread_t": 2.0, "qi1": 0.5, "qi3": -4 / 12, "qi5": -4 / 12, "qi10": -4 / 12, "wdi": (3.6 - 4.0) / 7.6, "micro_t": 0.5,
        "micro5_t": ((1 * 3 + 2 * 1) - (1 * 1 + 3 * 2)) / 7, "depth_ratio": 4 / 12, "slope_b": np.log1p(4 / 3 / 2),
        "slope_a": np.log1p(8 / 5 / 2), "gap_b": 2.0, "gap_a": 1.0, "ofi_ev": 0.0, "rate": np.log(2.0), "since": 0.0, "lastdir": 0.0,
    }  # fmt: skip
    for name, value in expected.items():
        assert row[name][0] == pytest.approx(value, rel=1e-12), name


def test_order_flow_is_that_of_the_paper() -> None:
    asks = [(10.1, 4.0)]
    row = rows_of(
        books(
            ([(9.9, 2.0)], asks),
            ([(9.9, 5.0)], asks),
            ([(10.0, 1.0)], asks),
            ([(9.8, 7.0)], asks),
            ([(9.8, 7.0)], [(10.2, 6.0)]),
            step_ns=0,
        )
    )
    top = np.cumsum([3.0, 4.5, 2.5, 5.5, 6.5]) / np.arange(1, 6)
    assert np.allclose(row["ofi_ev"] * top, [0.0, 3.0, 1.0, -1.0, 4.0])
    assert np.allclose(row["ofi_m"] * top, np.cumsum([0.0, 3.0, 1.0, -1.0, 4.0]))
    assert np.allclose(row["mom_f"], [0.0, 0.0, 0.5, -0.5, 0.0])
    assert np.allclose(row["vol_s"][-1] ** 2 * 10.0, 0.25 + 1.0 + 0.25)
    assert list(row["lastdir"]) == [0.0, 0.0, 1.0, -1.0, 1.0]


def test_sums_decay_with_the_clock() -> None:
    book = ([(9.9, 1.0)], [(10.1, 1.0)])
    more = ([(9.9, 3.0)], [(10.1, 1.0)])
    tape = books(book, more, more, step_ns=400 * MS)
    row = rows_of(tape)
    top = np.array([1.0, 1.5, 5 / 3])
    for name, seconds in (("ofi_f", 0.2), ("ofi_m", 1.0), ("ofi_s", 10.0)):
        assert np.allclose(row[name] * top, [0.0, 2.0, 2.0 * np.exp(-0.4 / seconds)], rtol=1e-12)


def test_a_pause_ends_all_flow_but_keeps_the_book() -> None:
    book, higher = ([(9.9, 1.0)], [(10.1, 1.0)]), ([(10.0, 3.0)], [(10.2, 1.0)])
    row = rows_of(books(book, higher, step_ns=PAUSE_NS + 1))
    assert [row[name][1] for name in ("ofi_ev", "ofi_s", "mom_s", "vol_s", "since", "lastdir")] == [0.0] * 6
    assert rows_of(books(book, higher, step_ns=PAUSE_NS))["mom_s"][1] > 0.0


def test_a_quote_replaces_the_top_and_outlives_an_older_book() -> None:
    book = books(([(9.9, 1.0), (9.8, 2.0)], [(10.1, 1.0), (10.2, 2.0)]))
    _, _, memory = run(book, TICK, BookMemory.fresh())
    quote = Tape.of_quotes(np.array([BASE_NS + 10 * MS]), np.array([[9.8, 5.0, 10.0, 7.0]]))
    _, tops, memory = run(quote, TICK, memory)
    assert tops.tolist() == [[9.8, 5.0, 10.0, 7.0]]
    assert [side.tolist() for side in book_of(memory, TICK)] == [[[9.8, 5.0]], [[10.0, 7.0], [10.1, 1.0], [10.2, 2.0]]]
    _, tops, _ = run(book, TICK, memory)  # older than the quote
    assert tops.tolist() == [[9.8, 5.0, 10.0, 7.0]]
    newer = dataclasses.replace(book, t=book.t + 20 * MS)
    assert run(newer, TICK, memory)[1].tolist() == [[9.9, 1.0, 10.1, 1.0]]


def test_memory_is_left_as_it_was_and_small() -> None:
    tape = tape_of(np.random.default_rng(0), 40)
    _, _, memory = run(tape, TICK, BookMemory.fresh())
    before = memory.pack()
    run(tape, TICK, memory)
    assert memory.pack() == before
    assert len(before) < 600


def test_foreign_bytes_are_no_memory() -> None:
    for data in (b"", b"\x02\x00" + BookMemory.fresh().pack()[2:], BookMemory.fresh().pack() + b"\x00"):
        with pytest.raises(CorruptData, match="no memory"):
            BookMemory.unpack(data)


@pytest.mark.parametrize("tick", [0.1, 0.01, 0.25, 5.0, 0.00000125, 1.0])
def test_tick_is_inferred(tick: float) -> None:
    rng = np.random.default_rng(1)
    prices = np.round((3000 + np.sort(rng.choice(500, (4, 2, 20), replace=True), axis=2)) * tick, 9)
    cube = np.stack([prices, np.ones_like(prices)], axis=-1)
    assert tick_of(cube[:, 0], cube[:, 1], np.full((4, 2), 20)) == pytest.approx(tick, rel=1e-12)
    assert tick_of(cube[:1, 0, :5], cube[:1, 1, :5], np.full((1, 2), 5)) is None


def test_catalogue_is_whole() -> None:
    assert len(set(NAMES)) == len(NAMES) == depth.FEATURES
    assert {feature.parity for feature in FEATURES} == {"odd", "even", "swap"}
    assert all(feature.formula and feature.source for feature in FEATURES)
    assert len(SCHEMA) == 16


def test_bundled_capture_is_mirrored_and_split_exactly() -> None:
    tape = book_tape()
    whole, tops, _ = run(tape, TICK, BookMemory.fresh())
    assert np.isfinite(whole).all()
    assert (tops[:, 2] > tops[:, 0]).all()  # fusing crosses no book of the capture
    head, _, memory = run(part(tape, 0, 31_415), TICK, BookMemory.fresh())
    tail, _, _ = run(part(tape, 31_415, tape.n), TICK, memory)
    assert np.concatenate([head, tail]).tobytes() == whole.tobytes()
    turned, _, _ = run(mirrored(tape, TICK), TICK, BookMemory.fresh())
    for column, feature in enumerate(FEATURES):
        if feature.parity != "swap":
            assert np.array_equal(turned[:, column], whole[:, column] * (-1.0 if feature.parity == "odd" else 1.0)), feature.name
