"""The jump model against jumpmodels (regime/README.md): the sum reached and the path, for two and three states and two penalties."""

from pathlib import Path

import numpy as np
import pytest

from rpsd.core.parameters import HmmParameters
from rpsd.regime import hmm, jump

DATA = Path(__file__).parent / "regime"
TABLE = np.genfromtxt(DATA / "jump.csv", delimiter=",", names=True)
SUMS = [tuple(row) for row in np.loadtxt(DATA / "jump_sums.csv", delimiter=",", skiprows=1)]


@pytest.mark.parametrize(("k", "penalty", "reached"), SUMS)
def test_the_sum_and_the_path_are_those_of_jumpmodels(k: float, penalty: float, reached: float) -> None:
    z = np.column_stack([TABLE[name] for name in ("a", "b", "c")])
    state = jump.fit(z[:, 0].copy(), HmmParameters(k=int(k), starts=50, jump_penalty=penalty), seed=0, z=z)
    assert state.head["objective"] == pytest.approx(reached, rel=1e-9)
    theirs, ours = TABLE[f"path_{int(k)}_{penalty:g}"].astype(int), hmm.viterbi(state, z)
    pairs = set(zip(ours.tolist(), theirs.tolist(), strict=True))
    assert len(pairs) == len({mine for mine, _ in pairs}) == len({other for _, other in pairs})  # equal but for the numbers of the states
