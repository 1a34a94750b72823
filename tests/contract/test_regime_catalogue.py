"""What every regime model of the catalogue promises: the same packet, determinism, purity, refusals with codes, laws of scale and order."""

import csv
import inspect
from pathlib import Path

import numpy as np
import pytest

import rpsd
import rpsd.regime
from rpsd.core.errors import ConstantSeries, NotFinite, TooShort
from rpsd.core.model import Packet
from rpsd.core.parameters import HmmParameters
from rpsd.regime import MODELS, RegimeModel, hmm
from rpsd.regime.labels import NAMES, named
from rpsd.regime.state import permuted

K3 = HmmParameters(k=3, starts=4)
EVERY = pytest.mark.parametrize("model", MODELS, ids=[model.name for model in MODELS])


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    rng = np.random.default_rng(11)
    calm, wild = rng.normal(0.08, 0.6, (4, 100)), rng.normal(-0.2, 2.0, (4, 60))
    return np.concatenate([part for pair in zip(calm, wild, strict=True) for part in pair])


def test_the_catalogue_is_what_the_folder_and_the_setting_hold() -> None:
    """An engine is a file that defines `fit`; the setting's words are the catalogue's names."""
    folder = Path(rpsd.regime.__file__).parent
    engines = {file.stem for file in folder.glob("*.py") if "\ndef fit(" in file.read_text(encoding="utf-8")}
    assert engines == {inspect.getmodule(model.fit).__name__.rpartition(".")[2] for model in MODELS}
    (engine,) = [field for field in HmmParameters.__dataclass_fields__.values() if field.name == "engine"]
    assert engine.metadata["choices"] == tuple(model.name for model in MODELS)


@EVERY
def test_every_model_tells_itself(model: RegimeModel) -> None:
    assert model.summary.endswith(".")
    assert model.source
    doc = inspect.getdoc(model.fit) or ""
    assert "Source:" in doc
    manual = (Path(rpsd.__file__).parent / "manual" / "regimes.md").read_text(encoding="utf-8")
    assert f"`{model.name}`" in manual


@EVERY
def test_the_packet_is_whole_and_travels(model: RegimeModel, x: np.ndarray) -> None:
    state = model.fit(x, K3, seed=0)
    assert {"k", "n", "engine", "scale", "log_likelihood", "penalised", "aic", "bic", "iterations", "converged", "collapsed"} <= set(
        state.head
    )
    assert {name: array.shape for name, array in state.arrays.items() if name != "trace"} == {
        "startprob": (3,),
        "transmat": (3, 3),
        "location": (3, 1),
        "dispersion": (3, 1, 1),
        "df": (3,),
        "means": (3,),
        "variances": (3,),
        "weights": (3,),
    }
    assert (np.diff(state.arrays["variances"]) >= 0).all()
    assert state.arrays["weights"].sum() == pytest.approx(x.size)
    assert Packet.unpack(state.pack()).head == state.head


@EVERY
def test_the_same_seed_gives_the_same_bits_and_the_input_is_kept(model: RegimeModel, x: np.ndarray) -> None:
    before = x.copy()
    first, second = (model.fit(x, HmmParameters(k=2, starts=8), seed=3).pack() for _ in range(2))
    assert first == second
    assert np.array_equal(x, before)


@EVERY
def test_bad_input_has_its_code(model: RegimeModel, x: np.ndarray) -> None:
    for value in (np.nan, np.inf):
        bad = x.copy()
        bad[7] = value
        with pytest.raises(NotFinite):
            model.fit(bad, K3, seed=0)
    with pytest.raises(TooShort):
        model.fit(x[:59], K3, seed=0)
    with pytest.raises(ConstantSeries):
        model.fit(np.full(100, 0.3), K3, seed=0)


@EVERY
@pytest.mark.parametrize("factor", [1e-4, 37.0])
def test_scaling_returns_scales_the_means_and_keeps_the_path(model: RegimeModel, x: np.ndarray, factor: float) -> None:
    plain, scaled = model.fit(x, K3, seed=0), model.fit(factor * x, K3, seed=0)
    np.testing.assert_allclose(scaled.arrays["means"], factor * plain.arrays["means"], rtol=1e-6, atol=1e-9 * factor)
    np.testing.assert_allclose(scaled.arrays["variances"], factor**2 * plain.arrays["variances"], rtol=1e-6)
    assert hmm.viterbi(scaled, factor * x).tolist() == hmm.viterbi(plain, x).tolist()


@EVERY
def test_the_order_of_states_is_only_a_name(model: RegimeModel, x: np.ndarray) -> None:
    state = model.fit(x, K3, seed=0)
    other = permuted(state, (2, 0, 1))
    np.testing.assert_allclose(hmm.filtered(other, x), hmm.filtered(state, x)[:, [2, 0, 1]], atol=1e-12)
    assert np.array_equal(named(other).arrays["means"], named(state).arrays["means"])


@pytest.mark.parametrize("k", [3, 4, 5])
def test_real_series_get_distinct_names(k: int) -> None:
    with (Path(rpsd.__file__).parent / "samples" / "sp500_1d.csv").open(encoding="utf-8") as file:
        closes = np.array([float(row["close"]) for row in csv.DictReader(file)])
    state = named(hmm.fit(100 * np.diff(np.log(closes)), HmmParameters(k=k), seed=0))
    means = state.arrays["means"]
    assert means[NAMES[k].index("Bear")] < means[NAMES[k].index("Sideways")] < means[NAMES[k].index("Bull")]
