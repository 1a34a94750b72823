"""Makes the golden arrays of the state-space methods: run with a Python that has statsmodels, not with rpsd's own."""

from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
NOISE = 0.04  # variance of e
LEVEL = {"local_level": 0.01, "local_linear_trend": 0.01}  # variance of w
SLOPE = 1e-4  # variance of z
PREFIX = 200  # what the smoother with a fixed lag has seen when it answers for sample PREFIX - 1 - lag


def main() -> None:
    """Write one file for each model: filtered state and its variance, smoothed state and its variance; and the likelihoods."""
    from statsmodels.tsa.statespace.structural import UnobservedComponents  # rpsd does not depend on it

    y = np.loadtxt(HERE / "observed.csv")
    likelihoods = []
    for name, variance in LEVEL.items():
        trend = name == "local_linear_trend"
        model = UnobservedComponents(y, level=name.replace("_", " "), use_exact_diffuse=True)
        model.ssm.tolerance = 0.0  # no short cut once the gains have nearly settled
        given = [NOISE, variance, SLOPE] if trend else [NOISE, variance]
        found = model.smooth(given)
        columns = [
            found.filtered_state[0],
            found.filtered_state_cov[0, 0],
            found.smoothed_state[0],
            found.smoothed_state_cov[0, 0],
        ]
        np.savetxt(HERE / f"statsmodels_{name}.csv", np.column_stack(columns), fmt="%.17g", delimiter=",")
        likelihoods.append(float(found.llf_obs[2 if trend else 1 :].sum()))
    np.savetxt(HERE / "statsmodels_likelihood.csv", likelihoods, fmt="%.17g")
    model = UnobservedComponents(y[:PREFIX], level="local level", use_exact_diffuse=True)
    model.ssm.tolerance = 0.0
    part = model.smooth([NOISE, LEVEL["local_level"]])
    columns = [part.smoothed_state[0], part.smoothed_state_cov[0, 0]]
    np.savetxt(HERE / "statsmodels_prefix.csv", np.column_stack(columns), fmt="%.17g", delimiter=",")


if __name__ == "__main__":
    main()
