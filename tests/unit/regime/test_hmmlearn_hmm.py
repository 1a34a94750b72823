"""The second engine: the same packet and the same optimum, and no import of hmmlearn until a fit is asked for."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from rpsd.core.errors import BadParameter, DegenerateFit
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


def test_both_engines_find_the_same_optimum_of_two_columns(two: Any) -> None:
    rng = np.random.default_rng(1)
    z = np.column_stack([two.x, 0.5 * two.x + rng.normal(size=two.x.size) * (1 + two.states)])
    params = HmmParameters(k=2, tolerance=1e-8, emission="gaussian")
    ours, theirs = hmm.fit(two.x, params, seed=0, z=z), hmmlearn_hmm.fit(two.x, params, seed=0, z=z)
    assert theirs.head["d"] == ours.head["d"] == 2
    assert abs(theirs.head["penalised"] - ours.head["penalised"]) < 1e-3
    for name in ("transmat", "location", "dispersion"):
        np.testing.assert_allclose(theirs.arrays[name], ours.arrays[name], atol=2e-3)
    warm = hmmlearn_hmm.fit(two.x, params, seed=0, warm=ours, z=z)
    assert warm.head["iterations"] <= 5


def test_hmmlearn_has_no_student_t(two: Any) -> None:
    with pytest.raises(BadParameter, match="Student t"):
        hmmlearn_hmm.fit(two.x, HmmParameters(k=2, emission="t"), seed=0)


def test_a_singular_covariance_is_a_degenerate_fit(two: Any) -> None:
    z = np.column_stack([two.x, 2 * two.x])
    with pytest.raises(DegenerateFit):
        hmmlearn_hmm.fit(two.x, HmmParameters(k=2, emission="gaussian", starts=2), seed=0, z=z)


def test_serving_never_imports_hmmlearn() -> None:
    code = "import sys, rpsd.regime.run; sys.exit(any(name in sys.modules for name in ('hmmlearn', 'sklearn')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
