"""`rpsd demo`: the main job on bundled real data, from an empty directory to a serving appliance."""

import math
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rpsd.cli.live import BY
from rpsd.cli.output import ConfigFile, step
from rpsd.cli.reach import chosen, keep_kernels

if TYPE_CHECKING:
    from rpsd.cli.demo_book import BookFound
    from rpsd.config import Settings
    from rpsd.core.result import DenoiseResult
    from rpsd.services.wiring import Services

KEY_FILE = "demo.key"
STOCK, STOCK_INTERVAL = "GOOG", "1m"
INDEX, INDEX_INTERVAL = "^GSPC", "1d"
_RULE = "─" * 98


@dataclass(frozen=True, slots=True)
class Found:
    """What the demo found.

    The index's daily volume denoised in so many seconds; `foresight`, the causal filter's squared error in foretelling the next day's, over
    that of the day's own; the stock's closes denoised; the index's regimes, and what is stored of it; an order book.
    """

    volume: "DenoiseResult"
    seconds: float
    foresight: float
    closes: "DenoiseResult"
    regimes: dict[str, Any]
    info: dict[str, Any]
    book: "BookFound"


def demo(
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", help="Directory for the demo's data; else RPSD_DATA_DIR, else .rpsd.")
    ] = None,
    serving: Annotated[bool, typer.Option("--serve/--no-serve", help="Keep serving after the summary.")] = True,
    port: Annotated[int | None, typer.Option("--port", help="Port to serve on.")] = None,
    config_file: ConfigFile = None,
) -> None:
    """Load real market data, denoise it, find its regimes, learn from an order book, then serve. Ctrl-C ends it."""
    import sys

    from rpsd.cli.init import prepare
    from rpsd.services.wiring import open_services
    from rpsd.telemetry import configure_logging

    settings = _settings(config_file, data_dir, port)
    writer = configure_logging("WARNING", file=settings.monitoring.log_file, stream=sys.stderr.buffer)
    typer.echo("rpsd demo: real market data in, a denoised series, its regimes and an order book out\n", err=True)
    with step("data directory") as say:
        prepare(settings)
        keep_kernels(settings)
        services = open_services(settings)
        say(str(settings.storage.data_dir))
    try:
        key_file = _key(services, settings)
        typer.echo(summary(_main_job(services)))
        typer.echo(_next_steps(settings, key_file))
        if serving:
            _serve(services)
    finally:
        services.close()
        writer.close()


def _settings(config_file: Path | None, data_dir: Path | None, port: int | None) -> "Settings":
    """The settings; without any data directory named the demo uses .rpsd below the working directory, never the system's."""
    from rpsd.config import read

    settings = read(chosen(config_file), os.environ, {"server.port": port})
    if data_dir is None and "storage.data_dir" in settings.origin:
        return settings
    return read(chosen(config_file), os.environ, {"server.port": port, "storage.data_dir": (data_dir or Path(".rpsd")).absolute()})


def _key(services: "Services", settings: "Settings") -> Path:
    """The file (0600) with a key for the curl commands; a new key when the file is gone."""
    from rpsd.cli.secret import write_secret
    from rpsd.core.errors import Unauthenticated

    file = settings.storage.data_dir / KEY_FILE
    if file.is_file():
        try:
            services.access.authenticate(file.read_text("ascii").strip())
        except (Unauthenticated, UnicodeDecodeError):
            pass
        else:
            return file
    _, token = services.access.create(f"demo {time.strftime('%Y-%m-%d')}", ["read", "ingest", "predict", "train"], by=BY)
    write_secret(file, token)
    return file


