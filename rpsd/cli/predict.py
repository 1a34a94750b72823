"""`rpsd predict`: what the model in production says of a live order book."""

from typing import Annotated, Any

import typer

from rpsd.cli.output import AsJson, ConfigFile, answer, pairs
from rpsd.cli.reach import load, reached


def predict(
    symbol: Annotated[str, typer.Argument(help="Symbol of a live order book, e.g. BTC-USDT.")],
    model: Annotated[str | None, typer.Option("--model", help="Name of a model, e.g. book:BTC-USDT:horizon_500_ms.")] = None,
    features: Annotated[bool, typer.Option("--features", help="Show the features as well.")] = False,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Foretell the next move of a live order book; refused while the book is stale, out of step or crossed."""
    with reached(load(config_file)) as here:
        found = here.predict(symbol, model, features)
    answer(found, as_json, lambda: _told(found))


def _told(found: dict[str, Any]) -> str:
    """The forecast for people, its warnings below."""
    odds = ", ".join(f"{word} {share:.1%}" for word, share in found["probabilities"].items())
    calibrated = "calibrated" if found["calibrated"] else "not calibrated"
    rows = [
        ("prediction", f"{found['prediction']}, {found['horizon'].replace('_', ' ')}"),
        ("probabilities", f"{odds}, {calibrated}"),
        ("model", f"{found['model_name']} version {found['model_version']}"),
        ("book", f"{found['timestamp']}, {found['age_seconds']:.3f} s old"),
        *((f"warning {warning['code']}", warning["detail"]) for warning in found.get("warnings", ())),
        *((name, f"{value:.6g}") for name, value in found.get("features", {}).items()),
    ]
    return pairs(rows)
