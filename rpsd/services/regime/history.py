"""The path of a live regime: bars of the training window filtered again, later ones as they were served."""

import hashlib
from typing import Any, Final

import numpy as np

from rpsd.config import Settings
from rpsd.core import instant
from rpsd.core.errors import UnknownColumn
from rpsd.core.market import Samples, SeriesInfo
from rpsd.core.model import ModelVersion, Packet, fingerprint
from rpsd.core.observed import observed, sources
from rpsd.services.cache import PacketCache
from rpsd.services.model.name import RegimeName
from rpsd.services.price import Prices, stored_prices
from rpsd.services.regime.answer import path_rows
from rpsd.services.regime.standing import MOST_STATES, group_of
from rpsd.store import derived, model_past
from rpsd.store import model as models
from rpsd.store.db import Connection, Database

_NOTHING: Final = Samples(np.empty(0, np.int64), {})


class RegimeHistory:
    """Pages of paths. The filtered training window is cached by the model's digest and the fingerprint of the prices it sees."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._database = database
        self._deadline = settings.server.request_timeout
        self._cache = PacketCache(settings.performance.cache_size, settings.performance.cache_ttl)

    def page(
        self,
        name: RegimeName,
        info: SeriesInfo,
        version: ModelVersion,
        packet: Packet,
        *,
        start_ns: int | None,
        end_ns: int | None,
        limit: int,
    ) -> dict[str, Any]:
        """The first `limit` rows from start_ns to end_ns, both inclusive: causal, regimes, next and cache. Raises DeadlineExceeded."""
        window = int(version.card["window"]["from_ns"]), int(packet.head["trained_until_ns"])

        columns = tuple(packet.head["columns"])

        def read(c: Connection) -> tuple[Prices, Samples]:
            try:
                kept = derived.read_group(c, info, group_of(name), start_ns, end_ns, limit + 1)[1]
            except UnknownColumn:  # nothing was served yet
                kept = _NOTHING
            return stored_prices(c, info, *window, sources(observed(columns))), kept

        prices, kept = self._database.read(read, deadline_seconds=self._deadline)
        fitted, hit = self._in_sample(info, version, packet, prices)
        t, alpha = fitted.arrays["t"], fitted.arrays["alpha"]
        first = 0 if start_ns is None else int(np.searchsorted(t, start_ns, "left"))
        last = t.size if end_ns is None else int(np.searchsorted(t, end_ns, "right"))
        chosen = slice(first, min(last, first + limit + 1))
        t, alpha = t[chosen], alpha[chosen]
        told = path_rows(t, alpha.argmax(axis=1), alpha, packet.head["labels"])
        mark = {"model_version": version.version, "in_sample": True}
        table = {at: row | mark for at, row in zip(t.tolist(), told, strict=True)}
        table |= self._served(version.name, kept)
        order = sorted(table)
        listed = [table[at] for at in order[:limit]]
        return {
            "causal": not any(row["in_sample"] for row in listed),  # the parameters have seen what came after those bars
            "regimes": listed,
            "next": instant.text(order[limit]) if len(order) > limit else None,
            "cache": "hit" if hit else "miss",
        }

    def _in_sample(self, info: SeriesInfo, version: ModelVersion, packet: Packet, prices: Prices) -> tuple[Packet, bool]:
        """The training window filtered under parameters that have seen it, t (n,) and alpha (n, k), and whether it was cached."""

        def make() -> Packet:
            from rpsd.regime import hmm  # numerics wait for the warm-up
            from rpsd.regime.observe import observations

            columns = packet.head["columns"]
            seen = observations(prices.values, prices.t, info.interval, 1, columns=columns, cells=prices.cells)
            return Packet({}, {"t": seen.t, "alpha": hmm.filtered(packet, seen.rows)})

        data = fingerprint(prices.t, prices.values, *prices.cells.values())
        key = f"{version.name} {version.digest} {data}"
        return self._cache.fetch(hashlib.sha256(key.encode()).hexdigest(), make)

    def _served(self, name: str, kept: Samples) -> dict[int, dict[str, Any]]:
        """The live rows by time, as they were served, by whichever version served them."""
        if not kept.n:
            return {}
        versions = kept.columns["model_version"].astype(np.int64)
        states = kept.columns["state"].astype(np.int64)
        p = np.stack([kept.columns[f"p{i}"] for i in range(MOST_STATES)], axis=1)
        wanted = np.unique(versions).tolist()
        names = self._database.read(lambda c: {v: _labels(c, name, v) for v in wanted})
        rows = zip(kept.t.tolist(), instant.texts(kept.t), versions.tolist(), states.tolist(), strict=True)
        return {
            t: {
                "t": text,
                "state": state,
                "regime": names[version][state],
                "probability": float(p[row, state]),
                "model_version": version,
                "in_sample": False,
            }
            for row, (t, text, version, state) in enumerate(rows)
        }


def _labels(c: Connection, name: str, version: int) -> list[str]:
    """What the states of the version are called, whether or not it is still kept. Raises UnknownModel."""
    past = model_past.find(c, name, version)
    return list((models.find(c, name, version).card if past is None else past)["labels"])