def _main_job(services: "Services") -> Found:
    """Load, denoise, detect, train, feed; each step says how it went."""
    from rpsd.cli import demo_book

    for name in ("sp500_1d", "goog_1m"):
        _load(services, name)
    with step("load the kernels") as say:
        services.warm()
        say("compiled code ready")
    with step(f"denoise {INDEX} {INDEX_INTERVAL} volume") as say:
        started = time.perf_counter()
        t, volume = services.denoise.stored(INDEX, INDEX_INTERVAL, column="volume")
        seconds = time.perf_counter() - started
        say(f"{t.size:,} points, {volume.action.replace('_', ' ')}")
    with step(f"denoise {STOCK} {STOCK_INTERVAL} close") as say:
        t, closes = services.denoise.stored(STOCK, STOCK_INTERVAL)
        say(f"{t.size:,} points, {closes.action.replace('_', ' ')}")
    with step(f"train the regime model of {INDEX}") as say:
        name = f"regime:{INDEX}:{INDEX_INTERVAL}:{services.settings.regimes.default_regime_type}"
        card = services.regime.train(name, progress=lambda *_: None, cancelled=lambda: False, by=BY)
        say(f"version {card['version']}, in production" if card.get("stage") == "production" else f"version {card['version']}")
    with step(f"detect the regimes of {INDEX}") as say:
        info = services.series.info(INDEX, INDEX_INTERVAL)
        found = _detect(services, info)
        say(f"{found['n_states']} states over {info['rows']:,} days")
    return Found(volume, seconds, _foresight(services), closes, found, info, demo_book.feed(services))


def _foresight(services: "Services") -> float:
    """Mean squared error of the causal filter in foretelling the next day's log volume, over that of the day's own volume."""
    import numpy as np

    samples = services.denoise.column(INDEX, INDEX_INTERVAL, "volume")[1]
    result = services.denoise.run(samples.columns["volume"], t=samples.t, causality="causal", scale="log")
    seen, shown = np.log(samples.columns["volume"]), np.log(result.values)
    return float(np.mean((seen[1:] - shown[:-1]) ** 2) / np.mean(np.diff(seen) ** 2))


def _detect(services: "Services", info: dict[str, Any]) -> dict[str, Any]:
    """Regimes over everything that is stored of the index."""
    from rpsd.core import instant

    start, end = instant.parse(info["first"]), instant.parse(info["last"])
    return services.regime.detect(INDEX, start, end, interval=INDEX_INTERVAL, mode="filtered")


def _load(services: "Services", name: str) -> None:
    """Store a bundled sample; a second demo finds it unchanged."""
    from rpsd import samples
    from rpsd.services.intake.csv import CsvReader

    entry = samples.sample(name)
    with step(f"load {entry.symbol} {entry.interval}") as say:
        reader = CsvReader(entry.interval)
        reader.feed(samples.path(name).read_bytes())
        parsed = reader.finish()
        found = services.series.append(entry.symbol, entry.interval, parsed.samples, rejected=parsed.rejected, by=BY)
        say(f"{found['inserted']:,} rows stored, {found['unchanged']:,} there already")


def summary(found: Found) -> str:
    """What the demo found, for a terminal of 100 columns."""
    from rpsd.cli import demo_book, regime_report, report

    return "\n".join(
        [
            _RULE,
            f" S&P 500 ({INDEX}), daily volume: what was removed",
            _RULE,
            report.denoised(found.volume, found.volume.values.size, found.seconds),
            "",
            *(_paragraph(words) for words in (_of_volume(found), _of_closes(found.closes))),
            _RULE,
            f" S&P 500 ({INDEX}), {found.info['first'][:10]} to {found.info['last'][:10]}: regimes",
            _RULE,
            regime_report.regimes(found.regimes),
            "",
            _paragraph(_of_regimes(found.regimes)).rstrip(),
            _RULE,
            f" {demo_book.BOOK}: the order book at the end of six minutes",
            _RULE,
            demo_book.summary(found.book),
            "",
            _paragraph(demo_book.in_words(found.book)).rstrip(),
            _RULE,
        ]
    )


def _paragraph(words: str) -> str:
    import textwrap

    return textwrap.fill(words, 98, initial_indent="  ", subsequent_indent="  ") + "\n"


def _of_volume(found: Found) -> str:
    """What the figures above say, for somebody who sees them for the first time."""
    return (
        "In words: how much is traded in a day is a level that moves slowly and a chance that is gone the next day. "
        f"{found.volume.variance_reduction:.0%} of the variance of its steps was taken away as such. Does it help? The causal filter, "
        f"which knows only the past, foretells the next day's volume with {abs(1.0 - found.foresight):.0%} "
        f"{'less' if found.foresight < 1.0 else 'more'} squared error than the day's own volume does."
    )


