"""`rpsd demo`: the main job on bundled real data, from an empty directory to a serving appliance."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rpsd.cli.live import BY
from rpsd.cli.output import ConfigFile, step
from rpsd.cli.reach import chosen, keep_kernels

if TYPE_CHECKING:
    from rpsd.config import Settings
    from rpsd.core.result import DenoiseResult
    from rpsd.services.wiring import Services

KEY_FILE = "demo.key"
STOCK, STOCK_INTERVAL = "GOOG", "1m"
INDEX, INDEX_INTERVAL = "^GSPC", "1d"
_RULE = "─" * 98


def demo(
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", help="Directory for the demo's data; else RPSD_DATA_DIR, else .rpsd.")
    ] = None,
    serving: Annotated[bool, typer.Option("--serve/--no-serve", help="Keep serving after the summary.")] = True,
    port: Annotated[int | None, typer.Option("--port", help="Port to serve on.")] = None,
    config_file: ConfigFile = None,
) -> None:
    """Load real market data, denoise it, find its regimes, then serve. Ctrl-C ends it."""
    import sys

    from rpsd.cli.init import prepare
    from rpsd.services.wiring import open_services
    from rpsd.telemetry import configure_logging

    settings = _settings(config_file, data_dir, port)
    writer = configure_logging("WARNING", file=settings.monitoring.log_file, stream=sys.stderr.buffer)
    typer.echo("rpsd demo: real market data in, a denoised series and its regimes out\n", err=True)
    with step("data directory") as say:
        prepare(settings)
        keep_kernels(settings)
        services = open_services(settings)
        say(str(settings.storage.data_dir))
    try:
        key_file = _key(services, settings)
        outcome = _main_job(services)
        typer.echo(summary(*outcome))
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
    from rpsd.cli.init import write_secret
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


def _main_job(services: "Services") -> tuple["DenoiseResult", int, float, dict[str, Any], dict[str, Any]]:
    """Load, denoise, detect, train; each step says how it went."""
    for name in ("sp500_1d", "goog_1m"):
        _load(services, name)
    with step("load the kernels") as say:
        services.warm()
        say("compiled code ready")
    with step(f"denoise {STOCK} {STOCK_INTERVAL}") as say:
        started = time.perf_counter()
        t, result = services.denoise.stored(STOCK, STOCK_INTERVAL, column="close", start_ns=None, end_ns=None)
        seconds = time.perf_counter() - started
        say(f"{t.size:,} points, {result.action.replace('_', ' ')}")
    with step(f"train the regime model of {INDEX}") as say:
        name = f"regime:{INDEX}:{INDEX_INTERVAL}:{services.settings.regimes.default_regime_type}"
        card = services.regime.train(name, progress=lambda *_: None, cancelled=lambda: False, by=BY)
        say(f"version {card['version']}, in production" if card.get("stage") == "production" else f"version {card['version']}")
    with step(f"detect the regimes of {INDEX}") as say:
        info = services.series.info(INDEX, INDEX_INTERVAL)
        found = _detect(services, info)
        say(f"{found['n_states']} states over {info['rows']:,} days")
    return result, int(t.size), seconds, found, info


def _detect(services: "Services", info: dict[str, Any]) -> dict[str, Any]:
    """Regimes over everything that is stored of the index."""
    from rpsd.core import instant

    start, end = instant.parse(info["first"]), instant.parse(info["last"])
    return services.regime.detect(INDEX, start, end, interval=INDEX_INTERVAL, mode="filtered")


def _load(services: "Services", name: str) -> None:
    """Store a bundled sample; a second demo finds it unchanged."""
    from rpsd import samples
    from rpsd.services.csv import CsvReader

    entry = samples.sample(name)
    with step(f"load {entry.symbol} {entry.interval}") as say:
        reader = CsvReader(entry.interval)
        reader.feed(samples.path(name).read_bytes())
        parsed = reader.finish()
        found = services.series.append(entry.symbol, entry.interval, parsed.samples, rejected=parsed.rejected, by=BY)
        say(f"{found['inserted']:,} rows stored, {found['unchanged']:,} there already")


def summary(result: "DenoiseResult", n: int, seconds: float, regimes: dict[str, Any], info: dict[str, Any]) -> str:
    """What the demo found, for a terminal of 100 columns."""
    from rpsd.cli import report

    return "\n".join(
        [
            _RULE,
            f" {STOCK}, closes of {n:,} minutes: what was removed",
            _RULE,
            report.denoised(result, n, seconds),
            "",
            _in_words(result),
            "",
            _RULE,
            f" S&P 500 ({INDEX}), {info['first'][:10]} to {info['last'][:10]}: regimes",
            _RULE,
            report.regimes(regimes),
            _RULE,
        ]
    )


def _in_words(result: "DenoiseResult") -> str:
    """What the figures above say, for somebody who sees them for the first time."""
    import textwrap

    words = (
        "In words: minute closes of a liquid stock are nearly a random walk. Almost every move is news that stays; "
        f"only about {result.noise_sigma:.2g} USD of a price is noise that the next minute takes back, so there is little to remove. "
    )
    if result.action == "backed_off":
        words += f"Full strength would have removed signal, too: the guardrails settled on {result.params['strength']:g} of it. "
    words += "A smoother line would look better and be further from the truth. Ticks and thinly traded series leave more to remove."
    return textwrap.fill(words, 98, initial_indent="  ", subsequent_indent="  ")


def _next_steps(settings: "Settings", key_file: Path) -> str:
    """Three commands that work against the server that starts now."""
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
        f"  curl -s {key} -H 'Content-Type: application/json' \\\n"
        f'    -d \'{{"column": "close", "method": "kalman", "causality": "causal"}}\' \\\n'
        f"    {base}/api/v1/series/GOOG/1m/denoise\n"
    )


def _serve(services: "Services") -> None:
    from rpsd.cli.serve import run

    server = services.settings.server
    said = f"Serving on http://{server.host}:{server.port} (docs at /docs). Ctrl-C ends it."
    run(services, started=lambda: typer.echo(said, err=True))
