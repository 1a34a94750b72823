"""The catalogue of errors is complete, and each knows its code, hint and kind."""

import re

from rpsd.core import errors
from rpsd.core.errors import ERRORS, DiskFull, Fault, Kind, RpsdError, UnknownSeries


def test_every_class_is_in_the_catalogue_once() -> None:
    classes = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, RpsdError)} - {RpsdError}
    assert classes == set(ERRORS)
    assert len({error.code for error in ERRORS}) == len(ERRORS)


def test_every_error_explains_itself() -> None:
    for error in ERRORS:
        assert re.fullmatch(r"[a-z_]+", error.code)
        assert isinstance(error.kind, Kind)
        assert error.hint.endswith(".")
        assert not error.title.endswith(".")
        assert error.__doc__


def test_an_error_carries_what_happened_and_what_to_do() -> None:
    error = DiskFull("no space", errors=[Fault("/t", "x")], retry_after=5.0)
    assert (str(error), error.advice, error.errors[0].pointer, error.retry_after) == ("no space", DiskFull.hint, "/t", 5.0)
    assert UnknownSeries("x", hint="look").advice == "look"
