"""Makes the golden arrays of this folder: run with a Python that has scikit-image and PyWavelets, not with rpsd's own."""

from pathlib import Path

import numpy as np

HERE = Path(__file__).parent


def main() -> None:
    """Write observed.csv and two files per wavelet."""
    from skimage.restoration import denoise_wavelet  # rpsd does not depend on it

    rng = np.random.default_rng(20261121)
    t = np.linspace(0.0, 1.0, 512)
    y = np.sin(8.0 * t) + (t > 0.4) - 0.5 * (t > 0.7) + 0.2 * rng.normal(size=t.size)
    np.savetxt(HERE / "observed.csv", y, fmt="%.17g")
    for name in ("db4", "sym8"):
        x = denoise_wavelet(y, wavelet=name, mode="soft", wavelet_levels=4, method="BayesShrink", rescale_sigma=False)
        np.savetxt(HERE / f"skimage_{name}.csv", x, fmt="%.17g")
        x = denoise_wavelet(y, wavelet=name, mode="hard", wavelet_levels=4, method="VisuShrink", rescale_sigma=False)
        np.savetxt(HERE / f"skimage_visu_{name}.csv", x, fmt="%.17g")


if __name__ == "__main__":
    main()
