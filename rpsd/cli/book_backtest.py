"""`rpsd books backtest`: a model of an order book put to a test with latency, queues and fees."""

from pathlib import Path
from typing import Annotated, Any

import typer

from rpsd.cli.files import whole
from rpsd.cli.live import failure
from rpsd.cli.output import AsJson, ConfigFile, Progress, answer, doubt, indented, pairs, table
from rpsd.cli.reach import load, reached


def backtest(
    symbol: Annotated[str, typer.Argument(help="Symbol of a stored order book, e.g. BTC-USDT.")],
    taker_fee_bps: Annotated[float, typer.Option("--taker-fee-bps", help="Fee of a taker per side, in basis points.")],
    maker_fee_bps: Annotated[float, typer.Option("--maker-fee-bps", help="Fee of a maker per side; negative is a rebate.")],
    model: Annotated[str | None, typer.Option("--model", help="A model in production; else new fits, walk-forward.")] = None,
    strategy: Annotated[str | None, typer.Option("--strategy", help="taker or maker.")] = None,
    threshold: Annotated[float | None, typer.Option("--threshold", help="Probability from which a decision is taken.")] = None,
    latency_ms: Annotated[float | None, typer.Option("--latency-ms", help="From the event that decides to the order's arrival.")] = None,
    hold_ms: Annotated[float | None, typer.Option("--hold-ms", help="Time after which a position is closed.")] = None,
    size: Annotated[float | None, typer.Option("--size", help="Size of an order, in units of the book's sizes.")] = None,
    start: Annotated[str | None, typer.Option("--start", help="Replay from here on.")] = None,
    end: Annotated[str | None, typer.Option("--end", help="Replay up to here, inclusive.")] = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="PNG to write: the curve, the costs, the baselines.")] = None,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Trade on a model's probabilities in replay; say what is left after latency, spread, depth and fees."""
    chosen = {"strategy": strategy, "threshold": threshold, "latency_ms": latency_ms, "hold_ms": hold_ms, "size": size}
    body: dict[str, Any] = {"taker_fee_bps": taker_fee_bps, "maker_fee_bps": maker_fee_bps}
    body |= {"params": {name: value for name, value in chosen.items() if value is not None}}
    body |= {name: value for name, value in (("model_name", model), ("start", start), ("end", end)) if value is not None}
    with reached(load(config_file), worker=True) as here, Progress("backtest") as progress:
        run = here.backtest(symbol, body, progress)
    if error := failure(run):
        raise error
    found = run["result"]
    if plot is not None:
        from rpsd.cli.plot.backtest import picture

        with whole(plot) as partial:
            picture(partial, found, symbol)
    answer(found, as_json, lambda: told(found))


def told(report: dict[str, Any]) -> str:
    """The report for people: the verdict, the money by its parts, then what others would have earned."""
    per_trade = report["per_trade_bps"] or {}
    share = {name: f"{report[name]:,.6g}" + (f"  ({per_trade[name]:+.3f} bps a trade)" if per_trade else "") for name in _PARTS}
    between = report["interval"]["net"]
    rows = [
        ("model", report["model"]["name"] or f"{len(report['fits'])} fits, each tested on what came after it"),
        ("tape", f"{report['first']} to {report['last']}, {report['events']:,} events"),
        ("trades", f"{report['trades']:,} of {report['orders']['entries']:,} orders"),
        *share.items(),
        ("net, 95 % interval", "too short a tape" if between is None else f"{between[0]:,.6g} to {between[1]:,.6g}"),
        ("break-even fee", "-" if report["break_even_fee_bps"] is None else f"{report['break_even_fee_bps']:.3g} bps a side"),
        ("lost to latency", f"{report['latency_cost']:,.6g}, part of the gross"),
    ]
    names = ("name", "trades", "gross", "net", "break_even_fee_bps")
    others = table(names, [[row[name] for name in names] for row in report["baselines"]])
    doubts = [doubt(one["code"], one["detail"]) for one in report["warnings"]]
    return "\n\n".join([report["words"], pairs(rows), indented(others), *doubts])


_PARTS = ("gross", "spread", "impact", "fees", "net")
