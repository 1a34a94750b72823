"""`rpsd selftest`: does the installed box do what it is for? Everything end to end, and nothing is left behind but a backup."""

import math
import random
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from rpsd.cli.live import FINAL
from rpsd.cli.output import AsJson, ConfigFile, Progress, answer, table
from rpsd.cli.reach import keep_kernels, load, quiet
from rpsd.core.errors import InternalError, RpsdError, Unavailable

if TYPE_CHECKING:
    from rpsd.client import Client
    from rpsd.config import Settings

_READY_SECONDS = 60.0
_JOB_SECONDS = 900.0
_BARS = 360
_MOOD = 60
"""Bars of calm, then of storm."""
_HOUR_NS = 3_600_000_000_000
_START_NS = 1_704_067_200_000_000_000  # 2024-01-01
_BOOK = "RPSD.SELFTEST"
FAILED_EXIT = 2

Step = tuple[str, Callable[["Trial"], str]]


class Trial:
    """What the steps share: the server, names that nobody else has, and made-up data whose truth is known."""

    def __init__(self, client: "Client", settings: "Settings") -> None:
        tag = secrets.token_hex(4).upper()
        self.client, self.settings = client, settings
        self.symbol, self.experiment = f"RPSD.SELFTEST.{tag}", f"rpsd selftest {tag}"
        rng, level, self.closes = random.Random(5), math.log(100.0), []  # noqa: S311 - prices, no secrets
        for n in range(_BARS):
            level += rng.gauss(0.0, 0.004 if (n // _MOOD) % 2 == 0 else 0.03)
            self.closes.append(round(math.exp(level), 6))
        self.clean = [100.0 + 5.0 * math.sin(2 * math.pi * n / 128) for n in range(512)]
        self.noisy = [value + rng.gauss(0.0, 0.5) for value in self.clean]

    @property
    def place(self) -> str:
        return f"/api/v1/series/{self.symbol}/1h"


def _hold(claim: bool, told: str) -> None:
    if not claim:
        raise InternalError(told)


def ready(trial: Trial) -> str:
    """The server says that requests are welcome."""
    until = time.monotonic() + _READY_SECONDS
    while True:
        try:
            trial.client.ask("GET", "/health/ready")
        except RpsdError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
        else:
            return f"version {trial.client.health()['version']}"


def store(trial: Trial) -> str:
    """What was stored is read back to the bit."""
    times = [_START_NS + n * _HOUR_NS for n in range(_BARS)]
    trial.client.append(trial.symbol, "1h", {"t": times, "close": trial.closes})
    back = trial.client.samples(trial.symbol, "1h", time="ns")
    _hold((back["t"], back["close"]) == (times, trial.closes), "the rows that were read are not those that were stored")
    return f"{_BARS} rows stored and read back"


def denoise(trial: Trial) -> str:
    """Noise goes, the signal stays."""
    values = trial.client.denoise(trial.noisy)["values"]
    before, after = (_error(found, trial.clean) for found in (trial.noisy, values))
    _hold(after < 0.7 * before, f"the error went from {before:.3f} to {after:.3f} only")
    return f"error {before:.3f} to {after:.3f}"


def _error(found: list[float], truth: list[float]) -> float:
    return math.sqrt(sum((a - b) ** 2 for a, b in zip(found, truth, strict=True)) / len(truth))


def regime(trial: Trial) -> str:
    """Calm and storm, whose truth is known, are told apart."""
    found = trial.client.detect_regimes(
        trial.symbol, "2024-01-01", _date(_START_NS + (_BARS - 1) * _HOUR_NS), interval="1h", regime_type="2_state", mode="smoothed"
    )
    storm = max(found["states"], key=lambda state: float(state["volatility"]))["label"]
    told = [row["regime"] == storm for row in found["regimes"]]
    truth = [(n // _MOOD) % 2 == 1 for n in range(_BARS)][-len(told) :]
    right = sum(a == b for a, b in zip(told, truth, strict=True)) / len(told)
    _hold(right > 0.85, f"{right:.0%} of the bars were told right")
    return f"{right:.0%} of the bars told right"


def _date(ns: int) -> str:
    from rpsd.core import instant

    return instant.text(ns)


def predict(trial: Trial) -> str:
    """A model of an order book is trained and foretells, in a scratch directory: models of the box stay as they are."""
    import json

    import numpy as np

    keep_kernels(trial.settings)
    from rpsd import samples
    from rpsd.config import read
    from rpsd.services.wiring import open_services

    with tempfile.TemporaryDirectory(prefix="rpsd-selftest-") as place:
        (nothing := Path(place) / "settings.yaml").write_text("# the defaults\n")
        scratch = read(nothing, {"RPSD_DATA_DIR": str(Path(place) / "data"), "RPSD_STORAGE__MIN_FREE_BYTES": "0"})
        with open_services(scratch, worker=False) as services:
            tape = samples.book_tape()
            services.book.ingest(_BOOK, tape, by="selftest", tick=0.1)
            trained = services.book_training.train(model := f"book:{_BOOK}:next_mid_move", {}, by="selftest")
            _hold(trained["stage"] == "production", f"the gate kept the model back: {trained.get('reason')}")
            clock = np.maximum.accumulate(tape.t)
            end = tape.taken(clock > clock[-1] - 20_000_000_000)
            said = json.loads(services.forecast.of(end, services.forecast.question(_BOOK, model)).text)
    total = sum(said["probabilities"].values())
    _hold(abs(total - 1.0) < 1e-9, f"the probabilities sum to {total}")
    return f"{said['prediction']}, {said['confidence']:.0%} sure"


def experiment(trial: Trial) -> str:
    """A run keeps what is logged to it."""
    client = trial.client
    made = client.create_experiment(trial.experiment)
    run = client.begin_run(made["id"], name="selftest")["id"]
    client.log_params(run, {"method": "auto"})
    client.log_metrics(run, {"loss": 0.25}, 1)
    client.finish_run(run)
    back = client.run(run)
    _hold((back["state"], back["metrics"].get("loss"), back["params"].get("method")) == ("FINISHED", 0.25, "auto"), "the run differs")
    return "parameters and metrics kept"


def clean(trial: Trial) -> str:
    """Take away what the steps have made."""
    with suppress(RpsdError):
        trial.client.ask("DELETE", f"/api/v1/experiments/{trial.experiment}")
    with suppress(RpsdError):
        trial.client.ask("DELETE", trial.place)
    left = [row["symbol"] for row in trial.client.series() if row["symbol"] == trial.symbol]
    left += [row["name"] for row in trial.client.experiments() if row["name"] == trial.experiment]
    _hold(not left, f"{', '.join(left)} could not be removed")
    return "nothing left behind"


def backup(trial: Trial) -> str:
    """A backup is taken and verified."""
    run = trial.client.ask("POST", "/api/v1/admin/backups")["job"]
    until = time.monotonic() + _JOB_SECONDS
    while run["state"] not in FINAL:
        _hold(time.monotonic() < until, f"the backup is not done after {_JOB_SECONDS:.0f} s")
        time.sleep(0.2)
        run = trial.client.job(str(run["id"]))
    _hold(run["state"] == "succeeded", f"the backup {run['state']}: {run['message']}")
    path = Path(run["result"]["path"])
    trial.client.ask("POST", "/api/v1/admin/backups/verify", json={"name": path.name})
    return f"{path.name}, {run['result']['bytes']:,} bytes, verified"


STEPS: tuple[Step, ...] = (
    ("ready", ready),
    ("store", store),
    ("denoise", denoise),
    ("regime", regime),
    ("experiment", experiment),
    ("clean", clean),
    ("predict", predict),
    ("backup", backup),
)
"""In this order: the backup holds nothing of the trial."""


def selftest(config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Try everything end to end on the running server: store, denoise, regimes, predict, experiment, backup. Exit 2 when a step fails."""
    from rpsd.client import Client

    quiet()
    settings = load(config_file)
    if not settings.server.admin_socket.is_socket():
        raise Unavailable(f"no server answers at {settings.server.admin_socket}", hint="`systemctl start rpsd`, or `rpsd serve`.")
    with Client(socket=settings.server.admin_socket, timeout=600.0) as client, Progress("selftest") as progress:
        rows = list(run(Trial(client, settings), progress))
    passed = all(row["passed"] for row in rows)
    data = {"passed": passed, "steps": rows}
    cells = [["ok" if row["passed"] else "FAILED", row["step"], round(row["ms"]), row["detail"]] for row in rows]
    answer(data, as_json, lambda: table(("", "step", "ms", "detail"), cells, cut=False))
    raise typer.Exit(0 if passed else FAILED_EXIT)


def run(trial: Trial, progress: Callable[[float, str], None], steps: tuple[Step, ...] = STEPS) -> Iterator[dict[str, Any]]:
    """Each step with how it went. What was made is taken away however this ends; a server that is not ready is asked nothing more."""
    with ExitStack() as stack:
        stack.callback(_leave_nothing, trial)
        for at, (name, step) in enumerate(steps):
            progress(at / len(steps), name)
            began, passed = time.perf_counter(), True
            try:
                detail = step(trial)
            except (RpsdError, OSError, KeyError) as error:
                detail, passed = f"{getattr(error, 'detail', error)!s} ({getattr(error, 'code', type(error).__name__)})", False
            yield {"step": name, "passed": passed, "ms": round((time.perf_counter() - began) * 1e3, 1), "detail": detail}
            if not passed and name == "ready":
                return


def _leave_nothing(trial: Trial) -> None:
    with suppress(RpsdError):
        clean(trial)
