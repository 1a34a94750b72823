"""The kernel of probabilities equals its readable form and answers the mirrored book with mirrored probabilities, bit for bit."""

import numpy as np
import pytest

from rpsd.kernels import forecast as kernels
from tests.unit.book.models import mirrored, model, rows

SHAPES = [(6, True, 0.4), (6, False, 0.4), (0, True, 1.0), (0, False, 1.0), (4, True, 0.0)]


@pytest.mark.parametrize(("trees", "has_flat", "share"), SHAPES)
def test_the_kernel_equals_its_readable_form(trees: int, has_flat: bool, share: float) -> None:
    one, x = model(3, trees=trees, has_flat=has_flat, share=share), rows(300, 4)
    out, scores = np.empty((300, 3)), np.empty((300, 2))
    kernels.forecast(x, *kernels.packed(one), out, scores)
    wanted, wanted_scores = kernels.reference_forecast(x, one)
    np.testing.assert_allclose(out, wanted, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(scores, wanted_scores, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("trees", "has_flat", "share"), SHAPES)
def test_the_mirrored_book_swaps_up_and_down_exactly(trees: int, has_flat: bool, share: float) -> None:
    one, x = model(5, trees=trees, has_flat=has_flat, share=share), rows(500, 6)
    here, there, scores = np.empty((500, 3)), np.empty((500, 3)), np.empty((500, 2))
    kernels.forecast(x, *kernels.packed(one), here, scores)
    kernels.forecast(mirrored(x), *kernels.packed(one), there, scores)
    np.testing.assert_array_equal(here, there[:, ::-1])
    np.testing.assert_allclose(here.sum(axis=1), 1.0, rtol=1e-15)
    assert here.min() >= 0.0
    if not has_flat:
        np.testing.assert_array_equal(there[:, 2], 1.0 - here[:, 2])


def test_enormous_features_stay_probabilities() -> None:
    x = np.vstack([np.full((1, 27), 1e300), np.full((1, 27), -1e300), np.zeros((1, 27))])
    for has_flat in (True, False):
        out = np.empty((3, 3))
        kernels.forecast(x, *kernels.packed(model(7, trees=0, has_flat=has_flat)), out, np.empty((3, 2)))
        assert np.isfinite(out).all()
        assert out[2, 0] == out[2, 2]
