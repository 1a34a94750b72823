"""Make the golden jump models with jumpmodels: run in an environment that has it, not in rpsd's own."""

from pathlib import Path

import numpy as np

HERE = Path(__file__).parent


def main() -> None:
    """Three columns of planted regimes; for each number of states and penalty the path and the sum that jumpmodels finds."""
    from jumpmodels.jump import JumpModel

    rng = np.random.default_rng(20261121)
    states = np.cumsum(rng.random(500) < 0.02) % 3
    u = rng.normal(size=(500, 3)) + np.array([[0.0, 0.0, 0.0], [1.5, -1.0, 0.0], [-1.0, 0.5, 2.0]])[states]
    u = np.round((u - u.mean(axis=0)) / u.std(axis=0), 9)
    columns, header, sums = [u], ["a", "b", "c"], []
    for k in (2, 3):
        for penalty in (5.0, 50.0):
            model = JumpModel(n_components=k, jump_penalty=penalty, cont=False, n_init=50, random_state=0)
            model.fit(u, sort_by=None)
            path = np.asarray(model.labels_)
            columns.append(path[:, None])
            header.append(f"path_{k}_{penalty:g}")
            sums.append((k, penalty, float(model.val_)))
    np.savetxt(HERE / "jump.csv", np.hstack(columns), delimiter=",", fmt=["%.9f"] * 3 + ["%d"] * 4, header=",".join(header), comments="")
    np.savetxt(HERE / "jump_sums.csv", sums, delimiter=",", fmt=["%d", "%g", "%.15g"], header="k,penalty,sum", comments="")


if __name__ == "__main__":
    main()
