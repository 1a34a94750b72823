"""Where complete rows of a group go: few of them wait in its tail, many go into its blocks together with what waits."""

from typing import Final

from rpsd.store import extent, tail
from rpsd.store.blocks import Rows, joined, overlaid
from rpsd.store.extent import Group
from rpsd.store.practices import Connection

SINGLE_ROWS: Final = 64
"""A post of at most so many rows waits in the tail; a longer one goes to its blocks at once."""
TAIL_ROWS: Final = 1024
"""A tail of so many rows is folded by the write that fills it."""


def place(c: Connection, group: Group, width: int, rows: Rows, waiting: int, now_ns: int) -> int:
    """Put rows (n > 0) where they belong while `waiting` rows lie in the tail; returns how many lie there afterwards."""
    if rows.n <= SINGLE_ROWS and waiting + rows.n <= TAIL_ROWS:
        return waiting + tail.put(c, group, rows, now_ns)
    to_blocks(c, group, width, rows, waiting, now_ns)
    return 0


def to_blocks(c: Connection, group: Group, width: int, rows: Rows, waiting: int, now_ns: int) -> int:
    """Put rows and the whole tail into blocks, rows standing over the tail; returns how many went."""
    held = tail.read(c, group, width, *extent.EVER) if waiting else joined([], width)
    complete = overlaid(held, rows, width)
    if complete.n:
        extent.put(c, group, complete, now_ns)
    if waiting:
        tail.clear(c, group)
    return complete.n
