"""What the manual says of the names of earlier systems is what the code does with them."""

import re

import pytest

from rpsd.config.entries import entries
from rpsd.config.predecessor import NAMES
from rpsd.config.read import CLASSIC
from tests.docs.pages import ROOT

PAGE = (ROOT / "rpsd" / "manual" / "coming_from.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `([A-Z_]+)` \| (\w+) \| (?:`([a-z_.]+)`)? ?\| (.+) \|$", re.M)
METRICS = (
    "http_requests_total{method,endpoint}", "http_request_duration_seconds", "active_models_count", "model_predictions_total",
    "cache_hits_total", "cache_misses_total", "errors_total{error_type}", "predictions_total", "prediction_latency_seconds",
)  # fmt: skip


def table(page: str) -> list[tuple[str, str, str]]:
    return [(name, fate, setting or "") for name, fate, setting, _ in ROW.findall(page)]


def test_the_table_of_names_is_that_of_the_code() -> None:
    assert table(PAGE) == [(name.name, name.fate, name.setting) for name in NAMES]


def test_why_a_name_is_not_taken_over_is_told_in_the_same_words() -> None:
    told = {name: words for name, _, _, words in ROW.findall(PAGE)}
    for name in NAMES:
        if name.fate == "superseded" or (name.fate == "secret" and not name.file):
            assert told[name.name] == name.why


def test_every_setting_that_a_name_is_mapped_to_exists() -> None:
    known = {entry.name for entry in entries()}
    assert {name.setting for name in NAMES if name.setting and not name.setting.startswith("sources.")} <= known


@pytest.mark.parametrize("name", [*CLASSIC, *(f"| `{metric}` |" for metric in METRICS)])
def test_names_that_need_no_import_and_classic_metrics_have_their_place(name: str) -> None:
    assert name in PAGE


def test_a_row_that_differs_is_seen() -> None:
    """The control."""
    assert table(PAGE.replace("| `PORT` | mapped |", "| `PORT` | secret |")) != table(PAGE)
    assert table(PAGE.replace("| `REDIS_URL` |", "| REDIS |")) != table(PAGE)
