"""What every predictor of order books promises, every feature of the catalogue, and every reader of files."""

import inspect
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from rpsd.book import PREDICTORS, Predictor, blend, boosted, logistic
from rpsd.book.features import FEATURES, FURTHER, BookFeature, BookMemory, mirrored, run
from rpsd.book.forecast import opened, probabilities
from rpsd.book.train import train
from rpsd.core.book import Event, Tape
from rpsd.core.errors import BadParameter, DegenerateFit, RandomSplitRefused, RpsdError, TooShort
from rpsd.core.model import Packet
from rpsd.core.parameters import BookParameters, LabelParameters, build
from rpsd.samples import book_tape
from rpsd.services.book.feed import FORMATS, Format
from rpsd.services.book.feed import opened as reader_of
from rpsd.services.book.feed.reader import ReaderOptions
from tests.unit.book.tapes import tapes

TICK = 0.1
LABELS = (LabelParameters(), LabelParameters(label="horizon_events", horizon=50))
EVERY = pytest.mark.parametrize("predictor", PREDICTORS, ids=[one.name for one in PREDICTORS])
EVERY_FEATURE = pytest.mark.parametrize("feature", (*FEATURES, *FURTHER), ids=[one.name for one in (*FEATURES, *FURTHER)])
EVERY_FORMAT = pytest.mark.parametrize("one", FORMATS, ids=[one.name for one in FORMATS])


def asked(predictor: Predictor) -> BookParameters:
    return BookParameters(model=predictor.name, trees=6, bootstrap=20, folds=2)


@pytest.fixture(scope="module")
def tape() -> Tape:
    """The first quotes of the bundled capture."""
    whole = book_tape()
    quotes = whole.taken(whole.kind == Event.QUOTE)
    return quotes.taken(np.arange(quotes.n) < 25_000)


@pytest.fixture(autouse=True)
def few_moves_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trees are allowed on a capture as short as this."""
    monkeypatch.setattr(boosted, "LEAST_MOVES", 50)


@pytest.fixture(scope="module")
def models(tape: Tape) -> dict[tuple[str, str], Packet]:
    """A model of every predictor and label, each fitted once."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(boosted, "LEAST_MOVES", 50)
        return {(one.name, label.label): train([(tape, TICK)], label, asked(one), seed=3) for one in PREDICTORS for label in LABELS}


def test_the_catalogue_is_what_the_parameter_holds() -> None:
    """The words of `model` are the catalogue's names and `auto`; every share belongs to one predictor."""
    choices = BookParameters.__dataclass_fields__["model"].metadata["choices"]
    assert set(choices) == {"auto", *(one.name for one in PREDICTORS)}
    shares = [share for one in PREDICTORS for share in one.shares]
    assert sorted(shares, reverse=True) == list(blend.SHARES)
    assert len(set(shares)) == len(shares)
    with pytest.raises(BadParameter):
        build(BookParameters, {"model": "forest"})


def test_what_fits_says_where_it_comes_from() -> None:
    for fit in (logistic.fit, boosted.fit, blend.mixed):
        assert "Source:" in (inspect.getdoc(fit) or "")


@EVERY
def test_every_predictor_tells_itself(predictor: Predictor) -> None:
    assert predictor.summary.endswith(".")
    assert predictor.source


@EVERY
@pytest.mark.parametrize("label", [label.label for label in LABELS])
def test_the_packet_is_whole_and_travels(predictor: Predictor, label: str, models: dict[tuple[str, str], Packet]) -> None:
    model = models[predictor.name, label]
    expected = {
        "kind",
        "label",
        "horizon",
        "predictor",
        "calibration",
        "schema",
        "tick",
        "alpha",
        "l2",
        "seed",
        "events",
        "moves",
        "evaluation",
    }
    assert expected <= set(model.head)
    assert (model.head["predictor"], model.head["logistic_share"] in predictor.shares) == (predictor.name, True)
    again = Packet.unpack(model.pack())
    assert again.head == model.head
    assert set(again.arrays) == set(model.arrays)


