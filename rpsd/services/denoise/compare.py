"""Settings of denoising side by side on the same data, and which of them to prefer."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from rpsd.config import Settings
from rpsd.core.errors import Cancelled, DeadlineExceeded, Fault, InvalidRequest, RpsdError
from rpsd.core.market import Times, Vector
from rpsd.services.denoise.service import DenoiseService, account, placed

if TYPE_CHECKING:
    from rpsd.denoise.compare import Rows, Side

MOST: Final = 8
"""Settings of one comparison."""
MOST_ENDPOINTS: Final = 256
"""Rows at which each of them is asked again."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """One setting: a label (empty: one is made) and `how` as in DenoiseService.settled()."""

    label: str
    how: Mapping[str, Any]


class DenoiseCompare:
    """Compares settings."""

    def __init__(self, settings: Settings, denoise: DenoiseService) -> None:
        self._settings, self._denoise = settings, denoise

    def run(
        self,
        values: Vector,
        configurations: Sequence[Configuration],
        *,
        t: Times | None = None,
        endpoints: int = 32,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> dict[str, Any]:
        """The configurations (2 to MOST) on the values (n,) at times t (n,), judged as of at most `endpoints` rows.

        Answer: n, endpoints (rows), window, summary, configurations. Each of these has its account, its columns `hindsight` and
        `causal_values` (n,) as arrays, NaN where the latter was not computed, endpoint_revision, leakage, slope_sharpe, foresight, risk.
        Raises as DenoiseService.run() with the place of the configuration, InvalidRequest, Cancelled, DeadlineExceeded.
        """
        from rpsd.denoise import compare  # numerics wait for the warm-up

        labels = _labels(configurations)
        if not 1 <= endpoints <= MOST_ENDPOINTS:
            reason = f"expected 1 to {MOST_ENDPOINTS}"
            raise InvalidRequest(f"/endpoints: {reason}", errors=[Fault("/endpoints", reason)])
        until = time.monotonic() + self._settings.server.request_timeout

        def go_on() -> None:
            if cancelled():
                raise Cancelled("the client has gone")
            if time.monotonic() > until:
                raise DeadlineExceeded(
                    f"the comparison took longer than {self._settings.server.request_timeout:g} s", hint="Ask for fewer endpoints."
                )

        y, rows = np.ascontiguousarray(values, np.float64), compare.endpoints(values.size, endpoints)
        sides, told = [], []
        for place, (label, configuration) in enumerate(zip(labels, configurations, strict=True)):
            started = time.perf_counter()
            try:
                side = compare.side(label, y, t, self._denoise.settled(**configuration.how), rows, go_on)
            except (Cancelled, DeadlineExceeded):
                raise
            except RpsdError as error:
                raise placed(error, f"/configurations/{place}") from error
            seconds = time.perf_counter() - started
            self._denoise.count((side.result,), seconds)
            sides.append(side)
            told.append(_told(side, rows, seconds))
        self._denoise.note(sum(one["processing_time"] for one in told), well=True)
        return {
            "n": int(values.size),
            "endpoints": rows.tolist(),
            "window": compare.WINDOW,
            "configurations": told,
            "summary": compare.summary(sides),
        }


def _labels(configurations: Sequence[Configuration]) -> list[str]:
    """A label for each. Raises InvalidRequest when there are too few or too many, or two have the same."""
    if not 2 <= len(configurations) <= MOST:
        reason = f"expected 2 to {MOST}, got {len(configurations)}"
        raise InvalidRequest(f"/configurations: {reason}", errors=[Fault("/configurations", reason)])
    labels: list[str] = []
    for place, one in enumerate(configurations):
        label = one.label or f"{one.how.get('method') or 'default'} {place + 1}"
        if label in labels:
            reason = f"configuration {labels.index(label)} has this label"
            raise InvalidRequest(reason, errors=[Fault(f"/configurations/{place}/label", reason)])
        labels.append(label)
    return labels


def _told(side: "Side", rows: "Rows", seconds: float) -> dict[str, Any]:
    """A side as the answer tells it."""
    from rpsd.denoise import compare

    causal = side.result.values
    if not side.result.causal:
        causal = np.full(causal.size, np.nan)
        causal[rows] = side.as_of
    return {
        "label": side.label,
        **account(side.result, round(seconds, 6)),
        "risk": compare.risk(side.result),
        "endpoint_revision": side.revision,
        "leakage": {"hindsight": asdict(side.leakage), "causal": asdict(side.leakage_as_of)},
        "slope_sharpe": {"hindsight": asdict(side.sharpe), "causal": asdict(side.sharpe_as_of)},
        "foresight": side.foresight,
        "hindsight": side.result.values,
        "causal_values": causal,
    }
