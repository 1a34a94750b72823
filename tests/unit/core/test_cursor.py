"""Cursors: only what a list can have given is one."""

import pytest

from rpsd.core.cursor import number, row_after
from rpsd.core.errors import InvalidRequest


def test_a_row_number_is_read() -> None:
    assert (number("0"), number("17"), row_after("17"), row_after(None)) == (0, 17, 17, None)


@pytest.mark.parametrize("text", ["", "-1", "+1", " 1", "1.0", "x", "²", "١", "9" * 19, "9" * 256])
def test_anything_else_is_none(text: str) -> None:
    assert number(text) is None
    with pytest.raises(InvalidRequest) as refused:
        row_after(text)
    assert refused.value.errors[0].pointer == "/query/after"
