"""Regime answers in words and tables: where the regimes stand, what they were like, where they may go, and why there are so many."""

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rpsd.cli.output import WIDTH, doubt, indented, moment, table

_AHEAD: Final = (1, 5, 21)
"""Bars ahead that are shown of a forecast: a day, a week and a month of days."""

_BEYOND: Final = 1e4
"""Percent of log return a year that no mean of a market reaches."""

Answer = Mapping[str, Any]


def regimes(answer: Answer) -> str:
    """All that the answer holds, for a terminal of 100 columns."""
    sections = ["\n".join(filter(None, (current(answer), hindsight(answer), fit(answer))))]
    for heading, tell in (("", states), ("moves from bar to bar", moves), ("ahead", ahead), ("how many regimes", selection)):
        if text := tell(answer):
            sections.append(f"  {heading}\n{text}" if heading else text)
    if text := residuals(answer):
        sections.append(text)
    if doubts := [doubt(warned["code"], warned["detail"]) for warned in answer.get("warnings") or ()]:
        sections.append("\n".join(doubts))
    return "\n\n".join(sections)


def current(answer: Answer) -> str:
    """The current regime in two sentences."""
    now = answer["current"]
    remaining = now.get("expected_remaining")
    more = f", about {remaining:.0f} more expected" if isinstance(remaining, int | float) else ""
    others = ", ".join(f"{label} {share:.1%}" for label, share in now["probabilities"].items() if label != now["regime"])
    seen = f"  as of               {moment(answer['t'])}, the last bar stored\n" if isinstance(answer.get("t"), str) else ""
    words = f"{now['regime']}, probability {now['confidence']:.1%}{f' ({others})' if others else ''}"
    first = textwrap.fill(words, WIDTH, initial_indent="  now                 ", subsequent_indent=" " * 22)
    bars = now["bars_in_regime"]
    return f"{seen}{first}\n  since               {moment(now['since'])} ({bars:,} {'bar' if bars == 1 else 'bars'}{more})"


def hindsight(answer: Answer) -> str:
    """What of a regime answer is hindsight."""
    until = moment(str(answer.get("trained_until") or answer.get("causal_from")))
    if answer.get("model_version"):  # an answer of a stored model; a fit of a range has no version
        fitted = "and saw this bar, too" if answer.get("in_sample") else "and never saw this bar"
        return f"  model               {answer['model']}, version {answer['model_version']}; fitted up to {until} {fitted}"
    if answer.get("causal"):
        return "  hindsight           none: every probability uses only what was known at its bar"
    if answer.get("mode") == "smoothed":
        return f"  hindsight           all of it: states look both ways, parameters were fitted up to {until}"
    return (
        f"  hindsight           the parameters: they were fitted on the whole range, up to {until}\n"
        "                      the probability of a bar uses that bar and those before it"
    )


def fit(answer: Answer) -> str:
    """By which model a range was told, and how well it fits; nothing for a stored model, whose card tells it."""
    if answer.get("model_version") or "log_likelihood" not in answer:
        return ""
    tails = {round(state["df"], 1) for state in answer["states"] if state.get("df") is not None}
    shape = f", {' and '.join(f'{df:g}' for df in sorted(tails))} degrees of freedom" if tails else ""
    return f"  model               {answer['model']}{shape}; log-likelihood {answer['log_likelihood']:,.1f}"


def states(answer: Answer) -> str:
    """What each regime was like, side by side: the mean is the model's, which names go by, the rest that of the bars told to be its own."""
    a_year = (answer.get("annualisation") or {}).get("bars_per_year")
    rows = [
        (
            state["label"],
            state["alias"],
            f"{state['label_confidence']:.0%}",
            _signed(_annual(state["mean"], a_year)),
            _signed(state["annual_return"]),
            _share(state["annual_volatility"]),
            _ratio(state["sharpe"]),
            _share(state["win_rate"]),
            _share(state["max_drawdown"]),
        )
        for state in answer.get("states") or ()
    ]
    headers = ("regime", "alias", "name holds", "mean p.a.", "return p.a.", "vol p.a.", "Sharpe", "wins", "max drawdown")
    return indented(_right(headers, rows, 2)) if rows else ""


