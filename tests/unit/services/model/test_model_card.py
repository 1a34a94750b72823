"""Cards in sections, lineage along the fits, and a history that outlives the versions that served it."""

import numpy as np
import pytest

from rpsd.core import instant
from rpsd.core.errors import UnknownModel
from rpsd.core.market import DAY_NS, Samples
from rpsd.services.model.service import Candidate, Verdict
from rpsd.store import model_past
from tests.unit.services.conftest import daily, two_moods

NAME = "regime:X:1d:2_state"


@pytest.fixture
def fitted(services):
    """Versions 1 to 4, each said to have gone on from the one before; the last serves."""
    services.series.append("X", "1d", daily(two_moods(400)))
    services.regime.train(NAME)
    _, packet = services.model.production(NAME)
    card = dict(services.model.card(NAME)["card"])
    for before in (1, 2, 3):
        services.model.register(Candidate(NAME, packet, card | {"predecessor": before}, Verdict(True, "better")), "me")
    return services


def test_every_part_of_a_card_stands_in_one_section(fitted) -> None:
    sections = fitted.model_card.sections(fitted.model.card(NAME))
    headings = [heading for heading, _ in sections]
    assert headings[:3] == ["Version", "Data", "Fit"]
    rows = [row for _, part in sections for row in part]
    names = [name for name, _ in rows]
    assert len(names) == len(set(names))
    told = dict(rows)
    assert (told["symbol"], told["evaluation.one_state_per_bar"] < 0, told["gate.promoted"]) == ("X", True, True)
    assert told["libraries.numpy"] == np.__version__


def test_lineage_goes_back_along_the_fits_page_by_page(fitted) -> None:
    whole = fitted.model_card.lineage(NAME, None, 10)
    assert [(link["version"], link["predecessor"]) for link in whole["chain"]] == [(4, 3), (3, 2), (2, 1), (1, None)]
    assert whole["next"] is None
    assert all(len(link["data_fingerprint"]) == len(link["graph"]) == 64 for link in whole["chain"])
    assert len({link["run"] for link in whole["chain"]} - {None}) == 4
    first = fitted.model_card.lineage(NAME, None, 3)
    assert first["next"] == 1
    assert fitted.model_card.lineage(NAME, first["next"], 3)["chain"] == whole["chain"][3:]
    with pytest.raises(UnknownModel):
        fitted.model_card.lineage(NAME, 9, 1)


def test_a_version_that_claims_to_come_from_itself_ends_the_chain(fitted) -> None:
    _, packet = fitted.model.production(NAME)
    card = dict(fitted.model.card(NAME)["card"])
    fitted.model.register(Candidate(NAME, packet, card | {"predecessor": 5}, Verdict(True, "better")), "me")
    assert [link["version"] for link in fitted.model_card.lineage(NAME, None, 10)["chain"]] == [5]


def test_history_and_lineage_outlive_a_dropped_version(fitted, clock) -> None:
    clock.now_ns = instant.parse("2024-06-10")
    first = instant.parse("2024-06-01")
    fitted.series.append("X", "1d", Samples(first + np.arange(3) * DAY_NS, {"close": two_moods(403)[400:]}))
    _, packet = fitted.model.production(NAME)
    card = dict(fitted.model.card(NAME)["card"])
    before = fitted.regime.history("X", "1d", "2_state", start_ns=first)["regimes"]
    assert {row["model_version"] for row in before} == {4}
    for _ in range(12):
        fitted.model.register(Candidate(NAME, packet, card, Verdict(True, "better")), "me")
    assert fitted.database.write(lambda c: model_past.prune(c, 5, 1)).result() == 10  # 11 to 15 came before 16, which serves
    assert [version["version"] for version in fitted.model.versions(NAME)][-1] > 4
    assert fitted.regime.history("X", "1d", "2_state", start_ns=first)["regimes"] == before
    assert fitted.model_card.lineage(NAME, 4, 1)["chain"][0]["stage"] == "gone"
