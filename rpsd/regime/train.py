"""Models for serving: many series fitted at once, each from its predecessor or afresh, judged on bars held out, and named."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from typing import Any

import numpy as np

from rpsd.core.drift import Tolerance
from rpsd.core.errors import RpsdError
from rpsd.core.market import Times, Vector
from rpsd.core.model import Packet
from rpsd.core.observed import RETURN, graph, observed
from rpsd.core.parameters import HmmParameters
from rpsd.core.regime import states_of
from rpsd.core.result import Matrix, Warned
from rpsd.regime import drift, evaluate, hmm
from rpsd.regime.labels import matched, named
from rpsd.regime.observe import BARS_PER_STATE, Observations, looks_like_split, observations
from rpsd.regime.residual import predictive_probabilities
from rpsd.regime.run import ENGINES, Labelled, Selection, answered, path_of
from rpsd.regime.select import choose
from rpsd.regime.soundness import sound
from rpsd.regime.standing import continuation
from rpsd.regime.state import WORTH_NATS

Report = Callable[[float, str], None]
"""Called with the share done and a few words."""
Fits = dict[int, Packet | RpsdError]
"""A fit, or why there is none, by the number of its case."""


@dataclass(frozen=True, slots=True)
class Case:
    """A model to fit: prices (n,) at t (n,) in ns UTC; `previous` a packet of train_many; `cold` asks for fresh starts as well.

    `columns` is what the model sees of each bar, `cells` the stored columns (n,) that they need. `drifted`: the predecessor has drifted
    HIGH, so that the bars since its fit are of another world; see evaluate.seen_by_trial.
    """

    prices: Vector
    t: Times
    regime_type: str
    interval: str
    previous: Packet | None = None
    cold: bool = False
    columns: tuple[str, ...] = RETURN
    cells: Mapping[str, Vector] = field(default_factory=dict)
    drifted: bool = False


@dataclass(slots=True)
class _Plan:
    """A case on its way: what is seen of it, the parameters of its fit, whether from fresh starts, and how its predecessor did since."""

    case: Case
    seen: Observations
    params: HmmParameters
    selection: Selection
    rival: Packet | None
    cold: bool
    record: Vector
    tolerance: Tolerance
    drift: drift.Drift | None

    @property
    def split(self) -> int:
        """How many bars the trial fit may see."""
        return evaluate.seen_by_trial(self.seen.x.size, self.new)

    @property
    def new(self) -> int:
        """How many bars came after the fit of a predecessor that has drifted; 0 when none has."""
        previous = self.case.previous
        if previous is None or not self.case.drifted:
            return 0
        return int((self.seen.t > previous.head["trained_until_ns"]).sum())

    @property
    def trial(self) -> Packet | None:
        """The predecessor's own trial fit to go on from, unless it saw a bar that is held out now."""
        rival = _trial_of(self.rival)
        return None if rival is None or rival[1] > self.seen.t[self.split - 1] else rival[0]


def _trial_of(previous: Packet | None) -> tuple[Packet, int] | None:
    """The trial fit of a model, and the time of the last bar that it saw."""
    held = None if previous is None else previous.arrays.get("trial")
    return None if previous is None or held is None else (Packet.unpack(held.tobytes()), int(previous.head["trial_until_ns"]))


def train_many(
    cases: Sequence[Case], params: HmmParameters, *, seed: int, tolerance: Tolerance, report: Report = lambda _share, _words: None
) -> list[Packet | RpsdError]:
    """A model of each case that `hmm.step` can serve, or the error that refuses it; no case stops another.

    A predecessor of as many states is gone on from, and states keep its numbers and names where they are the same states. Fresh starts
    too where the case asks or the predecessor has drifted HIGH; they win by more than WORTH_NATS. `auto` keeps its predecessor's number of
    states until then. Hindsight up to trained_until_ns, causal after it.
    Head: that of the fit and of `run.detect` in mode filtered, `interval`, `graph` (of the columns), `evaluation` (None when the range is
    too short to hold bars out), `trial_until_ns`, `drift` (of the predecessor), `data_drift` (within the window), `cold_tried`, `fresh`
    (whether fresh starts won), `cold_gain` (nats), `split_like` (returns since the predecessor that look like a split), `labels_kept`,
    `last_price`, and what `standing.continuation` keeps. Arrays: those of the fit, stationary, alpha (k,) the filter at the end, carry what
    the next bar needs, pits the predictive probabilities on record, trial the fit without the held-out bars. Errors: as `run.detect`.
    """
    done: Fits = {}
    plans: dict[int, _Plan] = {}
    for i, case in enumerate(cases):
        try:
            plans[i] = _planned(case, params, seed, tolerance)
        except RpsdError as error:
            done[i] = error
    report(0.1, "fitting")
    fits = _fitted(plans, seed)
    report(0.5, "judging on held-out bars")
    trials = _trials({i: plan for i, plan in plans.items() if isinstance(fits[i][0], Packet)}, seed)
    for i, plan in plans.items():
        report(0.8 + 0.2 * i / len(cases), "naming")
        try:
            done[i] = _told(plan, *fits[i], trials.get(i))
        except RpsdError as error:
            done[i] = error
    return [done[i] for i in range(len(cases))]


