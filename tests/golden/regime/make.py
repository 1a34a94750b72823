"""Make the golden series of the regime tests from statsmodels: run in an environment that has statsmodels and pandas, not in rpsd's own."""

from pathlib import Path

import numpy as np

HERE = Path(__file__).parent


def write(name: str, header: str, *columns: np.ndarray) -> None:
    """A CSV with one line of names; 15 digits are what the tests need."""
    np.savetxt(HERE / name, np.column_stack(columns), delimiter=",", fmt="%.15g", header=header, comments="")


def rgnp() -> None:
    """Growth, NBER recessions, and the regime-1 probabilities that statsmodels computes at the parameters of EViews."""
    from statsmodels.tsa.regime_switching.tests import test_markov_autoregression as autoregression

    y, case = np.array(autoregression.rgnp), autoregression.TestHamiltonAR4
    case.setup_class()
    result = case.model.smooth(case.true["params"])
    aside = np.full(4, np.nan)  # an AR(4) has no probabilities for its first four values
    inside = (result.filtered_marginal_probabilities[:, 0], result.smoothed_marginal_probabilities[:, 0])
    recession = np.array(autoregression.rec, float)
    assert recession.size == y.size
    write("rgnp.csv", "growth,recession,filtered,smoothed", y, recession, *(np.concatenate([aside, part]) for part in inside))


def fedfunds() -> None:
    """The federal funds rate with the smoothed probability of regime 1 as Stata prints it, six digits."""
    from statsmodels.tsa.regime_switching.tests import test_markov_regression as regression

    stata = np.genfromtxt(Path(regression.__file__).parent / "results" / "results_predict_fedfunds.csv", delimiter=",", names=True)
    y = np.array(regression.fedfunds)
    write("fedfunds.csv", "rate,smoothed", y, stata["const_sm1"])


def areturns() -> None:
    """Absolute returns of a stock index with the probabilities of regime 1 at the parameters of Stata; the first value is only a lag."""
    import statsmodels.api as sm
    from statsmodels.tsa.regime_switching.tests import test_markov_regression as regression

    y, true = np.array(regression.areturns), regression.TestAreturnsConstL1Variance
    true.setup_class()
    model = sm.tsa.MarkovRegression(y[1:], k_regimes=2, exog=y[:-1], switching_variance=True)
    result = model.smooth(true.true["params"])
    inside = (result.filtered_marginal_probabilities[:, 0], result.smoothed_marginal_probabilities[:, 0])
    write("areturns.csv", "value,filtered,smoothed", y, *(np.append(np.nan, part) for part in inside))


if __name__ == "__main__":
    rgnp()
    fedfunds()
    areturns()
