"""The manual's chapter of order-book quality, made of measured tables; nothing in it depends on the machine."""

from dataclasses import dataclass, field
from math import isnan

from tests.quality.book_backtest import LATENCY_MS, Tested
from tests.quality.book_faults import SETTLED, Classified
from tests.quality.book_leak import AHEAD, Scaled, Seen, Split
from tests.quality.book_measure import BINS, RESAMPLES, SCORES, Impact, Scored
from tests.quality.book_models import BLOCKS, Delayed, Judged, reliability
from tests.quality.book_streams import TRAIN
from tests.quality.chapter import bars, number, table

_PAGE = """\
# How good the predictions of order books are

`make quality-book` measured these tables and wrote this page; whoever runs it again gets the same figures. The formulas are in
[books](books.md). The scores, the moves and the regressions are computed by the measuring code itself, not by rpsd.

- Date {date}. Two captures of August 2024, real and bundled ([provenance](../samples/PROVENANCE.md)): eleven and six minutes of one
  market on one evening. They show that the numbers are right, not what other markets will do.
- Books, quotes and trades are fused. What is judged came after what was learnt from: the first {train:.0%} of the events, then the rest.
- Intervals are of 95 %, by {resamples} draws of whole moves: the events between two moves all wait for the same one.

{streams}
## Order flow and price

R² of the mid's move over a window on the order flow in it, in units of the depth at the best quotes (Cont, Kukanov, Stoikov 2014), and on
the order flow of the window before. The first says what moves prices and foretells nothing: it knows the move when it is over. The second
is what a forecast could use.

{impact}
By all quotes, or as books alone show them every so often; flow over the mean depth of its window, or each event over the mean depth that
it met, as the features are. Raw is the first R² without dividing by depth. The intervals are wide: ten seconds are few windows here.

## The next move of the mid

{judged}
Walking forward, fitted {folds} times on all that came before, judged on the next fifth:

{walked}
**On these two streams queue imbalance alone orders the moves held out as well as the model does**; walking forward, from less, the model
orders them a little better. Both streams have a tick that is large against the moves: the spread is nearly always one tick, and who is
thin at the best quotes breaks. What the model adds is a better probability (Brier, log loss, ECE). `boosted` is shown by force: a training
refuses trees below 5,000 moves, and this is why. ECE is that of the word that was said, up or down, whose probability the answer calls its
confidence; ECE of up bins the probability of up alone. A model that answers mirrored books with mirrored probabilities says a half on
average; where a market rose through most of the held-out part, the second shows that trend and the first does not.

What was said and what happened, `logistic`, held out:

{reliability}
## Acting late

AUC where the label begins so many milliseconds after the event, `logistic` trained for that delay:

{delays}
## Does it see the future?

**A random split.** The same events, features and labels, scikit-learn's predictors as they come; held out are the later events, or as
many drawn at random. Events before one move share its outcome and nearly their features, so a random split asks what it has already told.

{splits}
`split: random` is refused with `random_split_refused`.

**Standardising over the whole sample.** Little happens to features that hover around zero, and a lot to a price, of which the mean of the
whole sample says where it will be: MCC of calling a rise over {ahead} s where the price is below that mean.

{scaled}
**Books without quotes.** Moves of the mid that books alone show, how much later they show the first of them, and the share of all events
at which the last book no longer tells the mid. A model on such labels foretells what has happened.

{seen}
## Faults

{each} faults of each kind put between the records of each clean capture, behind the first {settled}. `as such`: called by their rule.
`false`: clean records, before and after them, that were called anything. The tick is inferred. A gap is an update left out of the raw
capture.

{faults}
## After costs

`logistic` on the held-out events, from a probability of .6, {latency:g} ms after the event, held for a second at most, with a hundredth
of the median size at the best bid. Basis points of a trade's value, per round trip.

{tested}
Read the break-even fee: what a side may cost at most. It is a small part of what an exchange takes, and so no strategy here is profitable
with fees. "Profitable" without them means that the interval lies above zero on this one evening. Doing nothing costs nothing.

## Bars

{bars}"""


@dataclass(frozen=True, slots=True)
class Found:
    """All that was measured, by stream. Bars: (name, value, op, bound, holds)."""

    date: str
    streams: dict[str, tuple[int, ...]]
    impacts: dict[str, list[tuple[str, float, Impact]]]
    judged: dict[str, dict[str, Judged]]
    delays: dict[str, list[Delayed]]
    splits: dict[str, list[Split]]
    scaled: dict[str, tuple[Scaled, Scaled]]
    seen: dict[str, Seen]
    faults: list[Classified]
    tested: dict[str, list[Tested]]
    bars: list[tuple[str, float, str, float, bool]] = field(default_factory=list)


def streams(found: Found) -> str:
    """What there is to see."""
    head = ["stream", "seconds", "books", "quotes", "trades", "moves of the mid", "spread of one tick"]
    rows = [[name, *(f"{value:,}" for value in facts[:-1]), f"{facts[-1]} %"] for name, facts in found.streams.items()]
    return table(head, rows)


