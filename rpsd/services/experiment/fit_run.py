"""What the product fits itself, as runs: written in the transaction of what they lead to, so that neither is there without the other."""

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from rpsd import __version__
from rpsd.core.errors import Cancelled, RpsdError
from rpsd.core.experiment import Experiment, RunState, Visibility
from rpsd.services.experiment.run_log import LONGEST, Entry, Point, Text
from rpsd.services.experiment.service import OWN
from rpsd.store import artifact, run
from rpsd.store import experiment as experiments
from rpsd.store.db import Connection, Database
from rpsd.store.run import new_id

REGIME: Final = "rpsd.regime"
BOOK: Final = "rpsd.book"
SEARCH: Final = "rpsd.denoise_search"
BACKTEST: Final = "rpsd.backtest"
EXPERIMENTS: Final = {
    REGIME: "Every fit of a regime model, those that were refused or kept back included.",
    BOOK: "Every fit of a model of an order book, those that were refused or kept back included.",
    SEARCH: "Every search over settings of denoising; the artifact table.json holds its table.",
    BACKTEST: "Every backtest of a model of an order book; the artifact report.json holds its report.",
}
"""The experiments of the product and what they hold."""
_MOST_NUMBERS: Final = 100
"""Numbers of an evaluation that become metrics; the model card holds them all."""
_UNFIT: Final = re.compile(r"[^A-Za-z0-9_-]")
_FACTS: Final = (
    "kind",
    "symbol",
    "interval",
    "regime_type",
    "model",
    "predictor",
    "calibration",
    "started",
    "emission",
    "data_fingerprint",
)


def _home(c: Connection, name: str, now_ns: int) -> Experiment:
    """The product's experiment of that name, made when it is not there."""
    found = experiments.find_named(c, name, OWN)
    return found or experiments.add(c, name, OWN, Visibility.READ, EXPERIMENTS[name], now_ns)


def _note(
    c: Connection,
    home: str,
    *,
    name: str,
    state: RunState,
    params: Mapping[str, Text],
    metrics: Mapping[str, float],
    tags: Mapping[str, Text],
    started_ns: int,
    now_ns: int,
    identifier: str | None = None,
    model: tuple[str, int | None] = ("", None),
) -> int:
    """A run that has ended, with all that there is to say of it; its number."""
    points = [Point(key, value, 0, now_ns) for key, value in metrics.items()]
    seq = run.add(
        c,
        identifier or new_id(),
        _home(c, home, now_ns).id,
        name=name[:250],
        owner=OWN,
        started_ns=min(started_ns, now_ns),
        now_ns=now_ns,
        model=model,
    )
    Entry.of(params, {key: value[:LONGEST] if isinstance(value, str) else value for key, value in tags.items()}, points, now_ns).write(
        c, seq
    )
    run.finish(c, seq, state, now_ns)
    return seq


def fitted(
    c: Connection,
    model: tuple[str, int],
    card: Mapping[str, Any],
    *,
    gate: tuple[bool, str],
    by: str,
    identifier: str,
    started_ns: int,
    now_ns: int,
) -> None:
    """Note the fit that became this version of the model: a FINISHED run of the id that stands in the card's lineage.

    `gate`: whether it was promoted, and why.
    """
    (name, version), (promoted, verdict) = model, gate
    params = {"seed": card.get("seed", 0)} | flat(card.get("params") or {}) | flat({"label": card.get("label")})
    window = card.get("window") or {}
    params |= {f"window.{key}": value for key, value in flat(window).items()}
    facts = {key: card[key] for key in _FACTS if isinstance(card.get(key), str)}
    tags = {"model": name, "version": version, "promoted": promoted, "gate": verdict, "by": by, "rpsd": str(card.get("rpsd", __version__))}
    metrics = {key: card[key] for key in ("log_likelihood", "aic", "bic", "iterations") if key in card}
    _note(
        c,
        _home_of(name),
        name=f"{name} v{version}",
        state=RunState.FINISHED,
        params=params,
        metrics=numbers({**metrics, **(card.get("evaluation") or {})}),
        tags=facts | tags,
        started_ns=started_ns,
        now_ns=now_ns,
        identifier=identifier,
        model=model,
    )


def refused(c: Connection, name: str, error: RpsdError, *, by: str, started_ns: int, now_ns: int) -> None:
    """Note a fit that came to nothing: KILLED when it was cancelled, FAILED otherwise, with the error's code and words."""
    _note(
        c,
        _home_of(name),
        name=name,
        state=_ended_by(error),
        params={},
        metrics={},
        tags={"model": name, "by": by, "error": error.code, "detail": error.detail, "rpsd": __version__},
        started_ns=started_ns,
        now_ns=now_ns,
        model=(name, None),
    )


class WorkRuns:
    """Notes searches and backtests: work that ends in a table, not in a model."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database, self._clock = database, clock

    def followed(
        self,
        home: str,
        name: str,
        params: Mapping[str, Any],
        work: Callable[[], dict[str, Any]],
        told: Callable[[dict[str, Any]], Mapping[str, Any]],
        *,
        file: str,
        job: int,
    ) -> dict[str, Any]:
        """What `work` answers, with the id of its run as `run`: it has the numbers that `told` picks, and the answer as artifact `file`.

        Raises what `work` raises, once that has been noted.
        """
        began_ns, identifier = self._clock(), new_id()
        tags: dict[str, Text] = {"job": job, "rpsd": __version__}

        def note(state: RunState, metrics: Mapping[str, float], data: bytes | None) -> None:
            def write(c: Connection) -> None:
                seq = _note(
                    c,
                    home,
                    name=name,
                    state=state,
                    params=flat(params),
                    metrics=metrics,
                    tags=tags,
                    started_ns=began_ns,
                    now_ns=self._clock(),
                    identifier=identifier,
                )
                if data is not None:
                    artifact.put(c, seq, file, data, "application/json", self._clock())

            self._database.write(write).result()

        try:
            outcome = work()
        except RpsdError as error:
            tags |= {"error": error.code, "detail": error.detail}
            note(_ended_by(error), {}, None)
            raise
        note(RunState.FINISHED, numbers(told(outcome)), json.dumps(outcome, allow_nan=False).encode())
        return outcome | {"run": identifier}


def _home_of(model: str) -> str:
    return BOOK if model.startswith("book:") else REGIME


def _ended_by(error: RpsdError) -> RunState:
    return RunState.KILLED if isinstance(error, Cancelled) else RunState.FAILED


def flat(facts: Mapping[str, Any]) -> dict[str, Text]:
    """Nested facts as dotted names and short values: texts, numbers, booleans; a list is its JSON; what is null is left out."""
    told: dict[str, Text] = {}
    for key, value in facts.items():
        name = _UNFIT.sub("_", str(key))
        if isinstance(value, Mapping):
            told |= {f"{name}.{below}": inner for below, inner in flat(value).items()}
        elif isinstance(value, str | bool | int | float):
            told[name] = value[:LONGEST] if isinstance(value, str) else value
        elif value is not None:
            told[name] = json.dumps(value)[:LONGEST]
    return told


def numbers(facts: Mapping[str, Any]) -> dict[str, float]:
    """The finite numbers among nested facts by dotted name, at most _MOST_NUMBERS; times in nanoseconds are none."""
    found = [
        (name, float(value))
        for name, value in flat(facts).items()
        if isinstance(value, int | float) and not isinstance(value, bool) and not name.endswith("_ns") and math.isfinite(value)
    ]
    return dict(found[:_MOST_NUMBERS])
