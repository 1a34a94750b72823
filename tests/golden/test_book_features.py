"""The kernel's 27 features against the manual's table written out in plain Python, on real events."""

import numpy as np
import pytest

from rpsd.book.features import FEATURES, BookMemory, run
from rpsd.core.book import Event, Tape
from rpsd.samples import book_tape
from tests.captures import perp_tape
from tests.golden.book.papers import order_flow
from tests.golden.book.stream import Stream

TICK = 0.1


def begun(tape: Tape, events: int, skip: int) -> Tape:
    """Events from the first book after `skip` on."""
    first = skip + int(np.argmax(tape.kind[skip:] == Event.DEPTH))
    keep = np.zeros(tape.n, bool)
    keep[first : first + events] = True
    return tape.taken(keep)


@pytest.mark.parametrize("capture", [book_tape, perp_tape])
@pytest.mark.parametrize("skip", [0, 40_000])
def test_every_feature_is_that_of_the_table(capture, skip: int) -> None:  # type: ignore[no-untyped-def]
    tape = begun(capture(), 3_000, skip)
    assert {int(kind) for kind in tape.kind} == {0, 1, 2}
    found, tops, _ = run(tape, TICK, BookMemory.fresh())
    stream = Stream(TICK)
    expected = np.array([stream.see(tape, i) for i in range(tape.n)])
    for column, feature in enumerate(FEATURES):
        np.testing.assert_allclose(found[:, column], expected[:, column], rtol=1e-9, atol=1e-9, err_msg=feature.name)
    assert np.ptp(expected, axis=0).min() > 0.0  # no feature is idle on these events
    assert tops[-1].tolist() == [stream.bids[0][0] / 10, stream.bids[0][1], stream.asks[0][0] / 10, stream.asks[0][1]]


def test_order_flow_is_the_papers_on_two_hundred_books() -> None:
    tape = book_tape()
    books = begun(tape.taken(tape.kind == Event.DEPTH), 200, 1_000)
    found, tops, _ = run(books, TICK, BookMemory.fresh())
    expected = np.array([0.0, *order_flow([tuple(row) for row in tops.tolist()])])
    sizes = np.cumsum((tops[:, 1] + tops[:, 3]) / 2.0) / np.arange(1, 201)
    assert np.allclose(found[:, 13], expected / sizes, rtol=1e-12, atol=1e-12)
