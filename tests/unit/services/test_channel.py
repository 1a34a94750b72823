"""Names of channels: their grammar, and what hearing them takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from rpsd.core.access_errors import UnknownChannel
from rpsd.core.market import INTERVALS
from rpsd.services.access.service import SCOPES
from rpsd.services.channel import CHANNELS, Family, named, parse

_SYMBOLS = some.from_regex(r"\A[A-Z0-9^][A-Z0-9._=^-]{0,31}\Z")


@given(some.sampled_from(CHANNELS), _SYMBOLS, some.sampled_from(sorted(INTERVALS)))
def test_every_name_of_the_grammar_is_its_own_canonical_text(family: Family, symbol: str, interval: str) -> None:
    name = named(family.name, *(symbol, interval)[: family.parts])
    channel = parse(name)
    assert (channel.name, channel.family) == (name, family)
    assert channel.symbol == (symbol if family.parts else None)
    assert channel.interval == (interval if family.parts == 2 else None)
    assert parse(named(family.name, *(symbol.lower(), interval)[: family.parts])) == channel


@given(some.text(max_size=100))
def test_any_text_is_a_channel_or_refused_with_a_code(text: str) -> None:
    try:
        assert parse(parse(text).name) == parse(text)
    except UnknownChannel as error:
        assert len(error.detail) < 400


@pytest.mark.parametrize(
    "text",
    [
        "", "job", "JOBS", "jobs:", "jobs:AAPL", "regime", "regime:AAPL", "regime:AAPL:1x", "regime:AAPL:1d:3_state", "regime::1d", "book:",
        "book:AAPL:1d", "book:ÄPFEL", "book:" + "A" * 33, "prediction:AAPL ", " jobs", "drift\n", "samples:AAPL:1D",
    ],
)  # fmt: skip
def test_what_is_no_channel_is_refused(text: str) -> None:
    with pytest.raises(UnknownChannel) as caught:
        parse(text)
    assert caught.value.errors[0].pointer == "/channels"


def test_the_catalogue_is_one_of_distinct_names_with_scopes_that_exist() -> None:
    assert len({family.name for family in CHANNELS}) == len(CHANNELS)
    for family in CHANNELS:
        assert family.scope in SCOPES
        assert family.pattern.split(":")[0] == family.name
        assert family.pattern.split(":")[1:] == ["SYMBOL", "INTERVAL"][: family.parts]
        assert family.pattern in UnknownChannel.hint  # the hint lists them all
    assert {family.name for family in CHANNELS if family.scope == "predict"} == {"prediction"}