def moves(answer: Answer) -> str:
    """The matrix of moves beside how long and how often each regime lasted."""
    found: Sequence[Answer] = answer.get("states") or ()
    if not found or "transition_matrix" not in answer:
        return ""
    rows = [
        (
            state["label"],
            *(_share(p) for p in row),
            "for ever" if state["expected_duration"] is None else f"{state['expected_duration']:.0f} bars",
            _share(state["occupancy"]),
            _share(long_run),
            f"{state['episodes']:,}",
        )
        for state, row, long_run in zip(found, answer["transition_matrix"], answer["stationary"], strict=True)
    ]
    headers = ("from / to", *(state["label"] for state in found), "lasts", "share", "long run", "spells")
    return indented(_right(headers, rows, 1))


def ahead(answer: Answer) -> str:
    """The probability of each regime some bars later, and that the present one will have been left."""
    steps = {row["step"]: row["probabilities"] for row in answer.get("forecast") or ()}
    leaving = answer["current"].get("leaving") or {}
    shown = [step for step in _AHEAD if step in steps]
    if not shown or len(steps[shown[0]]) == 1:
        return ""
    rows = [
        (f"{step} bars" if step > 1 else "1 bar", *(_share(p) for p in steps[step].values()), _share(leaving.get(str(step))))
        for step in shown
    ]
    return indented(_right(("in", *steps[shown[0]], f"{answer['current']['regime']} left by then"), rows, 1))


def selection(answer: Answer) -> str:
    """The table that `auto` chose by, and its reason."""
    tried: Sequence[Answer] = answer.get("selection") or ()
    if not tried:
        return ""
    rows = [
        (str(row["n_states"]), *(f"{row[name]:,.1f}" for name in ("log_likelihood", "aic", "bic", "icl")), _outcome(row)) for row in tried
    ]
    text = indented(_right(("states", "log-likelihood", "AIC", "BIC", "ICL", "outcome"), rows, 0, last=False))
    reasons = [_filled(f"chosen: {row['n_states']}, {row['reason']}") for row in tried if row["chosen"]]
    return "\n".join([text, *reasons])


def _outcome(row: Answer) -> str:
    return "chosen" if row["chosen"] else str(row["reason"])


def residuals(answer: Answer) -> str:
    """What the returns say about the densities that were foretold for them."""
    found = answer.get("residuals")
    if not found:
        return ""
    return _filled(
        f"pseudo-residuals of {found['n']:,} bars (0, 1, 0, 0 and 0 when the model is right): mean {found['mean']:+.2f}, deviation "
        f"{found['deviation']:.2f}, skewness {found['skewness']:+.2f}, excess kurtosis {found['excess_kurtosis']:+.2f}, autocorrelation of "
        f"size {found['autocorrelation_of_size']:+.2f}"
    )


def _filled(text: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent="  ", subsequent_indent="    ")


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _annual(mean: float, a_year: float | None) -> float | None:
    """A year's return of a mean log return in percent a bar; None where it is not told how many bars make a year, or beyond all measure."""
    return math.expm1(mean / 100 * a_year) if a_year and abs(mean * a_year) < _BEYOND else None


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1%}"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _right(headers: Iterable[str], rows: Sequence[Sequence[str]], words: int, *, last: bool = True) -> str:
    """A table whose columns stand to the right but for the first `words`, and the last one unless `last`."""
    columns = list(zip(headers, *rows, strict=True))
    moved = range(words, len(columns) - (not last))
    padded = [[cell.rjust(max(map(len, column))) for cell in column] if i in moved else list(column) for i, column in enumerate(columns)]
    heads, *cells = zip(*padded, strict=True)
    return table(heads, cells)