def train(
    prices: Vector,
    t: Times,
    *,
    regime_type: str,
    interval: str,
    params: HmmParameters,
    seed: int,
    previous: Packet | None = None,
    cold: bool = False,
) -> Packet:
    """One model as by train_many. Raises what refuses it."""
    case = Case(prices, t, regime_type, interval, previous, cold)
    done = train_many([case], params, seed=seed, tolerance=Tolerance())[0]
    if isinstance(done, RpsdError):
        raise done
    return done


def _planned(case: Case, params: HmmParameters, seed: int, tolerance: Tolerance) -> _Plan:
    wanted, before = states_of(case.regime_type), case.previous
    previous = before if before is not None and before.head["columns"] == list(case.columns) else None
    seen = observations(case.prices, case.t, case.interval, wanted or 1, columns=case.columns, cells=case.cells)
    record, judged = (np.empty(0), None) if previous is None else _since(previous, seen, tolerance)
    cold = case.cold or previous is None or (judged is not None and judged.severity == "HIGH")
    k, selection = (wanted, ()) if wanted is not None else _chosen(seen, None if cold else previous, seed)
    params = replace(params, k=k)
    alike = previous is not None and previous.head["n_states"] == k and previous.head["engine"] == params.engine
    rival = previous if alike else None
    return _Plan(case, seen, params, selection, rival, cold or rival is None, record, tolerance, judged)


def _chosen(seen: Observations, previous: Packet | None, seed: int) -> tuple[int, Selection]:
    """The number of states of `auto` with the table behind it: that of the predecessor, when there is one to go on from."""
    if previous is not None:
        return int(previous.head["n_states"]), tuple(previous.head["selection"])
    choice = choose(seen.x, seed)
    return choice.k, choice.table


def _since(previous: Packet, seen: Observations, tolerance: Tolerance) -> tuple[Vector, drift.Drift]:
    """The predecessor's record of predictive probabilities with the bars that came after it, and what that says."""
    head, new = previous.head, seen.t > previous.head["trained_until_ns"]
    record = previous.arrays["pits"]
    if new.any():
        prior = hmm.ahead(previous, previous.arrays["alpha"])
        below, _ = predictive_probabilities(previous, prior, seen.x[new], None if seen.z is None else seen.z[new])
        record = np.concatenate([record, below.clip(0.0, 1.0)])
    record = record[-drift.MOST_BARS :]
    return record, drift.judged(record, int(head["n"]), head["drift"], tolerance)


def _fitted(plans: Mapping[int, _Plan], seed: int) -> dict[int, tuple[Packet | RpsdError, float | None]]:
    """The fit of each plan, and what fresh starts gained in nats of penalised likelihood where both ways were gone."""
    warm = _fit_all(((i, p, p.seen.rows, p.rival) for i, p in plans.items() if p.rival is not None), seed)
    fresh = _fit_all(((i, p, p.seen.rows, None) for i, p in plans.items() if p.cold), seed)
    return {i: _better(warm.get(i), fresh.get(i)) for i in plans}


def _better(warm: Packet | RpsdError | None, fresh: Packet | RpsdError | None) -> tuple[Packet | RpsdError, float | None]:
    if isinstance(warm, Packet) and isinstance(fresh, Packet):
        gain = float(fresh.head["penalised"] - warm.head["penalised"])
        return (fresh if gain > WORTH_NATS or _is_broken(warm) else warm), gain
    one = fresh if isinstance(fresh, Packet) or warm is None else warm
    assert one is not None  # every plan is fitted at least one way
    return one, None


def _is_broken(state: Packet) -> bool:
    try:
        sound(state)
    except RpsdError:
        return True
    return False


def _trials(plans: Mapping[int, _Plan], seed: int) -> dict[int, evaluate.Trial]:
    """The fits on the bars before the held-out ones, of as many states and of one; none where those bars are too few."""
    before = {i: plan.seen.rows[: plan.split] for i, plan in plans.items()}
    long = {i: plan for i, plan in plans.items() if plan.split >= BARS_PER_STATE * plan.params.k}
    mine = _fit_all(((i, p, before[i], None if p.cold else p.trial) for i, p in long.items()), seed)
    alone = _fit_all(((i, replace(p, params=replace(p.params, k=1, starts=1)), before[i], None) for i, p in long.items()), seed)
    return {i: evaluate.Trial(state, one) for i in long if isinstance(state := mine[i], Packet) and isinstance(one := alone[i], Packet)}


