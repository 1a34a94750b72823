"""The 27 features of an order book: their catalogue, and the memory from which they go on event by event."""

import hashlib
import struct
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rpsd.core.book import Cube, Grid, Integers, Tape
from rpsd.core.errors import CorruptData
from rpsd.core.market import Times, Vector
from rpsd.kernels import depth

PAUSE_NS: Final = 5_000_000_000
"""A pause between two events that is longer ends all flow: sums begin anew after it. No setting, so that a stored tape always gives the
same features."""
_FORMAT: Final = 1
_HEAD: Final = struct.Struct("<H")
_FEWEST_PRICES: Final = 20  # distinct prices that tell a tick
_DECIMALS: Final = 9  # most decimals of a tick


@dataclass(frozen=True, slots=True)
class BookFeature:
    """One feature: its formula, how it answers to the mirror of the book, its unit, the range of its values and its source.

    parity: "odd" changes its sign when bids and asks change places, "even" stays, "swap" becomes its partner of the other side.
    """

    name: str
    formula: str
    parity: str
    unit: str
    low: float
    high: float
    source: str


_GOULD: Final = "Gould and Bonart (2016), Market Microstructure and Liquidity 2, 1650006"
_CONT: Final = "Cont, Kukanov and Stoikov (2014), J. Financial Econometrics 12, 47-88"
_XU: Final = "Xu, Gould and Howison (2019), Market Microstructure and Liquidity 4, 1950011"
_STOIKOV: Final = "Stoikov (2018), Quantitative Finance 18, 1959-1966"
_CAO: Final = "Cao, Hansch and Wang (2009), J. Futures Markets 29, 16-41"
_BARNDORFF: Final = "Barndorff-Nielsen and Shephard (2002), J. R. Statist. Soc. B 64, 253-280"
_DURATION: Final = "Engle and Russell (1998), Econometrica 66, 1127-1162"
_INF: Final = float("inf")

_FLOW = "1{b ≥ b'} q_b − 1{b ≤ b'} q_b' − 1{a ≤ a'} q_a + 1{a ≥ a'} q_a', the book before with a dash"


def _imbalance(name: str, levels: int) -> BookFeature:
    formula = (
        f"(B − A) / (B + A), B and A the sizes of the first {levels} levels of bids and asks" if levels > 1 else "(q_b − q_a) / (q_b + q_a)"
    )
    return BookFeature(name, formula, "odd", "", -1.0, 1.0, _GOULD)


def _decayed(name: str, level: int, seconds: str) -> BookFeature:
    where = f"of the level {level} places below the best" if level else "of the best level"
    source = _XU if level else _CONT
    formula = f"sum of the order flow {where}, decaying in {seconds} s, / mean size at the best quotes"
    return BookFeature(name, formula, "odd", "mean sizes", -_INF, _INF, source)


FEATURES: Final = (
    BookFeature("spread_t", "best ask − best bid", "even", "ticks", -_INF, _INF, _GOULD),
    _imbalance("qi1", 1),
    _imbalance("qi3", 3),
    _imbalance("qi5", 5),
    _imbalance("qi10", 10),
    BookFeature("wdi", "(B − A) / (B + A), B = Σ 0.6^k q_b,k and A = Σ 0.6^k q_a,k over ten levels", "odd", "", -1.0, 1.0, _CAO),
    BookFeature("micro_t", "½ spread_t qi1: the mid weighted by the sizes on the other side, − mid", "odd", "ticks", -_INF, _INF, _GOULD),
    BookFeature("micro5_t", "Σ (a_k q_b,k + b_k q_a,k) / Σ (q_b,k + q_a,k) over five levels, − mid", "odd", "ticks", -_INF, _INF, _CAO),
    BookFeature("depth_ratio", "(q_b + q_a) / size of ten levels of both sides", "even", "", 0.0, 1.0, _CAO),
    BookFeature("slope_b", "log1p(size of ten bids / (ticks from first to last + 1) / mean size at the best)", "swap", "", 0.0, _INF, _CAO),
    BookFeature("slope_a", "as slope_b, of the asks", "swap", "", 0.0, _INF, _CAO),
    BookFeature("gap_b", "best bid − second bid", "swap", "ticks", 0.0, _INF, _CAO),
    BookFeature("gap_a", "second ask − best ask", "swap", "ticks", 0.0, _INF, _CAO),
    BookFeature("ofi_ev", f"{_FLOW}, of this event / mean size at the best quotes", "odd", "mean sizes", -_INF, _INF, _CONT),
    _decayed("ofi_f", 0, "0.2"),
    _decayed("ofi_m", 0, "1"),
    _decayed("ofi_s", 0, "10"),
    _decayed("ofi1_m", 1, "1"),
    _decayed("ofi2_m", 2, "1"),
    _decayed("ofi3_m", 3, "1"),
    _decayed("ofi5_m", 5, "1"),
    BookFeature("mom_f", "sum of the moves of the mid, decaying in 0.2 s", "odd", "ticks", -_INF, _INF, _STOIKOV),
    BookFeature("mom_s", "sum of the moves of the mid, decaying in 10 s", "odd", "ticks", -_INF, _INF, _STOIKOV),
    BookFeature("vol_s", "√(sum of squared moves of the mid, decaying in 10 s, / 10 s)", "even", "ticks/√s", 0.0, _INF, _BARNDORFF),
    BookFeature("rate", "log1p(events per second, decaying in 1 s)", "even", "", 0.0, _INF, _DURATION),
    BookFeature("since", "log1p(ms since the last move of the mid), 0 before any", "even", "", 0.0, _INF, _DURATION),
    BookFeature("lastdir", "sign of the last move of the mid, 0 before any", "odd", "", -1.0, 1.0, _STOIKOV),
)
"""The features in the order of the columns; 0 / 0 is 0, and every value is finite."""

