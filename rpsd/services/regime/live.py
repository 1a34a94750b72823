"""Live regimes: what the production model says of the last closed bar, at hand in memory as long as nothing has changed."""

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rpsd.config import Settings
from rpsd.core import instant, market
from rpsd.core.errors import DiskFull, NoModel, RpsdError, Unavailable, UnknownModel
from rpsd.core.market import DAY_NS, SECOND_NS, SeriesInfo
from rpsd.core.model import ModelVersion, Packet
from rpsd.services.herald import Herald
from rpsd.services.model.name import RegimeName
from rpsd.services.model.served import ServedModel, ServedModels
from rpsd.services.model.service import JOB
from rpsd.services.regime.answer import current_of, fit_facts, moment
from rpsd.services.regime.history import RegimeHistory
from rpsd.services.regime.standing import Standings
from rpsd.store import model as models
from rpsd.store import series as rows
from rpsd.store import standing as standings_of
from rpsd.store.db import Connection, Database
from rpsd.store.standing import Mark, Stood

if TYPE_CHECKING:
    from rpsd.regime.standing import Standing
    from rpsd.services.job import JobService

_REMEMBERED: Final = 16384
"""Answers at hand, of about a kilobyte each."""
_EVER_NS: Final = 2**63 - 1
BY_STALE: Final = "stale-model"
"""Who asks for a retrain when an answer has found its model old."""


@dataclass(frozen=True, slots=True)
class _Served:
    """A production model and where its filter stands, as of so many commits."""

    name: RegimeName
    info: SeriesInfo
    model: ServedModel
    stood: Stood
    standing: "Standing"
    commits: int

    @property
    def has_new_bars(self) -> bool:
        """Whether bars have closed since the model was trained."""
        return self.standing.carry.t > self.model.last_bar_ns


@dataclass(slots=True)
class _AtHand:
    """An answer as JSON, what it rests on, until when the clock leaves it true, and the commits up to which it was seen to be."""

    text: bytes
    mark: Mark
    until_ns: int
    commits: int