def _fit_all(asked: Iterable[tuple[int, _Plan, Vector | Matrix, Packet | None]], seed: int) -> Fits:
    """One batch for each set of parameters, those that go on from a model apart from those that begin afresh."""
    done: Fits = {}
    by_kind = sorted(asked, key=lambda one: (one[1].params.k, one[3] is not None))
    for (_, goes_on), group in groupby(by_kind, key=lambda one: (one[1].params.k, one[3] is not None)):
        members = list(group)
        warms = [one[3] for one in members if one[3] is not None] if goes_on else None
        fits = _fit_many([one[2] for one in members], members[0][1].params, seed, warms)
        done |= {one[0]: fit for one, fit in zip(members, fits, strict=True)}
    return done


def _fit_many(rows: list[Vector | Matrix], params: HmmParameters, seed: int, warms: list[Packet] | None) -> list[Packet | RpsdError]:
    """Fits of returns (n,) or rows (n, d), the returns first; returns alone go through the lanes of the numba engine together."""
    if params.engine == "numba" and all(one.ndim == 1 for one in rows):
        return hmm.fit_many(rows, params, seed=seed, warms=warms)
    fit, done = ENGINES[params.engine], list[Packet | RpsdError]()
    for i, one in enumerate(rows):
        x, z = (one, None) if one.ndim == 1 else (np.ascontiguousarray(one[:, 0]), one)
        try:
            done.append(fit(x, params, seed=seed, warm=None if warms is None else warms[i], z=z))
        except RpsdError as error:
            done.append(error)
    return done


def _told(plan: _Plan, fitted: Packet | RpsdError, gain: float | None, trial: evaluate.Trial | None) -> Packet:
    """The model with its account. Raises the error of the fit, and DegenerateFit."""
    if isinstance(fitted, RpsdError):
        raise fitted
    case, seen, rival = plan.case, plan.seen, plan.rival
    state, kept = (named(sound(fitted)), False) if rival is None else matched(sound(fitted), rival)
    probabilities, end = hmm.filtered(state, seen.rows), int(seen.t[-1])
    path = path_of(seen.t, probabilities, "filtered", end, end)
    answer = answered(seen, Labelled(state, path, plan.selection, ()), case.regime_type, case.interval)
    going_on, carried = continuation(seen)
    warned = () if trial else (Warned("not_evaluated", f"{seen.x.size} returns are too few to hold some out"),)
    head = {
        **state.head,
        **answer.head,
        "interval": case.interval,
        "columns": list(case.columns),
        "graph": graph(observed(case.columns)),
        "evaluation": _evaluation(plan, state, probabilities, trial),
        "trial_until_ns": None if trial is None else int(seen.t[plan.split - 1]),
        "drift": None if plan.drift is None else plan.drift.as_facts(),
        "data_drift": _moved(plan, state).as_facts(),
        "cold_tried": plan.cold,
        "fresh": plan.cold and fitted.head["started"] == "cold",
        "cold_gain": gain,
        "split_like": _split_like(plan),
        "labels_kept": kept,
        "last_price": float(case.prices[-1]),
        **going_on,
        "warnings": [*answer.head["warnings"], *(asdict(warning) for warning in warned)],
    }
    record = np.empty(0) if head["fresh"] else plan.record
    arrays = {"stationary": answer.arrays["stationary"], "alpha": probabilities[-1].copy(), "pits": record, **carried}
    if trial is not None:
        arrays["trial"] = np.frombuffer(trial.state.pack(), np.uint8)
    return Packet(head, {**state.arrays, **arrays})


def _evaluation(plan: _Plan, state: Packet, probabilities: Matrix, trial: evaluate.Trial | None) -> dict[str, Any] | None:
    if trial is None:
        return None
    rows, rival = plan.seen.rows, plan.rival
    before = None if rival is None else hmm.filtered(rival, rows).argmax(axis=1)
    previous = plan.case.previous
    theirs = None if previous is None or previous.head["columns"] != list(plan.case.columns) else _trial_of(previous)
    if theirs is not None and previous is not None and plan.new >= evaluate.LEAST_NEW:
        theirs = previous, int(previous.head["trained_until_ns"])  # it has seen none of the bars that judge
    judged = evaluate.held_out(rows, trial, None if theirs is None else evaluate.Rival(*theirs, plan.seen.t), plan.split)
    return judged | {"filtered": evaluate.steadiness(state, probabilities, before)}


def _moved(plan: _Plan, state: Packet) -> drift.Drift:
    """How the data have moved within the window, beyond what the model itself has regimes for."""
    below, _ = predictive_probabilities(state, state.arrays["startprob"], plan.seen.x, plan.seen.z)
    return drift.moved(below.clip(0.0, 1.0), plan.tolerance)


def _split_like(plan: _Plan) -> int:
    previous = plan.case.previous
    if previous is None:
        return 0
    new = plan.seen.t > previous.head["trained_until_ns"]
    return int(looks_like_split(plan.seen.x[new]).sum())
