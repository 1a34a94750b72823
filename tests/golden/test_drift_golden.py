"""Page-Hinkley and ADWIN cry where river's do."""

import json
from pathlib import Path

import pytest

from rpsd.drift import adwin, page_hinkley
from tests.golden.drift.streams import KINDS, SEEDS, stream

RECORDED = json.loads((Path(__file__).parent / "drift" / "river.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_alarms_are_those_of_river(kind: str, seed: int) -> None:
    x, told = stream(kind, seed), RECORDED[f"{kind}/{seed}"]
    assert page_hinkley.alarms(x, page_hinkley.PageHinkleyParameters()) == told["page_hinkley"]
    assert adwin.alarms(x, adwin.AdwinParameters(anew=True)) == told["adwin"]
