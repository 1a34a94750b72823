"""The two sides of an order book for people: bids on the left, asks on the right, the best on top."""

from itertools import zip_longest
from typing import Any, Final

_NOTHING: Final = (None, None)


def sides(info: dict[str, Any], levels: int) -> str:
    """The best levels a side of a book's answer: size, bid | ask, size; a side that ends early is left blank."""
    digits = _decimals(info["tick"])
    rows = zip_longest(info["bids"][:levels], info["asks"][:levels], fillvalue=_NOTHING)
    return "\n".join(
        f"{_size(q):>12}  {_price(bid, digits):>12}  |  {_price(ask, digits):<12}  {_size(r):<12}".rstrip() for (bid, q), (ask, r) in rows
    )


def _decimals(tick: float | None) -> int:
    """Decimals that a price needs: those of the tick, eight while none is known."""
    if tick is None:
        return 8
    return len(f"{tick:.10f}".rstrip("0").partition(".")[2])


def _price(price: float | None, digits: int) -> str:
    return "" if price is None else f"{price:,.{digits}f}"


def _size(size: float | None) -> str:
    return "" if size is None else f"{size:,.3f}"
