"""Regimes of a range on demand: read, fitted in a worker, remembered by all that they depend on, and never registered."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rpsd import __version__
from rpsd.config import Settings
from rpsd.core import instant, market
from rpsd.core.errors import BadRange, Fault, InvalidRequest
from rpsd.core.model import Packet, fingerprint
from rpsd.core.observed import observed, sight_of, sources
from rpsd.core.parameters import HmmParameters, build
from rpsd.core.regime import INCLUDED, states_of
from rpsd.core.regime import mode as known_mode
from rpsd.services.cache import PacketCache
from rpsd.services.compute import Compute
from rpsd.services.price import Prices, given_prices, stored_prices
from rpsd.services.regime.answer import detected, pictured
from rpsd.store import series as rows
from rpsd.store.db import Database
from rpsd.telemetry import Metrics

SEED: Final = 0
"""The random starts are the same each time, so that equal data give the equal answer."""

MOST_AHEAD: Final = 1000
"""Bars that a forecast reaches at most."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How a range is to be told; what is None comes from the settings.

    `include` holds names of core.regime.INCLUDED, `ahead` is how many bars the forecast reaches.
    """

    regime_type: str | None = None
    interval: str = "1d"
    mode: str = "filtered"
    refit_every: int = 21
    engine: str | None = None
    emission: str | None = None
    columns: Sequence[str] | None = None
    include: Sequence[str] = ()
    ahead: int = 21


class RegimeDetection:
    """Fits on demand and the cache of them."""

    def __init__(self, settings: Settings, database: Database, compute: Compute, metrics: Metrics, clock: Callable[[], int]) -> None:
        self._settings, self._database, self._compute, self._metrics, self._clock = settings, database, compute, metrics, clock
        self._cache = PacketCache(settings.performance.cache_size, settings.performance.cache_ttl)

    def cached(self) -> int:
        """How many fits the cache holds."""
        return len(self._cache)

    def detect(
        self,
        ticker: str,
        start_ns: int,
        end_ns: int,
        wish: Wish,
        observations: Any = None,
        admit: Callable[[], None] = lambda: None,
    ) -> dict[str, Any]:
        """Regimes of exactly [start_ns, end_ns] of the stored series, or of `observations`; the answer but for processing_time.

        The cache knows a fit by its data, its settings and the release of rpsd; `admit` is called before one that it does not hold, and may
        refuse it by raising. Raises BadSymbol, BadRange (end not after start, or in the
        future), UnknownRegimeType, BadParameter, UnknownSeries, UnknownColumn, InvalidRequest, BadRows, NotFinite, NotPositive, TooShort,
        ConstantSeries, DegenerateFit, DeadlineExceeded, WorkerFailed.
        """
        symbol, head = market.symbol(ticker, "ticker"), question(self._settings, wish)
        interval = head["interval"]
        self._check_range(start_ns, end_ns)
        wanted = sources(observed(head["columns"]))
        if observations is not None:
            prices = given_prices(observations, interval, start_ns, wanted).within(start_ns, end_ns)
        else:
            prices = self._database.read(
                lambda c: stored_prices(c, rows.require(c, symbol, interval), start_ns, end_ns, wanted),
                deadline_seconds=self._settings.server.request_timeout,
            )
        started = time.perf_counter()
        packet, hit = self._cache.fetch(_key(head, prices), lambda: self._fit(head, prices, admit))
        if not hit:
            self._metrics.detect_fresh_seconds.observe(time.perf_counter() - started)
        (self._metrics.cache_hits_total if hit else self._metrics.cache_misses_total).labels("regime").inc()
        answer = detected(symbol, interval, packet, wish.ahead) | pictured(packet, prices.t, prices.values, wish.include)
        return answer | {"columns": head["columns"], "cache": "hit" if hit else "miss"}

    def _fit(self, head: dict[str, Any], prices: Prices, admit: Callable[[], None]) -> Packet:
        admit()
        return self._compute.run("regime_detect", asked(head, prices), deadline_seconds=self._settings.server.request_timeout)

    def _check_range(self, start_ns: int, end_ns: int) -> None:
        if end_ns <= start_ns:
            raise BadRange("the end is not after the start", errors=[Fault("/end_date", "not after start_date")])
        if end_ns > self._clock():
            reason = f"{instant.text(end_ns)} is in the future"
            raise BadRange(reason, errors=[Fault("/end_date", reason)])


def question(settings: Settings, wish: Wish) -> dict[str, Any]:
    """The head of the task `regime_detect`. Raises BadSymbol (the interval), UnknownRegimeType, BadParameter, InvalidRequest."""
    defaults = settings.regimes
    regime_type, params = wish.regime_type or defaults.default_regime_type, {"engine": defaults.engine, "emission": defaults.emission}
    params |= {name: given for name in params if (given := getattr(wish, name)) is not None}
    states_of(regime_type)
    build(HmmParameters, params, "")
    for place, name in enumerate(wish.include):
        if name not in INCLUDED:
            reason = f"expected one of {', '.join(INCLUDED)}"
            raise InvalidRequest(f"{name[:40]!r} cannot be included", errors=[Fault(f"/include/{place}", reason)])
    if not 0 <= wish.ahead <= MOST_AHEAD:
        raise InvalidRequest("ahead is out of bounds", errors=[Fault("/ahead", f"expected 0 to {MOST_AHEAD}")])
    columns = sight_of(params["engine"], defaults.columns if wish.columns is None else wish.columns)
    return {
        "regime_type": regime_type,
        "mode": known_mode(wish.mode),
        "params": params,
        "interval": market.interval(wish.interval),
        "seed": SEED,
        "refit_every": wish.refit_every,
        "columns": [one.name for one in observed(columns)],
        "include": [name for name in INCLUDED if name in wish.include and INCLUDED[name]],
    }


def asked(head: dict[str, Any], prices: Prices) -> Packet:
    """The question about these prices as the worker reads it."""
    return Packet(head, {"prices": prices.values, "t": prices.t, **{f"cells/{name}": cells for name, cells in prices.cells.items()}})


def _key(head: dict[str, Any], prices: Prices) -> str:
    """What a fit depends on: the question, the very data, and the code."""
    words = json.dumps(head, sort_keys=True) + fingerprint(prices.t, prices.values, *prices.cells.values()) + __version__
    return hashlib.sha256(words.encode()).hexdigest()
