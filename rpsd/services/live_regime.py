"""Live regimes: the production model's filter, moved on by each bar that has closed, and what it said kept as it was said."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from rpsd.config import Settings
from rpsd.core import instant, market
from rpsd.core.errors import NoModel, RpsdError, UnknownColumn
from rpsd.core.market import DAY_NS, INTERVALS, SECOND_NS, Samples, SeriesInfo, Times, Vector
from rpsd.core.model import ModelVersion, Packet
from rpsd.core.result import Labels, Matrix
from rpsd.services.model import JOB, ModelService, RegimeName
from rpsd.services.price import Prices, stored_prices
from rpsd.services.regime_answer import current_of, fit_facts, moment, path_rows
from rpsd.store import derived
from rpsd.store import series as rows
from rpsd.store.db import Connection, Database

if TYPE_CHECKING:
    from rpsd.services.job import JobService

_MOST_STATES: Final = 5


@dataclass(frozen=True, slots=True)
class _Standing:
    """Where the filter stands after bar t: the bar's price, p (k,), its state, since when (ns) and for how many bars."""

    version: int
    t: int
    price: float
    p: Vector
    state: int
    since_ns: int
    bars: int


@dataclass(frozen=True, slots=True)
class _Served:
    """A series with its production model and where that stands."""

    name: RegimeName
    info: SeriesInfo
    version: ModelVersion
    packet: Packet
    standing: _Standing

    @property
    def has_new_bars(self) -> bool:
        """Whether bars have closed since the model was trained."""
        return self.standing.t > int(self.packet.head["trained_until_ns"])


