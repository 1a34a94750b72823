"""Cursors of lists, and the row numbers that they and some paths are made of."""

from rpsd.core.errors import Fault, InvalidRequest


def number(text: str) -> int | None:
    """The row that the text numbers; None where it can be none.

    >>> number("17"), number("-1"), number("9" * 40)
    (17, None, None)
    """
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def row_after(text: str | None) -> int | None:
    """The row of a list's cursor, None for the list's beginning. Raises InvalidRequest for what is no cursor."""
    if text is None:
        return None
    if (row := number(text)) is None:
        raise not_of_this_list()
    return row


def not_of_this_list(why: str = "expected the `next` of an earlier page") -> InvalidRequest:
    """What is told of a wrong cursor, whatever the list's cursors are made of."""
    return InvalidRequest("the cursor is not one of this list", errors=[Fault("/query/after", why)])