_PCA: Final = "Cont, Cucuringu and Zhang (2023), Quantitative Finance 23, 1373-1393"


def _volatility(name: str, formula: str, source: str) -> BookFeature:
    return BookFeature(name, formula, "even", "1/√bar", 0.0, _INF, source)


_YANG_ZHANG = (
    "√(var(o − c') + k var(c − o) + (1 − k) rogers_satchell²), c' the close before, k = 0.34 / (1.34 + (w + 1) / (w − 1)) of w bars"
)

FURTHER: Final = (
    BookFeature(
        "integrated_ofi",
        "Σ w_k ofi_k / Σ |w_k| of ofi_m, ofi1_m … ofi5_m, w their first principal vector",
        "odd",
        "mean sizes",
        -_INF,
        _INF,
        _PCA,
    ),
    BookFeature("stoikov_t", "micro-price − mid = Σ_i B^i G1 of the state (imbalance, spread)", "odd", "ticks", -_INF, _INF, _STOIKOV),
    _volatility("close_to_close", "standard deviation of the log returns of closed bars of the mid", _BARNDORFF),
    _volatility(
        "parkinson", "√(mean (h − l)² / (4 ln 2)), o h l c the log prices of a closed bar", "Parkinson (1980), J. Business 53, 61-65"
    ),
    _volatility("garman_klass", "√(mean ½ (h − l)² − (2 ln 2 − 1) (c − o)²)", "Garman and Klass (1980), J. Business 53, 67-78"),
    _volatility("rogers_satchell", "√(mean (h − c)(h − o) + (l − c)(l − o))", "Rogers and Satchell (1991), Ann. Appl. Probab. 1, 504-512"),
    _volatility("yang_zhang", _YANG_ZHANG, "Yang and Zhang (2000), J. Business 73, 477-492"),
)
"""Features beside the 27: those that are fitted (integrated, microprice) and those of closed bars (ranges); no model is served on them."""

_FORMULAS: Final = "\n".join(f"{feature.name} {feature.formula} {feature.parity}" for feature in FEATURES).encode()

SCHEMA: Final = hashlib.blake2b(_FORMULAS, digest_size=8).hexdigest()
"""Sixteen hex digits of names and formulas."""

GRAPH: Final = hashlib.sha256(_FORMULAS).hexdigest()
"""SHA-256 (hex) of names and formulas: a model is served only on the features that it was trained on."""


@dataclass(frozen=True, slots=True)
class BookMemory:
    """What features need of all events before: the fused book of ten levels in ticks, decayed sums, clock and last quote.

    `state` (depth.NUMBERS,) and `marks` (depth.MARKS,) are the kernel's. A memory belongs to one tick: with another, begin afresh.
    """

    state: Vector
    marks: Times

    @classmethod
    def fresh(cls) -> "BookMemory":
        """Before the first event; also what follows a gap."""
        return cls(*depth.start())

    def pack(self) -> bytes:
        """The memory as bytes, little-endian, every bit of it; fewer than 600."""
        return _HEAD.pack(_FORMAT) + self.state.astype("<f8", copy=False).tobytes() + self.marks.astype("<i8", copy=False).tobytes()

    @classmethod
    def unpack(cls, data: bytes) -> "BookMemory":
        """The memory of pack(). Raises CorruptData when the bytes are none, or those of another release."""
        size = _HEAD.size + 8 * (depth.NUMBERS + depth.MARKS)
        if len(data) != size or _HEAD.unpack_from(data)[0] != _FORMAT:
            raise CorruptData("the bytes are no memory of a book")
        state = np.frombuffer(data, "<f8", depth.NUMBERS, _HEAD.size)
        marks = np.frombuffer(data, "<i8", depth.MARKS, _HEAD.size + 8 * depth.NUMBERS)
        return cls(state.astype(np.float64), marks.astype(np.int64))


