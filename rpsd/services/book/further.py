"""Features beside the 27 for a range of a book: by what its model in production has fitted, and by closed bars."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rpsd.config import Settings
from rpsd.core import instant
from rpsd.core.errors import Fault, InvalidRequest, NoModel
from rpsd.core.market import INTERVALS, Vector
from rpsd.services.model.name import BookName, default_label
from rpsd.services.model.service import ModelService

if TYPE_CHECKING:
    from rpsd.services.book.service import BookService

_MOST: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Bars:
    """The bars of volatilities: their interval, and how many of them an estimate looks at."""

    interval: str = "1s"
    window: int = 20

    @property
    def length_ns(self) -> int:
        """Of one bar. Raises InvalidRequest for an interval that is no length of time."""
        length_ns = INTERVALS.get(self.interval, 0)
        if not length_ns:
            reason = f"expected one of {', '.join(list(INTERVALS)[1:])}"
            raise InvalidRequest(f"/bar: {reason}", errors=[Fault("/query/bar", reason)])
        return length_ns


class BookFurther:
    """Computes them on rows that BookService.features has given."""

    def __init__(self, settings: Settings, *, book: "BookService", model: ModelService) -> None:
        self._settings, self._book, self._model = settings, book, model

    def of(
        self, symbol: str, rows: Mapping[str, np.ndarray[Any, Any]], names: Sequence[str], bars: Bars
    ) -> tuple[dict[str, Vector], dict[str, Any] | None]:
        """The columns (n,) asked for, NaN where there is no value, and what the fitted ones rest on: model, version, causal_from.

        Raises InvalidRequest for an unknown name or bar, UnknownBook, and NoModel when a fitted one is asked for and no model of the book
        serves.
        """
        from rpsd.book import further  # numerics wait for the warm-up

        if unknown := [name for name in names if name not in further.NAMES]:
            reason = f"{unknown[0][:40]!r} is unknown; known are {', '.join(further.NAMES)}"
            raise InvalidRequest(f"/further: {reason}", errors=[Fault("/query/further", reason)])
        fits, facts = self._fits(symbol) if set(names) & set(further.FITTED) else ({}, None)
        columns: dict[str, Vector] = {}
        for name in names:
            if name in further.FITTED:
                tick = self._book.live(symbol).tick or 1.0  # without a tick there are no rows either
                found = further.by_fit(name, rows["features"], rows["tops"], tick, fits)
                columns[name] = np.full(rows["t"].size, np.nan) if found is None else found
        if estimators := [name for name in names if name not in further.FITTED]:
            t, tops = self._with_before(symbol, rows, bars)
            how = {"bar_ns": bars.length_ns, "window": bars.window}
            columns |= {name: further.volatility(name, t, tops, rows["t"], **how) for name in estimators}
        return {name: columns[name] for name in names}, facts

    def _fits(self, symbol: str) -> tuple[Mapping[str, Any], dict[str, Any]]:
        name = str(BookName(symbol, default_label(self._settings.books)))
        if (found := self._model.production(name)) is None:
            why = f"{name} has no version in production, and these features are fitted when it is trained"
            raise NoModel(why, hint=f"Train it: POST /api/v1/models/{name}/retrain.")
        version, packet = found
        return packet.arrays, {"model": name, "version": version.version, "causal_from": instant.text(version.trained_until_ns)}

    def _with_before(self, symbol: str, rows: Mapping[str, np.ndarray[Any, Any]], bars: Bars) -> tuple[Any, Any]:
        """Clock and quotes of the rows, with those before them that the first estimate looks at."""
        t, tops = rows["t"], rows["tops"]
        back_ns = (bars.window + 2) * bars.length_ns
        if not t.size:
            return t, tops
        begin_ns = max(int(t[0]) - back_ns, -(2**63) + 1)
        before, _ = self._book.features(symbol, begin_ns, int(t[0]) - 1, _MOST)
        return np.concatenate([before["t"], t]), np.concatenate([before["tops"], tops])
