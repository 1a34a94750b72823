"""`rpsd drift`: what the models in production see and say, against what they were trained on."""

from typing import Annotated, Any

import typer

from rpsd.cli.live import failure
from rpsd.cli.output import AsJson, ConfigFile, Progress, answer, pairs, table
from rpsd.cli.reach import load, reached

app = typer.Typer(name="drift", help="Scan models for drift and show what was found.", no_args_is_help=True, rich_markup_mode=None)

_LISTED = ("id", "model", "version", "at", "severity", "compared", "drifted")
_ROWS = ("feature", "kind", "severity", "significant", "p_value", "effective", "psi", "ks", "mean_shift", "deviation_ratio")


@app.command("list")
def list_(
    model: Annotated[str | None, typer.Option("--model", help="Reports of this model only.")] = None,
    severity: Annotated[str | None, typer.Option("--severity", help="NONE, LOW, MEDIUM or HIGH.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000)] = 50,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List the latest reports, newest first."""
    with reached(load(config_file)) as here:
        reports = here.drift_reports(model, severity, limit)
    cells = [[*(report[name] for name in _LISTED[:-1]), ", ".join(report["drifted"])] for report in reports]
    answer({"reports": reports}, as_json, lambda: table(_LISTED, cells, empty="No reports yet; `rpsd drift scan` makes them."))


@app.command()
def scan(
    models: Annotated[list[str] | None, typer.Argument(metavar="[MODEL]…", help="Without any: all in production.")] = None,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Scan models now, and wait for the outcome."""
    with reached(load(config_file), worker=True) as here, Progress("drift_scan") as progress:
        run = here.drift_scan(models or (), progress)
    if error := failure(run):
        raise error
    result: dict[str, Any] = run["result"]
    answer(run, as_json, lambda: _told(result))


@app.command()
def show(
    identifier: Annotated[int, typer.Argument(metavar="ID", min=1, help="As `rpsd drift list` shows it.")],
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show one report with a row for everything that was compared."""
    with reached(load(config_file)) as here:
        report = here.drift_report(identifier)
    answer(report, as_json, lambda: _report(report))


def _told(result: dict[str, Any]) -> str:
    """What a scan came to, and why models were passed over."""
    counts = [(name, result[name]) for name in ("models", "reports", "significant", "unchanged", "skipped")]
    lines = [pairs([*counts, *result["severities"].items()])]
    if result["reasons"]:
        lines.append(table(("skipped", "reason"), [[one["model"], one["reason"]] for one in result["reasons"]]))
    return "\n\n".join(lines)


def _by_reason(skipped: dict[str, str]) -> list[tuple[str, str]]:
    """Each reason once, with all names that it is told of."""
    names: dict[str, list[str]] = {}
    for name, reason in skipped.items():
        names.setdefault(reason, []).append(name)
    return [(f"skipped, {len(those)}", f"{reason}: {', '.join(those)}") for reason, those in names.items()]


def _report(report: dict[str, Any]) -> str:
    """A report for people."""
    windows = [(name, f"{report[name]['from']} to {report[name]['until']}") for name in ("reference", "current")]
    head = [(name, report[name]) for name in ("model", "version", "at", "severity", "view")]
    rows = [[row[name] for name in _ROWS] for row in sorted(report["rows"], key=lambda row: float(row["p_value"]))]
    lines = [pairs([*head, *windows]), table(_ROWS, rows, empty="Nothing could be compared.")]
    if report["skipped"]:
        lines.append(pairs(_by_reason(report["skipped"])))
    return "\n\n".join(lines)