def run(tape: Tape, tick: float, memory: BookMemory, pause_ns: int = PAUSE_NS) -> tuple[Grid, Grid, BookMemory]:
    """Features (n, 27) in the order of FEATURES after each event, the quotes (n, 4) bid, size, ask, size there, and the memory after.

    `tick` is the price step that prices are whole multiples of; a quote is 0, 0 where its side is empty. Causal: a row rests on the
    events up to its own. However the events are split over calls, rows and memory are the same bit for bit. A pause of the clock longer
    than pause_ns ends all flow. The memory given stays as it is. The tape is trusted: the validator has judged it.
    """
    n = tape.n
    features, tops = np.empty((n, depth.FEATURES)), np.empty((n, 4))
    state, marks = memory.state.copy(), memory.marks.copy()
    events = (_plain(tape.kind), _plain(tape.t), _plain(tape.sequence), _plain(tape.row))
    tables = (_plain(tape.bids), _plain(tape.asks), _plain(tape.counts), _plain(tape.quotes))
    depth.depth(*events, *tables, float(tick), pause_ns, state, marks, features, tops)
    return features, tops, BookMemory(state, marks)


def _plain(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The array as the kernel is compiled for: contiguous, aligned, read-only as the columns of a tape are."""
    flags = array.flags
    if flags.c_contiguous and flags.aligned and not flags.writeable:
        return array
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def book_of(memory: BookMemory, tick: float) -> tuple[Grid, Grid]:
    """The fused book: price and size of the bids (≤ 10, 2) and of the asks (≤ 10, 2), the best first."""
    bids, asks = depth.sides(memory.state)
    return np.column_stack([_prices(-bids[0], tick), bids[1]]), np.column_stack([_prices(asks[0], tick), asks[1]])


def _prices(ticks: Vector, tick: float) -> Vector:
    """Prices of whole numbers of ticks, to the last bit those decimals that were sent."""
    per_tick = 1.0 / tick
    whole = np.rint(per_tick)
    return ticks / whole if whole >= 1.0 and abs(per_tick - whole) < 1e-9 * whole else ticks * tick


def tick_of(bids: Cube, asks: Cube, counts: Integers) -> float | None:
    """The price step of books (n, L, 2) of `counts` (n, 2) levels: the greatest common divisor of their prices as decimals.

    None while fewer than twenty distinct prices were seen, or where they have no divisor of nine decimals. O(n L log(n L)).
    """
    levels = np.arange(bids.shape[1])
    prices = np.unique(np.concatenate([side[levels < counts[:, k, None], 0] for k, side in enumerate((bids, asks))]))
    prices = prices[np.isfinite(prices) & (prices > 0.0)]
    if prices.size < _FEWEST_PRICES:
        return None
    for decimals in range(_DECIMALS + 1):
        scaled = prices * 10.0**decimals
        whole = np.rint(scaled)
        if scaled[-1] > 2.0**53:
            return None
        if (np.abs(scaled - whole) <= 1e-15 * scaled + 1e-9).all():
            return float(np.gcd.reduce(whole.astype(np.int64)) / 10**decimals)
    return None


def mirrored(tape: Tape, tick: float) -> Tape:
    """The tape with bids and asks changed over, prices mirrored at the middle of all that occur; trades change their side.

    Features of the mirror: odd ones change their sign, slopes and gaps change places, the rest stays, all of it exactly.
    """
    levels, q = np.arange(tape.levels), tape.quotes
    known = [levels < tape.counts[:, k, None] for k in (0, 1)]
    quoted = [q[:, 1] > 0.0, q[:, 3] > 0.0]
    prices = [tape.bids[known[0], 0], tape.asks[known[1], 0], q[quoted[0], 0], q[quoted[1], 2], tape.trades[:, 0]]
    places = np.rint(np.concatenate(prices) / tick)
    pivot = float(places.min() + places.max()) if places.size else 0.0

    def turned(price: Grid | Vector, present: npt.NDArray[np.bool_]) -> Any:
        return np.where(present, (pivot - np.rint(price / tick)) * tick, 0.0)

    asks = np.stack([turned(tape.bids[..., 0], known[0]), tape.bids[..., 1]], axis=-1)
    bids = np.stack([turned(tape.asks[..., 0], known[1]), tape.asks[..., 1]], axis=-1)
    quotes = np.column_stack([turned(q[:, 2], quoted[1]), q[:, 3], turned(q[:, 0], quoted[0]), q[:, 1]])
    trades = np.column_stack([turned(tape.trades[:, 0], np.ones(len(tape.trades), np.bool_)), tape.trades[:, 1], -tape.trades[:, 2]])
    counts = np.ascontiguousarray(tape.counts[:, ::-1])
    return Tape(tape.kind, tape.t, tape.received, tape.sequence, tape.row, bids, asks, counts, quotes, trades)