def raw(found: Impact) -> str:
    """The R² of undivided flow, where there is one."""
    return "–" if isnan(found.raw) else number(found.raw)


def impacts(found: Found) -> str:
    """R² side by side."""
    rows = [
        [
            name,
            what,
            f"{seconds:g} s",
            str(i.windows),
            f"{number(i.same)} ± {number(i.error)}",
            number(i.following),
            "–" if isnan(i.raw) else number(i.raw),
        ]
        for name, parts in found.impacts.items()
        for what, seconds, i in parts
    ]
    return table(["stream", "best quotes from", "window", "windows", "R², same window", "R², next window", "raw"], rows)


def cells(scored: Scored) -> list[str]:
    """Each score with its interval."""
    return [f"{number(v)} ({number(a)} to {number(b)})" for v, a, b in zip(scored.values, scored.low, scored.high, strict=True)]


def judged(found: Found, which: str) -> str:
    """Streams and contestants down, scores across."""
    rows = [
        [name, who, *cells(scored)]
        for name, parts in found.judged.items()
        for who, result in parts.items()
        if (scored := getattr(result, which)) is not None
    ]
    return table(["stream", "by", *SCORES], rows)


def reliabilities(found: Found) -> str:
    """Bins of probability."""
    rows = [
        [name, number(said), number(happened), f"{count:,}"]
        for name, parts in found.judged.items()
        for said, happened, count in reliability(parts["`logistic`"])
    ]
    return table(["stream", "said", "happened", f"events, of {BINS} bins"], rows)


def delays(found: Found) -> str:
    """AUC by delay."""
    rows = [
        [name, by, *(number(getattr(d, column)) for d in parts)]
        for name, parts in found.delays.items()
        for by, column in (("`logistic`", "logistic"), ("queue imbalance", "imbalance"))
    ]
    return table(["stream", "by", *(f"{d.delay_ms:g} ms" for d in next(iter(found.delays.values())))], rows)


def splits(found: Found) -> str:
    """The honest split beside the random one."""
    rows = [
        [name, s.predictor, *(number(value) for value in (s.honest[0], s.random[0], s.honest[1], s.random[1]))]
        for name, parts in found.splits.items()
        for s in parts
    ]
    return table(["stream", "predictor", "AUC, later", "AUC, random", "ECE, later", "ECE, random"], rows)


def scaled(found: Found) -> str:
    """What a mean of the whole sample knows."""
    rows = [
        [name, what, number(s.seen), number(s.everything)]
        for name, parts in found.scaled.items()
        for what, s in zip(("27 features, next move, AUC", f"price against its mean, {AHEAD} s, MCC"), parts, strict=True)
    ]
    return table(["stream", "what", "mean of the events seen", "mean of all events"], rows)


def seen(found: Found) -> str:
    """Moves that books miss."""
    rows = [[name, f"{s.fused:,}", f"{s.books:,}", f"{s.late_ms:g} ms", f"{s.stale:.0%}"] for name, s in found.seen.items()]
    return table(["stream", "moves, fused", "moves, books alone", "later, median", "events at which the mid is wrong"], rows)


def faults(found: Found) -> str:
    """Kinds down."""
    rows = [[c.capture, f"`{c.rule}`", f"{c.injected:,}", f"{c.hits:,}", str(c.false)] for c in found.faults]
    return table(["capture", "fault", "injected", "as such", "false"], rows)


def tested(found: Found) -> str:
    """Strategies down, money across."""
    rows = []
    for name, parts in found.tested.items():
        for t in parts:
            money = t.head["per_trade_bps"] or dict.fromkeys(("gross", "spread", "impact", "fees", "net"))
            bounds = t.head["interval"]["net_bps"]
            shown = [f"{money[part]:+.2f}" if money[part] is not None else "–" for part in ("gross", "spread", "impact", "fees", "net")]
            interval = f"{bounds[0]:+.2f} to {bounds[1]:+.2f}" if bounds else "–"
            fee = t.head["break_even_fee_bps"]
            break_even = f"{fee:+.2f}" if fee is not None else "–"
            fees = f"{t.fees.taker_bps:g} / {t.fees.maker_bps:g}"
            rows.append(
                [name, t.strategy, fees, f"{t.head['trades']:,}", *shown, interval, break_even, t.head["verdict"].replace("_", " ")]
            )
    head = ["stream", "strategy", "fee bps, taker / maker", "trades", "gross", "spread", "impact", "fees", "net", "95 % of net"]
    return table([*head, "break-even fee", "verdict"], rows)


def render(found: Found) -> str:
    """The chapter."""
    return _PAGE.format(
        date=found.date, train=TRAIN, resamples=RESAMPLES, streams=streams(found), impact=impacts(found), judged=judged(found, "held_out"),
        folds=BLOCKS - 1, walked=judged(found, "walked"), reliability=reliabilities(found), delays=delays(found), splits=splits(found),
        ahead=AHEAD, scaled=scaled(found), seen=seen(found), each=f"{found.faults[0].injected:,}", settled=f"{SETTLED:,}",
        faults=faults(found), latency=LATENCY_MS, tested=tested(found), bars=bars(found.bars),
    )  # fmt: skip
