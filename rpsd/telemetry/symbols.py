"""Counts by symbol, for as many symbols as the operator allows: labels cost memory for as long as the process lives."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter

OTHERS: Final = "other"


class SymbolCounts:
    """Rows and answers by symbol. The first `limit` symbols have a label of their own, the rest share one; with 0 nothing is counted."""

    def __init__(self, registry: CollectorRegistry, limit: int) -> None:
        self._limit = limit
        self._known: set[str] = set()
        if limit:
            self._rows = Counter("rpsd_symbol_ingest_rows_total", "Sample rows committed, by symbol.", ("symbol",), registry=registry)
            self._answers = Counter(
                "rpsd_symbol_predictions_total", "Answers given by a model, by symbol.", ("kind", "symbol"), registry=registry
            )

    def rows(self, symbol: str, count: int) -> None:
        """So many rows of the symbol were committed."""
        if self._limit:
            self._rows.labels(self._label(symbol)).inc(count)

    def answer(self, kind: str, symbol: str) -> None:
        """A model has answered about the symbol."""
        if self._limit:
            self._answers.labels(kind, self._label(symbol)).inc()

    def _label(self, symbol: str) -> str:
        if symbol not in self._known:
            if len(self._known) >= self._limit:
                return OTHERS
            self._known.add(symbol)
        return symbol