@EVERY
@pytest.mark.parametrize("label", [label.label for label in LABELS])
def test_the_mirrored_book_gets_the_mirrored_probabilities(
    predictor: Predictor, label: str, models: dict[tuple[str, str], Packet], tape: Tape
) -> None:
    few = tape.taken(np.arange(tape.n) < 2000)
    model = opened(models[predictor.name, label])
    here = probabilities(run(few, TICK, BookMemory.fresh())[0], model)
    there = probabilities(run(mirrored(few, TICK), TICK, BookMemory.fresh())[0], model)
    np.testing.assert_array_equal(here, there[:, ::-1])
    np.testing.assert_allclose(here.sum(axis=1), 1.0, atol=1e-12)
    assert ((here >= 0) & (here <= 1)).all()
    assert (here[:, 1] == 0).all() == (label == "next_mid_move")


@EVERY
def test_the_same_seed_gives_the_same_bits(predictor: Predictor, models: dict[tuple[str, str], Packet], tape: Tape) -> None:
    first, again = models[predictor.name, LABELS[0].label], train([(tape, TICK)], LABELS[0], asked(predictor), seed=3)
    assert {name: array.tobytes() for name, array in again.arrays.items()} == {
        name: array.tobytes() for name, array in first.arrays.items()
    }


@EVERY
def test_bad_input_has_its_code(predictor: Predictor, tape: Tape) -> None:
    params = asked(predictor)
    with pytest.raises(TooShort):
        train([(tape.taken(np.arange(tape.n) < 300), TICK)], LABELS[0], params, seed=0)
    with pytest.raises(RandomSplitRefused):
        train([(tape, TICK)], LABELS[0], replace(params, split="random"), seed=0)
    quotes = np.column_stack([np.round(100 + TICK * (np.arange(5000) // 10), 1), np.ones(5000)])
    rising = Tape.of_quotes(np.arange(5000) * 10_000_000 + 10**18, np.column_stack([quotes, quotes[:, 0] + TICK, quotes[:, 1]]))
    with pytest.raises(DegenerateFit):
        train([(rising, TICK)], LABELS[0], params, seed=0)


@EVERY_FEATURE
def test_every_feature_tells_itself(feature: BookFeature) -> None:
    assert feature.name.isidentifier()
    assert feature.name == feature.name.lower()
    assert feature.parity in ("odd", "even", "swap")
    assert feature.formula
    assert feature.low < feature.high
    assert any(year in feature.source for year in map(str, range(1980, 2027)))


@given(tape=tapes(most=40))
@settings(max_examples=20, deadline=None)
def test_sizes_in_other_units_change_no_feature(tape: Tape) -> None:
    """Contracts or coins: a power of two changes no bit, because every size stands beside another."""

    def scaled(table: np.ndarray, column: slice | int) -> np.ndarray:
        other = table.copy()
        other[..., column] *= 8.0
        return other

    other = replace(tape, bids=scaled(tape.bids, 1), asks=scaled(tape.asks, 1), quotes=scaled(tape.quotes, slice(1, 4, 2)))
    np.testing.assert_array_equal(run(other, TICK, BookMemory.fresh())[0], run(tape, TICK, BookMemory.fresh())[0])


@given(tape=tapes(most=40))
@settings(max_examples=20, deadline=None)
def test_time_moved_as_a_whole_changes_no_feature(tape: Tape) -> None:
    later = replace(tape, t=tape.t + 86_400_000_000_000)
    np.testing.assert_array_equal(run(later, TICK, BookMemory.fresh())[0], run(tape, TICK, BookMemory.fresh())[0])


@EVERY_FORMAT
def test_every_format_tells_itself(one: Format) -> None:
    assert one.doc
    assert one.name == one.name.lower()


@EVERY_FORMAT
@pytest.mark.parametrize("text", [b"", b"\x00\xff\xfe not a feed\n", b"{]\n" * 3, b"a,b\n1,2\n"], ids=["empty", "octets", "json", "csv"])
def test_what_is_no_file_of_the_format_is_refused_with_a_code(one: Format, text: bytes) -> None:
    reader = reader_of(one.name, ReaderOptions(date="2024-08-09"))
    with pytest.raises(RpsdError) as raised:
        reader.feed(text)
        reader.finish()
    assert raised.value.code in {"bad_csv", "bad_book", "malformed_body", "invalid_request"}
