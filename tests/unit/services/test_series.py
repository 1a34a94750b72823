"""Series: the first post creates, equal posts change nothing, and completeness is counted."""

import numpy as np
import pytest

from rpsd.core import instant
from rpsd.core.errors import BadRange, BadSymbol, IdempotencyConflict, InvalidRequest, UnknownColumn, UnknownSeries
from rpsd.core.market import DAY_NS, Samples
from rpsd.store.idempotency import Once

FIRST = instant.parse("2024-01-01")


def rows(values: list[float], start: int = 0, column: str = "close") -> Samples:
    t = FIRST + (start + np.arange(len(values), dtype=np.int64)) * DAY_NS
    return Samples(t, {column: np.array(values)})


def test_append_tells_what_happened(services) -> None:
    first = services.series.append("aapl", "1d", rows([1.0, 2.0]), by="me")
    assert first == {"accepted": 2, "inserted": 2, "updated": 0, "unchanged": 0, "rejected": [], "last": "2024-01-02T00:00:00Z"}
    again = services.series.append("AAPL", "1d", rows([1.0, 3.0, 4.0]), rejected=[{"row": 9, "reason": "x"}])
    assert (again["inserted"], again["updated"], again["unchanged"]) == (1, 1, 1)
    assert again["rejected"] == [{"row": 9, "reason": "x"}]
    assert services.series.read("AAPL", "1d").columns["close"].tolist() == [1.0, 3.0, 4.0]
    assert services.metrics.registry.get_sample_value("rpsd_ingest_rows_total") == 5.0
    assert [row["action"] for row in services.access.audit(None, 10)[0]] == ["series.create"]


def test_one_row_and_constant_values_are_welcome(services) -> None:
    assert services.series.append("X", "1d", rows([5.0]))["inserted"] == 1
    assert services.series.append("Y", "1d", rows([5.0] * 10))["inserted"] == 10


def test_the_same_idempotency_key_gives_the_first_answer(services) -> None:
    once = Once("k", "me", "POST /x", "h")
    first = services.series.append("X", "1d", rows([1.0]), once=once)
    assert services.series.append("X", "1d", rows([1.0]), once=once) == first
    assert services.metrics.registry.get_sample_value("rpsd_ingest_rows_total") == 1.0
    with pytest.raises(IdempotencyConflict):
        services.series.append("X", "1d", rows([2.0]), once=Once("k", "me", "POST /x", "other"))
    assert services.series.read("X", "1d").columns["close"].tolist() == [1.0]


def test_info_counts_gaps_and_missing_cells_and_notices_repairs(services) -> None:
    services.series.append("X", "1d", rows([1.0, np.nan, 3.0, 4.0]))
    info = services.series.info("X", "1d")
    assert (info["rows"], info["gaps"], info["quality_score"]) == (4, 0, 0.75)
    assert (info["first"], info["last"], info["columns"]) == ("2024-01-01T00:00:00Z", "2024-01-04T00:00:00Z", ["close"])
    services.series.append("X", "1d", rows([2.0], 1))
    assert services.series.info("X", "1d")["quality_score"] == 1.0
    services.series.append("X", "1d", rows([9.0], 40))
    assert services.series.info("X", "1d")["quality_score"] == pytest.approx(1 - 1 / 6)


def test_pages_follow_each_other_and_show_quality_once_measured(services) -> None:
    for symbol in ("A", "B", "C"):
        services.series.append(symbol, "1d", rows([1.0]))
    services.series.info("A", "1d")
    first, cursor = services.series.page(None, 2)
    second, end = services.series.page(cursor, 2)
    assert [row["symbol"] for row in first + second] == ["A", "B", "C"]
    assert end is None
    assert [row["quality_score"] for row in first] == [1.0, None]
    with pytest.raises(InvalidRequest):
        services.series.page("nonsense", 2)


def test_reads_are_bounded_and_refused_with_a_code(services) -> None:
    services.series.append("X", "1d", rows([1.0, 2.0, 3.0]))
    found = services.series.read("x", "1d", start_ns=FIRST + DAY_NS, end_ns=FIRST + 2 * DAY_NS, limit=1)
    assert found.columns["close"].tolist() == [2.0]
    with pytest.raises(UnknownSeries):
        services.series.read("NOPE", "1d")
    with pytest.raises(UnknownColumn):
        services.series.read("X", "1d", columns=["open"])
    with pytest.raises(BadRange):
        services.series.read("X", "1d", start_ns=2, end_ns=1)
    with pytest.raises(BadSymbol):
        services.series.read("no such", "1d")
    with pytest.raises(BadSymbol):
        services.series.append("X", "2d", rows([1.0]))


def test_delete_is_audited(services) -> None:
    services.series.append("X", "1d", rows([1.0]))
    services.series.delete("X", "1d", "root")
    with pytest.raises(UnknownSeries):
        services.series.info("X", "1d")
    row = services.access.audit(None, 1)[0][0]
    assert (row["action"], row["actor"], row["subject"]) == ("series.delete", "root", "X 1d")
    with pytest.raises(UnknownSeries):
        services.series.delete("X", "1d", "root")


def test_a_saved_column_is_read_back_beside_its_series_and_alone(services) -> None:
    values = np.sin(np.arange(200.0) / 9) + 10
    services.series.append("X", "1d", rows(values.tolist()))
    t, result = services.denoise.stored("X", "1d", start_ns=FIRST + 20 * DAY_NS, save_as="smooth", method="ema")
    alone = services.series.read("X", "1d", columns=["smooth"], limit=50)
    assert alone.t.tolist() == t[:50].tolist()
    assert alone.columns["smooth"].tolist() == result.values[:50].tolist()
    both = services.series.read("X", "1d", columns=["smooth", "close"], limit=30)
    assert list(both.columns) == ["smooth", "close"]
    assert both.columns["close"].tolist() == values[:30].tolist()
    assert np.isnan(both.columns["smooth"][:20]).all()
    assert both.columns["smooth"][20:].tolist() == result.values[:10].tolist()
    (listed,) = services.series.info("X", "1d")["derived"]
    assert (listed["name"], listed["columns"], listed["method"], listed["causal"]) == ("smooth", ["smooth"], "ema", True)
    with pytest.raises(UnknownColumn, match="close, smooth"):
        services.series.read("X", "1d", columns=["rough"])
    with pytest.raises(InvalidRequest, match="revisions"):
        services.series.read("X", "1d", columns=["smooth"], as_of_ns=FIRST)
