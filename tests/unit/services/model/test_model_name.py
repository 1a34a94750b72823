"""Names of models, there and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpsd.core.errors import BadParameter, UnknownModel
from rpsd.core.parameters import LabelParameters
from rpsd.services.model.name import BookName, RegimeName, label_word, parse

LABELS = st.one_of(
    st.builds(LabelParameters, delay_ms=st.integers(0, 60_000).map(float)),
    st.builds(
        LabelParameters,
        label=st.sampled_from(["horizon_events", "horizon_ms", "smoothed"]),
        horizon=st.integers(1, 100_000),
        delay_ms=st.integers(0, 60_000).map(float),
    ),
)


@given(label=LABELS, symbol=st.sampled_from(["BTC-USDT", "X", "POOLED"]))
def test_every_label_has_a_name_of_its_own(label: LabelParameters, symbol: str) -> None:
    name = BookName(symbol, label)
    assert parse(str(name)) == name
    assert name.pooled.is_pooled
    assert str(name.pooled) == f"book:POOLED:{label_word(label)}"


def test_names_read_as_the_contract_writes_them() -> None:
    assert BookName.parse("book:btc-usdt:next_mid_move") == BookName("BTC-USDT", LabelParameters())
    assert label_word(LabelParameters(label="smoothed", horizon=50)) == "smoothed_50_events"
    assert parse("regime:x:1d:2_state") == RegimeName("X", "1d", "2_state")


@pytest.mark.parametrize(
    "name",
    [
        *("", "book", "book:X", "book:X:next_mid_move:more", "book:-x:next_mid_move", "tape:X:next_mid_move", "regime:X:1d"),
        *("book:X:horizon_0_events", "book:X:horizon_10_bars", "book:X:horizon_100001_ms", "book:X:next_mid_move_after_60001_ms"),
        *("book:X:smoothed_50_ms", "book:X:NEXT_MID_MOVE", "book:X:horizon_٣_ms"),
    ],
)
def test_anything_else_is_no_name(name: str) -> None:
    with pytest.raises(UnknownModel):
        parse(name)


def test_a_delay_within_a_millisecond_has_no_name() -> None:
    with pytest.raises(BadParameter):
        label_word(LabelParameters(delay_ms=0.5))
