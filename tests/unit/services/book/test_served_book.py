"""Models of order books in memory: which questions need neither the disk nor a thread of their own."""

import pytest

from rpsd.core.errors import FeatureGraphChanged, NoModel
from rpsd.services.book.served import ServedBooks
from rpsd.services.wiring import Services
from tests.flow.web.book_model import serve

OWN, POOLED = "book:SB.A:next_mid_move", "book:POOLED:next_mid_move"


@pytest.mark.parametrize("exact", [True, False])
def test_a_model_found_once_is_known_without_a_look_at_the_pooled_one(services: Services, exact: bool) -> None:
    serve(services, OWN)
    books, name = ServedBooks(services.model), services.forecast.question("SB.A", None).name
    assert not books.are_known(name, exact=exact)
    assert books.find(name, exact=exact).text == OWN
    assert books.are_known(name, exact=exact)
    serve(services, OWN)
    assert not books.are_known(name, exact=exact)


def test_the_pooled_model_is_known_once_the_own_one_is_known_to_be_missing(services: Services) -> None:
    serve(services, POOLED, tick=None)
    books, name = ServedBooks(services.model), services.forecast.question("SB.A", None).name
    books.find(name.pooled, exact=True)
    assert not books.are_known(name, exact=False)
    assert books.find(name, exact=False).text == POOLED
    assert books.are_known(name, exact=False)


def test_that_there_is_none_is_known_as_well(services: Services) -> None:
    books, name = ServedBooks(services.model), services.forecast.question("SB.A", None).name
    with pytest.raises(NoModel):
        books.find(name, exact=False)
    assert books.are_known(name, exact=False)


def test_a_model_of_other_features_is_refused_by_every_way_in(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(services, OWN)
    monkeypatch.setattr("rpsd.book.features.GRAPH", "0" * 64)
    name = services.forecast.question("SB.A", None).name
    with pytest.raises(FeatureGraphChanged, match="computed otherwise"):
        ServedBooks(services.model).find(name, exact=True)
    with pytest.raises(FeatureGraphChanged):
        services.backtest._packed(OWN)
