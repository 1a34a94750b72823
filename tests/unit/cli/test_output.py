"""What people read on a terminal of 100 columns."""

import json
from typing import Any

import pytest

from rpsd.cli import regime_report
from rpsd.cli.jobs import told
from rpsd.cli.output import WIDTH, answer, complain, pairs, table
from rpsd.config import explain, read
from rpsd.core.errors import BadSymbol
from rpsd.core.flat import flat


def test_numbers_stand_to_the_right_and_empty_columns_to_the_left() -> None:
    lines = table(("name", "n", "message"), [["a", 5, None], ["bcd", 12345, None]]).splitlines()
    assert lines == ["name       n  message", "a          5  -", "bcd   12,345  -"]


def test_a_column_of_midnights_shows_days_and_a_mixed_one_shows_times() -> None:
    lines = table(("day", "time"), [["2024-01-02T00:00:00Z", "2024-01-02T00:00:00Z"], [None, "2024-01-02T09:30:00.5Z"]]).splitlines()
    assert lines[1:] == ["2024-01-02  2024-01-02T00:00:00Z", "-           2024-01-02T09:30:00Z"]


def test_the_last_column_is_cut_to_the_terminal_unless_it_must_be_whole() -> None:
    rows = [["a", "word " * 40]]
    assert max(map(len, table(("x", "y"), rows).splitlines())) == WIDTH
    assert table(("x", "y"), rows).endswith("…")
    assert table(("x", "y"), rows, cut=False).endswith("word")


def test_long_sentences_go_on_below_their_column_and_long_words_stay_whole() -> None:
    text = pairs([("detail", "word " * 40), ("digest", "f" * 120)])
    first, *rest = text.splitlines()
    assert first.startswith("detail  word")
    assert all(len(line) <= WIDTH and line.startswith(" " * 8) for line in rest[:-1])
    assert rest[-1] == "digest  " + "f" * 120


def test_hints_are_wrapped(capsys: pytest.CaptureFixture[str]) -> None:
    complain(BadSymbol("no"), as_json=False)
    lines = capsys.readouterr().err.splitlines()
    assert lines[1].startswith("hint: ")
    assert all(len(line) <= WIDTH for line in lines)
    assert len(lines) == 3


def test_a_time_is_told_once() -> None:
    assert flat({"from": "2024-01-02T00:00:00Z", "from_ns": 1, "until_ns": 0}) == [
        ("from", "2024-01-02T00:00:00Z"),
        ("until", "1970-01-01T00:00:00Z"),
    ]


def test_settings_are_shown_as_people_write_them() -> None:
    shown = {row.name: row.text for row in explain(read(environ={"RPSD_SERVER__KEEPALIVE": "250ms"}))}
    assert shown["server.max_body_bytes"] == "32MiB"
    assert shown["regimes.train_window"] == "2y"
    assert shown["server.keepalive"] == "250ms"
    assert shown["server.request_timeout"] == "30s"
    assert shown["performance.max_workers"] == "auto"
    assert shown["server.tls_cert"] == "null"


def test_what_is_shown_reads_back_to_the_same_settings() -> None:
    before = read(environ={})
    written = {f"RPSD_{row.name.replace('.', '__').upper()}": row.text for row in explain(before) if row.text not in ("{}", "[]", "null")}
    assert [row.value for row in explain(read(environ=written))] == [row.value for row in explain(before)]


def test_a_run_says_how_far_and_how_long() -> None:
    run = {
        "id": 3,
        "name": "upkeep",
        "state": "succeeded",
        "progress": 1.0,
        "started": "2024-01-02T03:00:00Z",
        "finished": "2024-01-02T03:00:01.5Z",
    }
    assert told(run)[3:6] == ["100%", "2024-01-02T03:00:00Z", 1.5]
    assert told({**run, "progress": 0.25, "finished": None})[3:6] == ["25%", "2024-01-02T03:00:00Z", None]


def test_a_current_regime_says_as_of_when_and_by_which_model() -> None:
    now: dict[str, Any] = {
        "regime": "Bear",
        "probabilities": {"Bear": 0.9, "Bull": 0.1},
        "confidence": 0.9,
        "since": "2024-01-02T00:00:00Z",
    }
    now["bars_in_regime"] = 3
    stored = {"t": "2024-01-04T00:00:00Z", "current": now, "model": "regime:A:1d:2_state", "model_version": 4, "causal": True}
    text = regime_report.regimes({**stored, "trained_until": "2023-12-29T00:00:00Z", "in_sample": False})
    assert "as of               2024-01-04" in text
    assert "regime:A:1d:2_state, version 4; fitted up to 2023-12-29 and never saw this bar" in text
    fitted = regime_report.regimes(
        {"current": now, "model": "gaussian_hmm/numba", "causal": False, "trained_until": "2023-12-29T00:00:00Z"}
    )
    assert "version" not in fitted
    assert "fitted on the whole range" in fitted


EVIL = "red \x1b[31m \x9b31m \x7f \u202eback\u2028 é 日"


@pytest.mark.parametrize("as_json", [True, False])
def test_what_somebody_has_stored_tells_no_terminal_what_to_do(capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    answer({"value": EVIL}, as_json, lambda: pairs([("value", EVIL)]) + "\n" + table(("x",), [[EVIL]]) + "\n" + EVIL)
    complain(BadSymbol(EVIL), as_json)
    written = capsys.readouterr()
    for text in (written.out, written.err):
        assert all(sign.isprintable() or sign == "\n" for sign in text)
        assert "日" in text
    assert not as_json or json.loads(written.out) == {"value": EVIL}


def test_a_value_makes_no_line_of_its_own() -> None:
    assert len(table(("x", "y"), [["a\nroot  admin", "b\tc"]]).splitlines()) == 2
    assert len(pairs([("value", "a\nkey  rpsd")]).splitlines()) == 1
