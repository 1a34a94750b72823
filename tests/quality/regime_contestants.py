"""Who takes part in the regime tables: the truth's parameters, every engine of the catalogue, a trivial baseline, and the peers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from rpsd.core.errors import RpsdError
from rpsd.core.market import DAY_NS, Vector
from rpsd.core.observed import RETURN, sight_of
from rpsd.core.parameters import HmmParameters
from rpsd.core.result import Matrix
from rpsd.regime import MODELS, RegimeModel
from rpsd.regime.hmm import filtered, smoothed
from rpsd.regime.observe import observations
from rpsd.regime.walk import walk_forward
from tests.quality import regime_peers as peers
from tests.quality.regime_peers import Decoded, likeliest
from tests.quality.scenarios import Draw, Scenario

ORACLE: Final = "oracle: the true parameters"
BASELINE: Final = "ranked volatility (baseline)"
DEFAULT: Final = "`numba`"
GAUSSIAN: Final = "`numba` emission=gaussian"
WALK: Final = "`numba` walk_forward"
STATSMODELS: Final = "statsmodels MarkovRegression, percent"
REFIT_EVERY: Final = 21

VARIANTS: Final[Mapping[str, tuple[Mapping[str, Any], ...]]] = {
    "numba": ({}, {"emission": "gaussian"}, {"emission": "t"}),
    "hmmlearn": ({},),
    "jump": ({}, {"jump_penalty": peers.TUNED}),
}
"""Settings besides the defaults, by engine; an engine that is not named here takes part with its defaults."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A member of the catalogue with its settings."""

    model: RegimeModel
    settings: Mapping[str, Any]

    @property
    def label(self) -> str:
        """How the tables name it."""
        return " ".join([f"`{self.model.name}`", *(f"{name}={value}" for name, value in self.settings.items())])

    def params(self, k: int) -> HmmParameters:
        """Its parameters for k states."""
        return HmmParameters(k=k, engine=self.model.name, **self.settings)

    def decoded(self, drawn: Draw, k: int) -> Decoded:
        """Fitted on the seen bars; then filter and smoother over all of them. An engine that refuses answers one state."""
        z = seen_by(self.model.name, drawn.x)
        late = 0 if z is None else drawn.x.size - z.shape[0]  # bars before a weighted column has its first value
        rows = drawn.x if z is None else z
        fitted_on = None if z is None else z[: drawn.train - late].copy()
        try:
            state = self.model.fit(drawn.x[late : drawn.train].copy(), self.params(k), seed=0, z=fitted_on)
        except RpsdError:
            return Decoded(*(np.zeros(drawn.x.size, np.int64),) * 2)
        found = likeliest(filtered(state, rows), smoothed(state, rows))
        return Decoded(*(np.pad(states, (late, 0), mode="edge") for states in (found.filtered, found.smoothed)))


def seen_by(engine: str, x: Vector) -> Matrix | None:
    """What a model of the engine sees of returns x (n,) in percent, by the product's own observer; None: the returns alone.

    (m, d) for the last m bars: the first ones, for which a column has no value yet, are passed over.
    """
    columns = sight_of(engine, RETURN)
    if columns == RETURN:
        return None
    close = 100.0 * np.exp(np.concatenate([[0.0], np.cumsum(x / 100.0)]))
    found = observations(close, np.arange(close.size) * DAY_NS, "1d", 1, columns=columns)
    assert found.z is not None
    assert found.t[0] == (close.size - found.x.size) * DAY_NS
    return found.z


def engines() -> list[Engine]:
    """Every engine of the catalogue, with its variants."""
    return [Engine(model, settings) for model in MODELS for settings in VARIANTS.get(model.name, ({},))]


def ours(drawn: Draw, scenario: Scenario) -> dict[str, Decoded]:
    """The product's engines, and walk-forward of the default one: refitted every 21 bars on all bars before."""
    answers = {engine.label: engine.decoded(drawn, scenario.k) for engine in engines()}
    default = engines()[0]
    return answers | {WALK: _walked(default, drawn, scenario.k)}


def _walked(engine: Engine, drawn: Draw, k: int) -> Decoded:
    """Walk-forward over all bars; those of the burn-in, which it leaves out, count as its first state. It has no hindsight to show."""
    try:
        walk = walk_forward(drawn.x.copy(), engine.params(k), engine.model.fit, seed=0, refit_every=REFIT_EVERY)
    except RpsdError:
        return Decoded(*(np.zeros(drawn.x.size, np.int64),) * 2)
    states = walk.probabilities.argmax(axis=1)
    whole = np.concatenate([np.full(walk.first, states[0]), states])
    return Decoded(whole, whole)


def known(drawn: Draw, scenario: Scenario) -> dict[str, Decoded]:
    """The bounds: who knows all, and who does the simplest thing. Of all contestants only the oracle looks beyond the number of states."""
    return {ORACLE: peers.oracle(drawn, scenario), BASELINE: peers.ranked_volatility(drawn, scenario.k)}


def libraries(drawn: Draw, scenario: Scenario) -> dict[str, Decoded]:
    """Other people's models."""
    return {
        **peers.hmmlearn_lines(drawn, scenario.k),
        STATSMODELS: peers.statsmodels_switching(drawn, scenario.k),
        **peers.jumpmodels_lines(drawn, scenario.k),
    }