class LiveRegimes:
    """Answers by the model in production. A bar counts once it has closed; its row is written once and never again."""

    def __init__(self, settings: Settings, database: Database, model: ModelService, job: "JobService", clock: Callable[[], int]) -> None:
        self._settings, self._database, self._model, self._job, self._clock = settings, database, model, job, clock
        self._standings: dict[str, _Standing] = {}
        self._asked: dict[str, int] = {}
        self._lock = threading.Lock()

    def current(self, symbol: str, interval: str, regime_type: str) -> dict[str, Any]:
        """The regime of the last closed bar. Causal after trained_until. Raises UnknownSeries, NoModel."""
        from rpsd.regime.statistics import expected_duration  # numerics wait for the warm-up

        served = self._serve(symbol, interval, regime_type)
        standing, head = served.standing, served.packet.head
        stay = float(served.packet.arrays["transmat"][standing.state, standing.state])
        possible = standing.p[standing.p > 0]
        days = (standing.t - standing.since_ns + INTERVALS[interval]) / DAY_NS
        current = {
            "regime": head["labels"][standing.state],
            "state": standing.state,
            "probabilities": dict(zip(head["labels"], standing.p.tolist(), strict=True)),
            "confidence": float(standing.p[standing.state]),
            "entropy": float(-(possible * np.log(possible)).sum()),
            "since_ns": standing.since_ns,
            "bars_in_regime": standing.bars,
            "days_in_regime": standing.bars if interval == "1d" else round(days, 3),
            "expected_remaining": expected_duration(stay),
            "leaving": {horizon: 1 - stay ** int(horizon) for horizon in head["current"]["leaving"]},
        }
        return self._about(served) | {"t": moment(standing.t), "in_sample": not served.has_new_bars, "current": current_of(current)}

    def statistics(self, symbol: str, interval: str, regime_type: str) -> dict[str, Any]:
        """The states over the training window. Raises UnknownSeries, NoModel."""
        served = self._serve(symbol, interval, regime_type)
        facts = {"states": served.packet.head["states"], "evaluation": served.packet.head["evaluation"]}
        return self._about(served) | {name: value for name, value in fit_facts(served.packet).items() if name != "warnings"} | facts

    def transitions(self, symbol: str, interval: str, regime_type: str, steps: int) -> dict[str, Any]:
        """Transition matrix, long-run shares, and state probabilities 1 to `steps` bars ahead. Raises UnknownSeries, NoModel."""
        from rpsd.regime import hmm  # numerics wait for the warm-up

        served = self._serve(symbol, interval, regime_type)
        labels, arrays = served.packet.head["labels"], served.packet.arrays
        forecast = hmm.forecast(served.packet, served.standing.p, steps).tolist()
        return self._about(served) | {
            "t": moment(served.standing.t),
            "labels": labels,
            "transition_matrix": arrays["transmat"].tolist(),
            "stationary": arrays["stationary"].tolist(),
            "forecast": [{"step": h, "probabilities": dict(zip(labels, row, strict=True))} for h, row in enumerate(forecast, 1)],
        }

    def history(
        self, symbol: str, interval: str, regime_type: str, *, start_ns: int | None, end_ns: int | None, limit: int
    ) -> dict[str, Any]:
        """Rows by time: in-sample ones of the production model, live ones as they were served. Raises UnknownSeries, NoModel."""
        served = self._serve(symbol, interval, regime_type)
        table = self._in_sample(served)
        for row in self._kept(served):
            table[row[0]] = row[1]
        chosen = [t for t in sorted(table) if (start_ns is None or t >= start_ns) and (end_ns is None or t <= end_ns)]
        following = moment(chosen[limit]) if len(chosen) > limit else None
        told = [table[t] for t in chosen[:limit]]
        causal = not any(row["in_sample"] for row in told)  # the parameters have seen what came after those bars
        return self._about(served) | {"causal": causal, "regimes": told, "next": following}

    def _serve(self, symbol: str, interval: str, regime_type: str) -> _Served:
        """The production model with its filter moved on to the last closed bar. Raises UnknownSeries, NoModel."""
        name = RegimeName(market.symbol(symbol), market.interval(interval), regime_type)
        info = self._database.read(lambda c: rows.require(c, name.symbol, name.interval))
        version, packet = self._production(name)
        with self._lock:
            held = self._standings.get(str(name))
            standing = held if held is not None and held.version == version.version else _beginning(version, packet)
            since_ns = standing.t
            bars = self._database.read(lambda c: self._closed_bars(c, info, since_ns))
            if bars.t.size:
                standing = self._moved(name, info, (version, packet), standing, bars)
            self._standings[str(name)] = standing
        served = _Served(name, info, version, packet, standing)
        self._ask_for_retrain(served)
        return served

    def _production(self, name: RegimeName) -> tuple[ModelVersion, Packet]:
        """Version and packet. Raises NoModel, saying why the newest version does not serve if there is one."""
        found = self._model.production(str(name))
        if found is None:
            refusal = self._model.refusal(str(name))
            why = f"the newest version was not promoted: {refusal}" if refusal else "it was never trained"
            raise NoModel(f"{name} has no model in production; {why}", hint=f"Train it: POST /api/v1/models/{name}/retrain.")
        return found

    def _closed_bars(self, c: Connection, info: SeriesInfo, after_ns: int) -> Prices:
        prices = stored_prices(c, info, after_ns + 1, self._clock() - INTERVALS[info.interval])
        sane = prices.values > 0  # a zero price has no return; the bar is passed over, as a missing one is
        return Prices(prices.t[sane], prices.values[sane])

    def _moved(
        self, name: RegimeName, info: SeriesInfo, model: tuple[ModelVersion, Packet], standing: _Standing, bars: Prices
    ) -> _Standing:
        """The filter after the bars, one step each; their rows are kept."""
        from rpsd.regime import hmm  # numerics wait for the warm-up
        from rpsd.regime.observe import log_returns, spans_one_bar

        version, packet = model
        t = np.concatenate([[standing.t], bars.t])
        x = log_returns(np.concatenate([[standing.price], bars.values]))
        length = INTERVALS[info.interval]
        whole = spans_one_bar(np.diff(t), length) if 0 < length < DAY_NS else np.ones(x.size, np.bool_)
        p, state, since_ns, count = standing.p, standing.state, standing.since_ns, standing.bars
        if whole.any():
            alpha, _ = hmm.filter_from(packet, hmm.ahead(packet, p), x[whole])
            states = alpha.argmax(axis=1).astype(np.int64)
            self._keep(name, info, version.version, bars.t[whole], states, alpha)
            for at, now in zip(bars.t[whole].tolist(), states.tolist(), strict=True):
                since_ns, count = (since_ns, count + 1) if now == state else (at, 1)
                state = now
            p = alpha[-1]
        return _Standing(version.version, int(bars.t[-1]), float(bars.values[-1]), p, state, since_ns, count)

    def _keep(self, name: RegimeName, info: SeriesInfo, version: int, t: Times, states: Labels, alpha: Matrix) -> None:
        """Write the rows that were not written before; a store that takes no writes does not stop the answer."""
        padded = np.full((t.size, _MOST_STATES), np.nan)
        padded[:, : alpha.shape[1]] = alpha
        columns = {"model_version": np.full(t.size, float(version)), "state": states.astype(np.float64)}
        columns |= {f"p{i}": np.ascontiguousarray(padded[:, i]) for i in range(_MOST_STATES)}
        now_ns = self._clock()

        def write(c: Connection) -> None:
            with suppress(UnknownColumn):  # the first time there is no such group
                _, held = derived.read_group(c, info, _group(name), int(t[0]), int(t[-1]))
                new = ~np.isin(t, held.t)
                if new.any():
                    derived.write_group(c, info, _group(name), _META, Samples(t[new], {k: v[new] for k, v in columns.items()}), now_ns)
                return
            derived.write_group(c, info, _group(name), _META, Samples(t, columns), now_ns)

        with suppress(RpsdError):
            self._database.write(write).result()

    def _in_sample(self, served: _Served) -> dict[int, dict[str, Any]]:
        """Rows of the training window: filtered, under parameters that have seen it."""
        from rpsd.regime import hmm  # numerics wait for the warm-up
        from rpsd.regime.observe import observations

        head = served.packet.head
        first, last = served.version.card["window"]["from_ns"], head["trained_until_ns"]
        prices = self._database.read(lambda c: stored_prices(c, served.info, first, last))
        seen = observations(prices.values, prices.t, served.info.interval, 1)
        alpha = hmm.filtered(served.packet, seen.x)
        told = path_rows(seen.t, alpha.argmax(axis=1), alpha, head["labels"])
        mark = {"model_version": served.version.version, "in_sample": True}
        return {t: row | mark for t, row in zip(seen.t.tolist(), told, strict=True)}

    def _kept(self, served: _Served) -> list[tuple[int, dict[str, Any]]]:
        """The live rows, as they were served, by whichever version served them."""
        from rpsd.regime.labels import NAMES  # numerics wait for the warm-up

        def read(c: Connection) -> Samples | None:
            with suppress(UnknownColumn):
                return derived.read_group(c, served.info, _group(served.name))[1]
            return None

        kept = self._database.read(read)
        if kept is None:
            return []
        listed = []
        p = np.stack([kept.columns[f"p{i}"] for i in range(_MOST_STATES)], axis=1)
        for row, (t, text) in enumerate(zip(kept.t.tolist(), instant.texts(kept.t), strict=True)):
            state, k = int(kept.columns["state"][row]), int((~np.isnan(p[row])).sum())
            told = {"t": text, "state": state, "regime": NAMES[k][state], "probability": float(p[row, state])}
            listed.append((t, told | {"model_version": int(kept.columns["model_version"][row]), "in_sample": False}))
        return listed

    def _ask_for_retrain(self, served: _Served) -> None:
        """Queue a retrain when the model is older than retrain_interval and bars have come since; once in that time."""
        now_ns, every_ns, name = self._clock(), int(self._settings.regimes.retrain_interval * SECOND_NS), str(served.name)
        if not served.has_new_bars or now_ns - max(served.version.created_ns, self._asked.get(name, 0)) < every_ns:
            return
        self._asked[name] = now_ns
        with suppress(RpsdError):  # the answer stands without it
            self._job.enqueue(JOB, {"model": name}, by="stale-model")

    def _about(self, served: _Served) -> dict[str, Any]:
        """What every live answer begins with."""
        head, version = served.packet.head, served.version
        warnings = list(head["warnings"])
        age_ns = self._clock() - version.created_ns
        if served.has_new_bars and age_ns > self._settings.regimes.max_model_age * SECOND_NS:
            warnings.append({"code": "stale_model", "detail": f"fitted {age_ns // DAY_NS} days ago, and new bars have come since"})
        return {
            "symbol": served.name.symbol,
            "interval": served.name.interval,
            "regime_type": served.name.regime_type,
            "n_states": head["n_states"],
            "mode": "filtered",
            "causal": True,
            "causal_from": moment(head["trained_until_ns"]),
            "trained_until": moment(head["trained_until_ns"]),
            "model": version.name,
            "model_version": version.version,
            "warnings": warnings,
        }


_META: Final = {"kind": "regime_live", "causal": True}


def _group(name: RegimeName) -> str:
    return f"regime_{name.regime_type}"


def _beginning(version: ModelVersion, packet: Packet) -> _Standing:
    """Where the model stood after its last training bar."""
    current = packet.head["current"]
    return _Standing(
        version.version,
        int(packet.head["trained_until_ns"]),
        float(packet.head["last_price"]),
        packet.arrays["alpha"],
        int(current["state"]),
        int(current["since_ns"]),
        int(current["bars_in_regime"]),
    )
