"""The second engine: the same packet from the same starts, and no import of hmmlearn until a fit is asked for."""

import subprocess
import sys
from typing import Any

import numpy as np

from rpsd.core.parameters import HmmParameters
from rpsd.regime import hmm, hmmlearn_hmm


def test_both_engines_find_the_same_optimum(two: Any) -> None:
    params = HmmParameters(k=2, tolerance=1e-8)
    ours, theirs = hmm.fit(two.x, params, seed=0), hmmlearn_hmm.fit(two.x, params, seed=0)
    assert theirs.head["engine"] == "hmmlearn"
    assert set(theirs.head) == set(ours.head)
    assert set(theirs.arrays) == set(ours.arrays)
    assert abs(theirs.head["penalised"] - ours.head["penalised"]) < 1e-3
    for name in ("transmat", "means", "variances"):
        np.testing.assert_allclose(theirs.arrays[name], ours.arrays[name], atol=2e-3)


def test_a_warm_fit_starts_from_the_given_state(two: Any) -> None:
    params = HmmParameters(k=2)
    cold = hmmlearn_hmm.fit(two.x, params, seed=0)
    assert hmmlearn_hmm.fit(two.x, params, seed=0, warm=cold).head["iterations"] <= 5


def test_serving_never_imports_hmmlearn() -> None:
    code = "import sys, rpsd.regime.run; sys.exit(any(name in sys.modules for name in ('hmmlearn', 'sklearn')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