def _of_closes(result: "DenoiseResult") -> str:
    """What became of a series with hardly any noise, and why that is right."""
    outcome = {
        "returned_original": "No strength passed the guardrails, so the series came back as it was, with the reason.",
        "backed_off": f"Full strength would have removed signal: the guardrails settled on {result.params.get('strength', 0.0):g} of it.",
    }.get(result.action, "")
    noise = f"only about {result.noise_sigma:.2g} USD of a price is" if result.noise_sigma > 0.0 else "none of it can be told to be"
    return (
        f"The minute closes of {STOCK} are another matter: prices of a liquid stock are nearly a random walk. Almost every move is news "
        f"that stays; {noise} noise that the next minute takes back. {outcome} A smoother line would look better and be further from the "
        "truth."
    )


def _of_regimes(answer: dict[str, Any]) -> str:
    """What the regimes are good for, and what they are not."""
    from rpsd.regime.labels import DISTINGUISHABLE

    states = sorted(answer["states"], key=lambda state: float(state["volatility"]))
    if len(states) == 1:
        return "In words: one regime explains the index as well as several would."
    calm, wild = states[0], states[-1]
    ratio = wild["volatility"] / calm["volatility"]
    shortest = min(state["expected_duration"] or math.inf for state in states)
    unsure = [state["label"] for state in answer["states"] if state["label_confidence"] < DISTINGUISHABLE]
    direction = f"the data do not settle that the name fits for {' and '.join(unsure)}" if unsure else "here the names fit all the same"
    return (
        f"In words: what tells these regimes apart is how much the index moves: {ratio:.1f} times as much "
        f"on a day of {wild['label']} as on one of {calm['label']}, for spells of {shortest:.0f} "
        f"days and more. Which way it moves is less certain; {direction}. The table is hindsight, as it says above; `rpsd regimes {INDEX} "
        "--mode walk_forward` gives rows that know nothing of what came after them."
    )


_BOOK_BODY = """{"symbol": "BTC-USDT", "snapshots": [{"timestamp": "2024-08-09T00:00:02Z",
         "bids": [[61659.7, 1.5], [61659.0, 2]], "asks": [[61659.8, 0.9], [61660.0, 8]]}]}"""
"""A book of a moment after the capture ends."""


def _next_steps(settings: "Settings", key_file: Path) -> str:
    """Five commands that work against the server that starts now."""
    try:
        shown = key_file.relative_to(Path.cwd())
    except ValueError:
        shown = key_file
    base = f"http://{settings.server.host}:{settings.server.port}"
    key = f'-H "X-API-Key: $(cat {shown})"'
    return (
        "\nTry next, in another terminal:\n\n"
        f"  curl -s {base}/health\n\n"
        f"  curl -s {key} {base}/api/v1/regimes/%5EGSPC\n"
        "  # by the stored model, fitted on the last two years: it may judge otherwise than the table\n\n"
        f"  curl -s {key} '{base}/api/v1/feature-views/core_technical/vector?entity=%5EGSPC'\n"
        "  # the features of the last closed bar, with what was known when, and their quality\n\n"
        f"  curl -s {key} {base}/api/v1/books/BTC-USDT\n\n"
        f"  curl -s {key} -H 'Content-Type: application/json' {base}/predict \\\n"
        f"    -d '{_BOOK_BODY}'\n\n"
        f"  curl -s {key} -H 'Content-Type: application/json' \\\n"
        f'    -d \'{{"column": "close", "method": "kalman", "causality": "causal"}}\' \\\n'
        f"    {base}/api/v1/series/GOOG/1m/denoise\n"
    )


def _serve(services: "Services") -> None:
    from rpsd.cli.serve import run

    server = services.settings.server
    said = f"Serving on http://{server.host}:{server.port} (docs at /docs). Ctrl-C ends it."
    run(services, started=lambda: typer.echo(said, err=True))
