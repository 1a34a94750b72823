"""A model opened from its packet foretells what it did before, and refuses other features."""

import numpy as np
import pytest

from rpsd.book.forecast import as_forecast, as_packet, mirror, opened, probabilities
from rpsd.core.errors import CorruptData
from rpsd.core.model import Packet
from tests.unit.book.models import model, rows


@pytest.mark.parametrize("has_flat", [True, False])
def test_a_packet_travels_bit_for_bit(has_flat: bool) -> None:
    one, x = model(1, has_flat=has_flat), rows(50, 2)
    packet = Packet.unpack(as_packet(one, {"label": {"label": "smoothed"}}).pack())
    np.testing.assert_array_equal(probabilities(x, opened(packet)), probabilities(x, one))
    assert packet.head["label"] == {"label": "smoothed"}


def test_rows_do_not_lean_on_each_other() -> None:
    one, x = model(1), rows(20, 3)
    np.testing.assert_array_equal(probabilities(x, one)[7], probabilities(x[7], one)[0])


def test_other_features_are_refused() -> None:
    packet = as_packet(model(1), {})
    with pytest.raises(CorruptData):
        opened(Packet({**packet.head, "graph": "0" * 64}, packet.arrays))
    with pytest.raises(CorruptData):
        opened(Packet({"kind": "hmm"}, {}))


def test_the_mirror_of_the_mirror_is_the_book() -> None:
    source, sign = mirror()
    np.testing.assert_array_equal(source[source], np.arange(27))
    np.testing.assert_array_equal(sign * sign[source], np.ones(27))
    assert (source != np.arange(27)).sum() == 4


def test_words() -> None:
    assert as_forecast(np.array([0.2, 0.1, 0.7])).prediction == "up"
    assert as_forecast(np.array([0.4, 0.2, 0.4])).prediction == "flat"
