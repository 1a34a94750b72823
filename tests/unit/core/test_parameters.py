"""Parameters: defaults, bounds, words, and every kind of fault with its place."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpsd.core import parameters
from rpsd.core.errors import BadParameter
from rpsd.core.parameters import PARAMETERS, HmmParameters, WaveletParameters, build, described


@pytest.mark.parametrize("cls", PARAMETERS)
def test_defaults_are_within_their_own_bounds_and_described(cls: type) -> None:
    defaults = cls()
    assert build(cls, {f.name: getattr(defaults, f.name) for f in fields(cls)}) == defaults
    rows = described(cls)
    assert [row["name"] for row in rows] == [f.name for f in fields(cls)]
    assert all(row["description"].endswith(".") and row["type"] in {"str", "int", "float", "bool"} for row in rows)


def test_every_parameter_class_is_in_the_catalogue() -> None:
    classes = {value for value in vars(parameters).values() if isinstance(value, type) and value.__name__.endswith("Parameters")}
    assert classes == set(PARAMETERS)


@pytest.mark.parametrize(
    ("given_values", "words"),
    [
        ({"lvel": 3}, "unknown; known are"),
        ({"level": "4"}, "expected an integer or auto, got str"),
        ({"level": 4.0}, "expected an integer or auto, got float"),
        ({"level": True}, "expected an integer or auto, got bool"),
        ({"level": None}, "expected an integer or auto, got NoneType"),
        ({"level": 0}, "expected 1 to 20, got 0"),
        ({"level": 2**70}, "expected 1 to 20"),
        ({"fir_cutoff": "x"}, "expected a number, got str"),
        ({"fir_cutoff": float("nan")}, "expected 0.001 to 0.499, got nan"),
        ({"fir_cutoff": 0.5}, "expected 0.001 to 0.499, got 0.5"),
        ({"use_fir_filter": 1}, "expected true or false, got int"),
        ({"wavelet": 4}, "expected a string, got int"),
        ({"shrinkage": "firm"}, "expected one of soft, hard, garrote, got 'firm'"),
    ],
)
def test_every_fault_is_named(given_values: dict, words: str) -> None:
    with pytest.raises(BadParameter) as refused:
        build(WaveletParameters, given_values, "/denoiser")
    (fault,) = refused.value.errors
    assert words in fault.reason
    assert fault.pointer == f"/denoiser/{next(iter(given_values))}"


def test_all_faults_are_listed_at_once() -> None:
    with pytest.raises(BadParameter) as refused:
        build(HmmParameters, {"k": 9, "starts": "x", "nope": 1, "sticky": 5})
    assert [fault.pointer for fault in refused.value.errors] == ["/params/k", "/params/starts", "/params/nope"]


@given(st.integers(1, 10**6))
def test_an_integer_is_a_number_where_one_is_needed(span: int) -> None:
    built = build(parameters.EmaParameters, {"span": span})
    assert built.span == float(span)
    assert type(built.span) is float


def test_a_word_may_stand_for_a_number() -> None:
    assert build(WaveletParameters, {"level": "auto"}).level == "auto"
    row = next(row for row in described(WaveletParameters) if row["name"] == "level")
    assert (row["type"], row["word"], row["minimum"], row["maximum"]) == ("int", "auto", 1, 20)
    with pytest.raises(BadParameter):
        build(HmmParameters, {"k": "auto"})
