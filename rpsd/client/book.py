"""Order books over HTTP."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rpsd.client.connection import Connection

if TYPE_CHECKING:
    from rpsd.core.book import Tape


class BookCalls(Connection):
    """Calls about order books."""

    def books(self) -> list[dict[str, Any]]:
        """Every live order book."""
        return list(self.pages("/api/v1/books", "books"))

    def book(self, symbol: str) -> dict[str, Any]:
        """A live book as it stands: state, levels, features, totals."""
        found: dict[str, Any] = self.ask("GET", f"/api/v1/books/{symbol}")
        return found

    def feed_book(
        self, symbol: str, records: "Sequence[Mapping[str, Any]] | Mapping[str, Any]", kind: str = "snapshots", **params: Any
    ) -> dict[str, Any]:
        """Post records, or columns of them, as JSON; `kind` is snapshots, quotes, trades or updates; on_error and tick as the API."""
        body = dict(records) if isinstance(records, Mapping) else list(records)
        found: dict[str, Any] = self.ask("POST", f"/api/v1/books/{symbol}/{kind}", json=body, params=params)
        return found

    def feed_book_tape(self, symbol: str, tape: "Tape", tick: float = 0.0, **params: Any) -> dict[str, Any]:
        """Post a tape of books, quotes and trades as binary frames, events in their order; the fastest way in."""
        from rpsd.core.frame import encoded

        headers = {"Content-Type": "application/octet-stream"}
        path = f"/api/v1/books/{symbol}/snapshots"
        found: dict[str, Any] = self.ask("POST", path, content=encoded(tape, tick), headers=headers, params=params)
        return found

    def import_book(self, symbol: str, chunks: Iterator[bytes], file_format: str, **params: Any) -> dict[str, Any]:
        """Stream a file in the layout lobster, tardis or binance; date, tz, on_error and tick as the API."""
        path, headers = f"/api/v1/books/{symbol}/snapshots", {"Content-Type": "text/csv"}
        found: dict[str, Any] = self.ask("POST", path, content=chunks, headers=headers, params={"format": file_format, **params})
        return found

    def book_features(self, symbol: str, **params: Any) -> dict[str, Any]:
        """Features after each event of a range as columns; start, end, limit and time as the API."""
        found: dict[str, Any] = self.ask("GET", f"/api/v1/books/{symbol}/features", params=params)
        return found

    def book_faults(self, symbol: str, **params: Any) -> dict[str, Any]:
        """Bad records of a book, counted by rule, the newest listed."""
        found: dict[str, Any] = self.ask("GET", f"/api/v1/books/{symbol}/faults", params=params)
        return found

    def predict(self, snapshots: Sequence[Mapping[str, Any]], **options: Any) -> dict[str, Any]:
        """The forecast after the last of the snapshots; options as in the API, `symbol` or `model_name` among them."""
        found: dict[str, Any] = self.ask("POST", "/api/v1/predict", json={"snapshots": list(snapshots), **options})
        return found

    def predict_live(self, symbol: str, **options: Any) -> dict[str, Any]:
        """The forecast of a live order book. Raises BookNotValid, rebuilt from the answer, while it is in no state to speak."""
        params = {name: str(value).lower() if isinstance(value, bool) else value for name, value in options.items() if value is not None}
        found: dict[str, Any] = self.ask("GET", "/api/v1/predict", params={"symbol": symbol, **params})
        return found
