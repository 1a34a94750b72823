"""Series, denoising, regimes and features over HTTP."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rpsd.client.connection import Connection

if TYPE_CHECKING:
    from rpsd.core.market import Vector

_MOST_ROWS = 1_000_000
"""Rows that one answer may hold."""


class MarketCalls(Connection):
    """Calls about series."""

    def series(self) -> list[dict[str, Any]]:
        """Every stored series."""
        return list(self.pages("/api/v1/series", "series"))

    def series_info(self, symbol: str, interval: str) -> dict[str, Any]:
        """One series: columns, first and last time, rows, gaps."""
        found: dict[str, Any] = self.ask("GET", f"/api/v1/series/{symbol}/{interval}")
        return found

    def append(self, symbol: str, interval: str, columns: Mapping[str, Sequence[Any]], **params: Any) -> dict[str, Any]:
        """Store rows given as columns, `t` among them: ISO times or int64 ns."""
        body = {name: list(values) for name, values in columns.items()}
        found: dict[str, Any] = self.ask("POST", f"/api/v1/series/{symbol}/{interval}/samples", json=body, params=params)
        return found

    def append_csv(self, symbol: str, interval: str, chunks: Iterator[bytes], *, kind: str = "text/csv", **params: Any) -> dict[str, Any]:
        """Store rows of a CSV file, streamed; of another kind such as `application/x-ndjson`, by its media type."""
        headers = {"Content-Type": kind}
        path = f"/api/v1/series/{symbol}/{interval}/samples"
        found: dict[str, Any] = self.ask("POST", path, content=chunks, headers=headers, params=params)
        return found

    def samples(self, symbol: str, interval: str, **params: Any) -> dict[str, Any]:
        """Rows as columns; start, end, columns, limit, as_of as the API takes them."""
        found: dict[str, Any] = self.ask("GET", f"/api/v1/series/{symbol}/{interval}/samples", params=params)
        return found

    def samples_csv(
        self, symbol: str, interval: str, *, limit: int | None = None, kind: str = "text/csv", **params: Any
    ) -> Iterator[bytes]:
        """Rows as CSV, or as `application/x-ndjson`, streamed; without a limit all of them, however many requests that takes."""
        chosen = {name: value for name, value in params.items() if value is not None} | {"limit": limit or _MOST_ROWS}
        path = f"/api/v1/series/{symbol}/{interval}/samples"
        following: str | None = ""
        while following is not None:
            with self.stream(path, params=chosen, headers={"Accept": kind}) as response:
                chunks = response.iter_bytes()
                yield from _without_header(chunks) if following and kind == "text/csv" else chunks
                following = None if limit else response.headers.get("rpsd-next")
            chosen["start"] = following

    def denoise(self, values: Sequence[float], **options: Any) -> dict[str, Any]:
        """POST /api/v1/denoise with JSON."""
        found: dict[str, Any] = self.ask("POST", "/api/v1/denoise", json={"values": list(values), **options})
        return found

    def denoise_array(self, y: "Vector", **options: Any) -> "tuple[Vector, dict[str, Any]]":
        """POST /api/v1/denoise as float64 octets: the denoised array of y (n,) and the rest of the answer."""
        import numpy as np

        headers = {"Content-Type": "application/octet-stream", "Accept": "application/octet-stream"}
        response = self.request("POST", "/api/v1/denoise", content=y.astype("<f8").tobytes(), headers=headers, params=options)
        return np.frombuffer(response.content, "<f8"), json.loads(response.headers["Rpsd-Result"])

    def detect_regimes(self, ticker: str, start_date: str, end_date: str, **options: Any) -> dict[str, Any]:
        """POST /api/v1/detect-regimes."""
        body = {"ticker": ticker, "start_date": start_date, "end_date": end_date, **options}
        found: dict[str, Any] = self.ask("POST", "/api/v1/detect-regimes", json=body)
        return found

    def regime(self, symbol: str, interval: str = "1d", regime_type: str | None = None) -> dict[str, Any]:
        """The current regime by the production model."""
        params = {"interval": interval, "regime_type": regime_type}
        found: dict[str, Any] = self.ask("GET", f"/api/v1/regimes/{symbol}", params=params)
        return found

    def regime_statistics(self, symbol: str, interval: str = "1d", regime_type: str | None = None) -> dict[str, Any]:
        """What each regime of the production model was like."""
        params = {"interval": interval, "regime_type": regime_type}
        found: dict[str, Any] = self.ask("GET", f"/api/v1/regimes/{symbol}/statistics", params=params)
        return found

    def regime_transitions(self, symbol: str, interval: str = "1d", regime_type: str | None = None, *, steps: int = 1) -> dict[str, Any]:
        """The moves of the production model, and a forecast of 1 to `steps` bars."""
        params = {"interval": interval, "regime_type": regime_type, "steps": steps}
        found: dict[str, Any] = self.ask("GET", f"/api/v1/regimes/{symbol}/transitions", params=params)
        return found

    def feature_vector(self, view: str, entity: str, **params: Any) -> dict[str, Any]:
        """The features of an entity now; as_of and expect as the API takes them."""
        found: dict[str, Any] = self.ask("GET", f"/api/v1/feature-views/{view}/vector", params={"entity": entity, **params})
        return found

    def feature_frame(self, view: str, entity: str, **params: Any) -> dict[str, Any]:
        """Feature rows of an entity as columns, point in time; start, end, limit, as_of, expect and time as the API takes them."""
        found: dict[str, Any] = self.ask("GET", f"/api/v1/feature-views/{view}/frame", params={"entity": entity, **params})
        return found


def _without_header(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The chunks from their second line on."""
    held = b""
    for chunk in chunks:
        held += chunk
        if b"\n" in held:
            yield held.partition(b"\n")[2]
            break
    yield from chunks
