"""The S&P 500's likelihoods, K = 2 to 5, against the figures of an independent implementation.

Source: the project's methods document, §2.4: Gaussian emissions, no prior, free start distribution, log returns × 100 of the daily closes
1999 to 2018, given to three decimals. Tolerance 0.005 nats: a maximum is flat, and EM stops on a rise of 1e-10 nats a bar.
"""

import csv
from pathlib import Path

import numpy as np
import pytest

import rpsd
from rpsd.core.parameters import HmmParameters
from rpsd.regime import hmm

REFERENCE = {2: -7131.654, 3: -6900.738, 4: -6852.485, 5: -6821.840}
FREE = {"emission": "gaussian", "sticky": 0.0, "spread": 0.0, "variance_floor": 1e-6, "tolerance": 1e-10, "max_iterations": 10000}


@pytest.fixture(scope="module")
def returns() -> np.ndarray:
    with (Path(rpsd.__file__).parent / "samples" / "sp500_1d.csv").open(encoding="utf-8") as file:
        closes = [float(row["close"]) for row in csv.DictReader(file)]
    assert len(closes) == 5031
    return 100 * np.diff(np.log(np.array(closes)))


@pytest.mark.parametrize("k", REFERENCE)
def test_the_highest_likelihood_is_reached(returns: np.ndarray, k: int) -> None:
    state = hmm.fit(returns, HmmParameters(k=k, starts=32, **FREE), seed=0)
    assert state.head["converged"]
    assert state.head["log_likelihood"] == pytest.approx(REFERENCE[k], abs=0.005)


def test_bic_picks_four(returns: np.ndarray) -> None:
    bic = {k: hmm.fit(returns, HmmParameters(k=k, starts=16, **FREE | {"tolerance": 1e-8}), seed=0).head["bic"] for k in REFERENCE}
    assert min(bic, key=lambda k: bic[k]) == 4
