"""Denoising in the user's words: values of a request, or a stored column that may keep its result."""

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Final

import numpy as np

from rpsd.config import Settings
from rpsd.core import market
from rpsd.core.errors import BadRange, BadRows, Fault, InvalidRequest, RpsdError, TooShort, WorkerFailed
from rpsd.core.market import Samples, SeriesInfo, Times, Vector
from rpsd.core.model import fingerprint
from rpsd.core.parameters import GuardrailParameters, build, described
from rpsd.core.result import DenoiseResult
from rpsd.services.denoise.deputy import Deputy
from rpsd.services.turn import Turns
from rpsd.store import audit, derived, live
from rpsd.store import series as rows
from rpsd.store.db import Connection, Database
from rpsd.telemetry import Metrics

_RECENT: Final = 10_000
_MINUTE: Final = 60.0
_WORDS: Final = {True: "passed", False: "failed", None: "not_applicable"}


class DenoiseService:
    """Denoises with the settings' defaults and keeps count. `turns` is for those who serve many: long series one after another."""

    def __init__(
        self, settings: Settings, database: Database, metrics: Metrics, clock: Callable[[], int], deputy: Deputy | None = None
    ) -> None:
        """`deputy` denoises while this process still loads its numerics."""
        self._settings, self._database, self._metrics, self._clock = settings, database, metrics, clock
        self.deputy = deputy
        self._recent: deque[tuple[float, float, bool]] = deque(maxlen=_RECENT)
        self.turns = Turns()

    def run(
        self,
        values: Vector,
        *,
        t: Times | None = None,
        **how: Any,
    ) -> DenoiseResult:
        """The values (n,) denoised, at times t (n,) when sessions matter; `how` as in settled().

        Raises NotFinite, TooShort, BadRows, UnknownMethod, BadParameter, NotPositive, InvalidRequest, GuardrailFailed.
        """
        settled = self.settled(**how)
        started, well = time.perf_counter(), False
        try:
            result = self._denoised(np.ascontiguousarray(values, np.float64), t, settled)
            well = True
        finally:
            self.note(time.perf_counter() - started, well=well)
        self.count((result,), time.perf_counter() - started)
        return result

    def _denoised(self, values: Vector, t: Times | None, settled: dict[str, Any]) -> DenoiseResult:
        if self.deputy is not None and self.deputy.takes(values.size):
            with suppress(WorkerFailed):  # this process is a little later, but lives
                return self.deputy.run(values, t, settled, self._settings.server.request_timeout)
        from rpsd.denoise import run  # numerics wait for the warm-up

        return run.denoise(values, t=t, **settled)

    def settled(
        self,
        *,
        method: str | None = None,
        causality: str = "hindsight",
        lag: int | None = None,
        scale: str = "auto",
        fill: str = "none",
        band: bool = False,
        params: Mapping[str, Any] | None = None,
        guardrails: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The arguments of denoise.run.denoise for a request; what it leaves out comes from the settings. Raises BadParameter."""
        return {
            "method": method or self._settings.denoiser.method,
            "causality": causality,
            "lag": lag,
            "scale": scale,
            "fill": fill,
            "band": band,
            "params": params or {},
            "guardrails": build(GuardrailParameters, {**asdict(self._settings.guardrails), **(guardrails or {})}, "/guardrails"),
            "defaults": self._defaults(),
        }

    def stored(
        self,
        symbol: str,
        interval: str,
        *,
        column: str = "close",
        start_ns: int | None = None,
        end_ns: int | None = None,
        save_as: str | None = None,
        by: str = "",
        **how: Any,
    ) -> tuple[Times, DenoiseResult]:
        """Times and result of a stored column from start_ns to end_ns (inclusive); `how` as in run().

        With save_as the result is kept beside the series as a derived column of that name, with its method, parameters, causality and lag;
        each value of one that waits with the moment at which it can be known.
        Raises UnknownSeries, UnknownColumn, BadRange, InvalidRequest (a name in use), and as run().
        """
        info, samples = self.column(symbol, interval, column, start_ns, end_ns)
        name = None if save_as is None else _free_name(save_as, info)
        result = self.run(samples.columns[column], t=samples.t, **how)
        if name is not None:
            self._save(info, name, column, samples, result, by)
        return samples.t, result

    def column(
        self, symbol: str, interval: str, column: str = "close", start_ns: int | None = None, end_ns: int | None = None
    ) -> tuple[SeriesInfo, Samples]:
        """A stored series and one of its columns from start_ns to end_ns (inclusive).

        Raises BadSymbol, UnknownSeries, UnknownColumn, BadRange, TooShort (no rows).
        """
        symbol, interval = market.symbol(symbol), market.interval(interval)
        if start_ns is not None and end_ns is not None and end_ns < start_ns:
            raise BadRange("the end lies before the start", errors=[Fault("/end", "before the start")])

        def read(c: Connection) -> tuple[SeriesInfo, Samples]:
            info = rows.require(c, symbol, interval)
            return info, rows.read(c, info, start_ns=start_ns, end_ns=end_ns, columns=[column]).closing()

        info, samples = self._database.read(read, deadline_seconds=self._settings.server.request_timeout)
        if samples.n == 0:
            raise TooShort(f"{symbol} {interval} has no rows in this range")
        return info, samples

    def methods(self) -> list[dict[str, Any]]:
        """The catalogue: name, causal, parameters with defaults and bounds, source, cost, summary."""
        from rpsd.denoise import METHODS  # numerics wait for the warm-up

        configured = self._defaults()
        return [
            {
                "name": method.name,
                "causal": method.causal,
                "summary": method.summary,
                "parameters": [
                    row | ({"default": configured[row["name"]]} if method.name == "wavelet" and row["name"] in configured else {})
                    for row in described(method.params)
                ],
                "source": method.source,
                "cost": method.cost,
            }
            for method in METHODS
        ]

    def recent(self) -> dict[str, float]:
        """The last minute: requests_per_minute, average_processing_time (seconds), error_rate."""
        since = time.monotonic() - _MINUTE
        seen = [one for one in list(self._recent) if one[0] >= since]
        n = len(seen)
        average = sum(seconds for _, seconds, _ in seen) / n if n else 0.0
        failed = sum(not well for _, _, well in seen) / n if n else 0.0
        return {"requests_per_minute": float(n), "average_processing_time": round(average, 6), "error_rate": round(failed, 6)}

    def _defaults(self) -> dict[str, Any]:
        """The settings that override the wavelet's own defaults."""
        chosen = self._settings.denoiser
        return {name: getattr(chosen, name) for name in ("wavelet", "level", "threshold_mode", "use_fir_filter", "fir_cutoff")}

    def count(self, results: Sequence[DenoiseResult], seconds: float) -> None:
        """Add the results of one call, which took so many seconds, to the metrics."""
        metrics = self._metrics
        for method in sorted({result.method for result in results}):
            metrics.denoise_points_total.labels(method).inc(sum(r.values.size for r in results if r.method == method))
            metrics.denoise_seconds.labels(method).observe(seconds)
        verdicts: Counter[tuple[str, bool | None]] = Counter()
        metrics.variance_reduction_ratio.observe_all([result.variance_reduction for result in results])
        for result in results:
            if result.guardrails:
                verdicts.update((name, guardrail.passed) for name, guardrail in result.guardrails.items())
        for (name, passed), times in verdicts.items():
            metrics.guardrail_results_total.labels(name, _WORDS[passed]).inc(times)

    def note(self, seconds: float, *, well: bool) -> None:
        """Add one call to the last minute's."""
        self._recent.append((time.monotonic(), seconds, well))

    def _save(self, info: SeriesInfo, name: str, column: str, samples: Samples, result: DenoiseResult, by: str) -> None:
        """Write the derived column; durable when this returns."""
        meta = {
            "kind": "denoise",
            "column": column,
            "method": result.method,
            "params": dict(result.params),
            "causal": result.causal,
            "lag": result.lag,
            "scale": result.scale,
            "action": result.action,
            "data_fingerprint": fingerprint(samples.t, samples.columns[column]),
        }
        now_ns, known = self._clock(), _available(samples, result, market.INTERVALS[info.interval])

        def write(c: Connection) -> None:
            if any(name in column.group.columns for column in live.columns(c, info)):
                reason = f"{name} is a live column"
                raise InvalidRequest(f"/save_as: {reason}", errors=[Fault("/save_as", reason)], hint="Choose another name.")
            derived.write_group(c, info, name, meta, Samples(samples.t, {name: result.values}, known), now_ns)
            audit.append(c, by, "series.derive", f"{info.symbol} {info.interval} {name}", {"method": result.method}, now_ns)

        self._database.write(write).result()


def _available(samples: Samples, result: DenoiseResult, interval_ns: int) -> Times | None:
    """When each value of a result that waits can be known (n,), ns UTC; None of one that does not wait."""
    from rpsd.denoise.live import available_at  # numerics wait for the warm-up

    if not result.lag:
        return None
    known = samples.t + interval_ns if samples.known_at is None else samples.known_at
    return available_at(samples.t, known, result.lag)


def _free_name(name: str, info: SeriesInfo) -> str:
    """The name of a derived column. Raises InvalidRequest when it is malformed or one of the series' own columns."""
    try:
        plain = market.column(name)
    except BadRows as error:
        reason = "not a column name"
        raise InvalidRequest(f"/save_as: {reason}", errors=[Fault("/save_as", reason)]) from error
    if plain in (*info.columns, market.SEQUENCE) or plain.startswith("regime_"):
        reason = f"{plain} is a column of the series itself, or one that rpsd writes"
        raise InvalidRequest(f"/save_as: {reason}", errors=[Fault("/save_as", reason)])
    return plain


def placed(error: RpsdError, where: str, outside: tuple[str, ...] = ("values", "t")) -> RpsdError:
    """The error with its pointers below `where`, but for those that begin with a name of `outside`."""
    faults = [fault if fault.pointer.split("/")[1:2] and fault.pointer.split("/")[1] in outside
              else Fault(f"{where}{fault.pointer}", fault.reason) for fault in error.errors]  # fmt: skip
    return type(error)(f"{where}: {error.detail}", errors=faults, hint=error.advice, retry_after=error.retry_after)


def account(result: DenoiseResult, processing_time: float) -> dict[str, Any]:
    """The answer of the contract without its values: what was done to them and how far to trust it."""
    return {
        "method": result.method,
        "params": dict(result.params),
        "causal": result.causal,
        "lag": result.lag,
        "guardrails": {name: asdict(guardrail) for name, guardrail in result.guardrails.items()},
        "passed": result.passed,
        "action": result.action,
        "reason": result.reason,
        "noise_sigma": result.noise_sigma,
        "snr_gain_db": result.snr_gain_db,
        "variance_reduction": result.variance_reduction,
        "quality_score": result.quality_score,
        "scale": result.scale,
        "n": int(result.values.size),
        "trace": [dict(step) for step in result.trace],
        "evidence": dict(result.evidence),
        "warnings": [asdict(warning) for warning in result.warnings],
        "processing_time": processing_time,
    }