class LiveRegimes:
    """Answers by the model in production. A bar counts once it has closed; one that closes unposted counts when it is asked for."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        job: "JobService",
        clock: Callable[[], int],
        standings: Standings,
        models: ServedModels,
        herald: Herald,
    ) -> None:
        self._settings, self._database, self._job, self._clock = settings, database, job, clock
        self._standings, self._models, self._herald = standings, models, herald
        self._history = RegimeHistory(settings, database)
        self._answers: dict[str, _AtHand] = {}
        self._asked: dict[str, int] = {}
        self._lock = threading.Lock()

    def at_hand(self, name: RegimeName) -> bytes | None:
        """The answer of current() if it lies in memory and holds still; it costs at most one look at one row. None: ask current()."""
        held = self._answers.get(str(name))
        if held is None or self._clock() >= held.until_ns:
            return None
        commits = self._database.commits
        if held.commits != commits:
            [mark] = self._database.read(lambda c: standings_of.marks(c, [str(name)]))
            if mark != held.mark:
                return None
            held.commits = commits
        return held.text

    def current(self, name: RegimeName) -> bytes:
        """The regime of the last closed bar as JSON. Causal after trained_until. Raises UnknownSeries, NoModel."""
        return self.at_hand(name) or self._answered(name)

    def current_many(self, symbols: Sequence[str], interval: str, regime_type: str) -> list[bytes]:
        """current() of each symbol; one that has none gives its error and does not fail the rest."""
        tail = f":{market.interval(interval)}:{regime_type}"
        found = self._at_hand_of([f"regime:{symbol}{tail}" for symbol in symbols])
        return [text or self._current_or_error(symbol, interval, regime_type) for symbol, text in zip(symbols, found, strict=True)]

    def statistics(self, name: RegimeName) -> dict[str, Any]:
        """The states over the training window. Raises UnknownSeries, NoModel."""
        served = self._serve(name)
        _, packet = self._whole(served)
        facts = {"states": packet.head["states"], "evaluation": packet.head["evaluation"]}
        return self._about(served) | {word: value for word, value in fit_facts(packet).items() if word != "warnings"} | facts

    def transitions(self, name: RegimeName, steps: int) -> dict[str, Any]:
        """Transition matrix, long-run shares, and state probabilities 1 to `steps` bars ahead. Raises UnknownSeries, NoModel."""
        from rpsd.regime import hmm  # numerics wait for the warm-up

        served = self._serve(name)
        labels, arrays = served.model.packet.head["labels"], served.model.packet.arrays
        forecast = hmm.forecast(served.model.packet, served.standing.p, steps).tolist()
        return self._about(served) | {
            "t": moment(served.standing.carry.t),
            "labels": labels,
            "transition_matrix": arrays["transmat"].tolist(),
            "stationary": arrays["stationary"].tolist(),
            "forecast": [{"step": h, "probabilities": dict(zip(labels, row, strict=True))} for h, row in enumerate(forecast, 1)],
        }

    def history(self, name: RegimeName, *, start_ns: int | None, end_ns: int | None, limit: int) -> dict[str, Any]:
        """Rows by time: in-sample ones of the production model, live ones as they were served. Raises UnknownSeries, NoModel."""
        served = self._serve(name)
        version, packet = self._whole(served)
        page = self._history.page(name, served.info, version, packet, start_ns=start_ns, end_ns=end_ns, limit=limit)
        return self._about(served) | page

    def _at_hand_of(self, names: Sequence[str]) -> list[bytes | None]:
        """at_hand() of many, with one read for all that a commit may have changed."""
        now_ns, commits = self._clock(), self._database.commits
        held = [self._answers.get(name) for name in names]
        doubtful = {name: answer for name, answer in zip(names, held, strict=True) if answer is not None and answer.commits != commits}
        if doubtful:
            found = self._database.read(lambda c: standings_of.marks(c, list(doubtful)))
            for answer, mark in zip(doubtful.values(), found, strict=True):
                if mark == answer.mark:
                    answer.commits = commits
        return [answer.text if answer and answer.commits >= commits and now_ns < answer.until_ns else None for answer in held]

    def _current_or_error(self, symbol: str, interval: str, regime_type: str) -> bytes:
        try:
            return self.current(RegimeName(market.symbol(symbol), interval, regime_type))
        except RpsdError as error:
            told = {"code": error.code, "detail": error.detail, "hint": error.advice}
            return _json({"symbol": symbol[:40], "interval": interval[:8], "error": told})

    def _answered(self, name: RegimeName) -> bytes:
        """The answer made anew and put at hand."""
        served = self._serve(name)
        text = _json(self._current(served))
        mark = (served.stood.version, served.stood.waits_ns, served.stood.state)
        with self._lock:
            self._answers[str(name)] = _AtHand(text, mark, self._until(served), served.commits)
            while len(self._answers) > _REMEMBERED:
                del self._answers[next(iter(self._answers))]
        return text

    def _current(self, served: _Served) -> dict[str, Any]:
        from rpsd.regime.statistics import Present, current  # numerics wait for the warm-up

        standing, model = served.standing, served.model.packet
        spell = Present(standing.state, standing.since_ns, standing.carry.t, standing.bars)
        told = current(model.head["labels"], standing.p, model.arrays["transmat"], spell, served.name.interval)
        return self._about(served) | {"t": moment(standing.carry.t), "in_sample": not served.has_new_bars, "current": current_of(told)}

    def _serve(self, name: RegimeName) -> _Served:
        """The production model with its filter moved on to the last closed bar. Raises UnknownSeries, NoModel, CorruptData."""
        from rpsd.regime import standing as numerics  # numerics wait for the warm-up

        commits, info, stood, model = self._look(name)
        if self._standings.waits(stood) and self._level(name):
            commits, info, stood, model = self._look(name)
        standing = None if self._standings.waits(stood) or stood.state is None else numerics.unpack(stood.state)
        if standing is None:  # the store takes no writes now, or the kernels are not warm: told all the same, and kept later
            move = self._database.read(lambda c: self._standings.moved(c, info, stood, most=_EVER_NS))
            standing = move.standing
        served = _Served(name, info, model, stood, standing, commits)
        self._ask_for_retrain(served)
        return served

    def _look(self, name: RegimeName) -> tuple[int, SeriesInfo, Stood, ServedModel]:
        """How many commits there were, the series, and what serves it. Raises UnknownSeries, NoModel, CorruptData."""
        commits = self._database.commits  # before the read: a commit in between costs a second look, not a stale answer

        def look(c: Connection) -> tuple[int, SeriesInfo, Stood, ServedModel]:
            info = rows.require(c, name.symbol, name.interval)
            for stood in standings_of.serving(c, [str(name)]):
                return commits, info, stood, self._models.of(c, stood.name, stood.version)
            raise _no_model(c, name)

        return self._database.read(look)

    def _level(self, name: RegimeName) -> bool:
        """Have the closed bars taken in that wait; False when nothing can be written now."""
        try:
            while self._standings.ready:
                is_level, _ = self._database.write(
                    lambda c: self._standings.level(c, name), lambda done: self._herald.regimes(done[1])
                ).result()
                if is_level:
                    break
        except (DiskFull, Unavailable):
            return False
        return self._standings.ready

    def _whole(self, served: _Served) -> tuple[ModelVersion, Packet]:
        """The version that serves, with all that its fit tells."""
        name, version = served.model.name, served.model.version
        return self._database.read(lambda c: (models.find(c, name, version), models.packet(c, name, version)))

    def _until(self, served: _Served) -> int:
        """Until when the clock alone leaves the answer as it is."""
        created_ns, now_ns = served.model.created_ns, self._clock()
        moments = [served.stood.waits_ns] if served.stood.waits_ns is not None else []
        if served.has_new_bars:
            moments.append(self._due_ns(served))
            stale_ns = created_ns + int(self._settings.regimes.max_model_age * SECOND_NS) + 1
            moments.append(stale_ns if stale_ns > now_ns else created_ns + ((now_ns - created_ns) // DAY_NS + 1) * DAY_NS)
        return min(moments, default=_EVER_NS)

    def _due_ns(self, served: _Served) -> int:
        """When to ask for a retrain."""
        last_ns = max(served.model.created_ns, self._asked.get(served.model.name, 0))
        return last_ns + int(self._settings.regimes.retrain_interval * SECOND_NS)

    def _ask_for_retrain(self, served: _Served) -> None:
        """Queue a retrain when the model is older than retrain_interval and bars have come since; once in that time."""
        now_ns, name = self._clock(), served.model.name
        if not served.has_new_bars or now_ns < self._due_ns(served):
            return
        self._asked[name] = now_ns
        try:
            self._job.enqueue(JOB, {"model": name}, by=BY_STALE)
        except RpsdError:
            return  # the answer stands without it, and the next one asks again after retrain_interval

    def _about(self, served: _Served) -> dict[str, Any]:
        """What every live answer begins with."""
        head, model = served.model.packet.head, served.model
        warnings = list(head["warnings"])
        age_ns = self._clock() - model.created_ns
        if served.has_new_bars and age_ns > self._settings.regimes.max_model_age * SECOND_NS:
            warnings.append({"code": "stale_model", "detail": f"fitted {age_ns // DAY_NS} days ago, and new bars have come since"})
        warnings += _doubts(served.standing)
        return {
            "symbol": served.name.symbol,
            "interval": served.name.interval,
            "regime_type": served.name.regime_type,
            "n_states": head["n_states"],
            "mode": "filtered",
            "causal": True,
            "causal_from": moment(model.trained_until_ns),
            "trained_until": moment(model.trained_until_ns),
            "model": model.name,
            "model_version": model.version,
            "warnings": warnings,
        }


def _doubts(standing: "Standing") -> list[dict[str, str]]:
    """What is odd about the bars since the training."""
    from rpsd.regime.standing import NEVER_NS  # numerics wait for the warm-up

    found = []
    if standing.jumped_ns != NEVER_NS:
        detail = f"the bar of {instant.text(standing.jumped_ns)} moved the price by 40 % or more; are the prices adjusted?"
        found.append({"code": "looks_like_split", "detail": detail})
    if standing.seen_ns > standing.carry.t:
        until = instant.text(standing.seen_ns)
        detail = f"bars up to {until} have no positive price or lack a cell; the regime is that of the last bar before them"
        found.append({"code": "bar_not_observed", "detail": detail})
    return found


def _no_model(c: Connection, name: RegimeName) -> NoModel:
    """Why nothing serves."""
    try:
        why = f"the newest version was not promoted: {models.versions(c, str(name))[0].reason}"
    except UnknownModel:
        why = "it was never trained"
    return NoModel(f"{name} has no model in production; {why}", hint=f"Train it: POST /api/v1/models/{name}/retrain.")


def _json(value: dict[str, Any]) -> bytes:
    """The value as JSON; the finite numbers of a filter are the only ones it may hold."""
    return json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False).encode()
