"""What models are called: regime:AAPL:1d:3_state, book:BTC-USDT:next_mid_move."""

import re
from dataclasses import dataclass
from typing import Final

from rpsd.config.settings import Books
from rpsd.core import market
from rpsd.core.errors import BadParameter, BadSymbol, InvalidRequest, UnknownModel
from rpsd.core.parameters import LabelParameters, build
from rpsd.core.regime import states_of

POOLED: Final = "POOLED"
"""Stands for the symbol in the name of a model that was fitted to all books together, and serves those that have none of their own."""
LABELS: Final = ("next_mid_move", "horizon_events", "horizon_ms", "smoothed")
"""Kinds of labels."""
_LABEL: Final = re.compile(r"(?:next_mid_move|horizon_([1-9]\d{0,5})_(events|ms)|smoothed_([1-9]\d{0,5})_events)(?:_after_(\d{1,5})_ms)?")


@dataclass(frozen=True, slots=True)
class RegimeName:
    """What a regime model is called: regime:AAPL:1d:3_state."""

    symbol: str
    interval: str
    regime_type: str

    def __str__(self) -> str:
        return f"regime:{self.symbol}:{self.interval}:{self.regime_type}"

    @classmethod
    def parse(cls, name: str) -> "RegimeName":
        """The parts of a name. Raises UnknownModel for anything that cannot be one."""
        kind, *parts = name.split(":")
        if kind != "regime" or len(parts) != 3:
            raise UnknownModel(f"{name[:80]!r} is not the name of a regime model")
        try:
            states_of(parts[2])
            return cls(market.symbol(parts[0]), market.interval(parts[1]), parts[2])
        except (BadSymbol, InvalidRequest) as error:
            raise UnknownModel(f"{name[:80]!r} is not the name of a model: {error.detail}") from error


@dataclass(frozen=True, slots=True)
class BookName:
    """What a model of an order book is called, by what it foretells: book:BTC-USDT:next_mid_move, book:BTC-USDT:horizon_500_ms.

    A label that begins after a delay ends in _after_50_ms; whole milliseconds alone have a name.
    """

    symbol: str
    label: LabelParameters

    def __str__(self) -> str:
        return f"book:{self.symbol}:{label_word(self.label)}"

    @property
    def is_pooled(self) -> bool:
        """Whether the model belongs to no symbol."""
        return self.symbol == POOLED

    @property
    def pooled(self) -> "BookName":
        """The model for the same label that was fitted to all books together."""
        return BookName(POOLED, self.label)

    @classmethod
    def parse(cls, name: str) -> "BookName":
        """The parts of a name. Raises UnknownModel for anything that cannot be one."""
        kind, *parts = name.split(":")
        found = _LABEL.fullmatch(parts[1]) if kind == "book" and len(parts) == 2 else None
        if found is None:
            raise UnknownModel(f"{name[:80]!r} is not the name of a model of an order book")
        horizon, unit, smoothed, delay = found.groups()
        label = f"horizon_{unit}" if horizon else "smoothed" if smoothed else "next_mid_move"
        given = {"label": label, "delay_ms": float(delay or 0)} | ({"horizon": int(horizon or smoothed)} if horizon or smoothed else {})
        try:
            return cls(market.symbol(parts[0]), build(LabelParameters, given))
        except (BadSymbol, BadParameter) as error:
            raise UnknownModel(f"{name[:80]!r} is not the name of a model: {error.detail}") from error


def label_word(label: LabelParameters) -> str:
    """What a label is called within a name. Raises BadParameter for a delay that is no whole number of milliseconds.

    >>> label_word(LabelParameters(label="horizon_ms", horizon=500, delay_ms=20.0))
    'horizon_500_ms_after_20_ms'
    """
    if label.delay_ms != int(label.delay_ms):
        raise BadParameter(f"a delay of {label.delay_ms:g} ms has no name; give whole milliseconds")
    words = {
        "next_mid_move": "next_mid_move",
        "horizon_events": f"horizon_{label.horizon}_events",
        "horizon_ms": f"horizon_{label.horizon}_ms",
        "smoothed": f"smoothed_{label.horizon}_events",
    }
    return words[label.label] + (f"_after_{int(label.delay_ms)}_ms" if label.delay_ms else "")


def default_label(books: Books) -> LabelParameters:
    """The label that the settings name."""
    return LabelParameters() if books.label == "next_mid_move" else LabelParameters(label=books.label, horizon=books.horizon_events)


def parse(name: str) -> RegimeName | BookName:
    """The parts of any model's name. Raises UnknownModel."""
    kind = name.partition(":")[0]
    if kind not in ("regime", "book"):
        raise UnknownModel(f"{name[:80]!r} is not the name of a model")
    return (RegimeName if kind == "regime" else BookName).parse(name)
