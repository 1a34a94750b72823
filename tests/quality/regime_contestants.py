"""Who takes part in the regime tables: the truth's parameters, every engine of the catalogue, a trivial baseline, and the peers."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np

from rpsd.core.errors import RpsdError
from rpsd.core.parameters import HmmParameters
from rpsd.regime import MODELS, RegimeModel
from rpsd.regime.hmm import filtered, smoothed
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
    "jump": ({},),
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

    def params(self, k: int) -> Any:
        """Its parameters for k states."""
        kind = getattr(self.model, "params", HmmParameters)
        own = {"engine": self.model.name} if "engine" in {f.name for f in fields(kind)} else {}
        return kind(k=k, **own, **self.settings)

    def decoded(self, drawn: Draw, k: int) -> Decoded:
        """Fitted on the seen bars; then filter and smoother over all of them. An engine that refuses answers one state."""
        try:
            state = self.model.fit(drawn.seen.copy(), self.params(k), seed=0)
        except RpsdError:
            return Decoded(*(np.zeros(drawn.x.size, np.int64),) * 2)
        return likeliest(filtered(state, drawn.x), smoothed(state, drawn.x))


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
