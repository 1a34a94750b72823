"""The jobs themselves, and that the catalogue names every one of them."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import rpsd.jobs
from rpsd.config import read
from rpsd.core.errors import Cancelled, TooShort
from rpsd.core.instant import parse as moment
from rpsd.core.market import Samples
from rpsd.core.retraining import Cause, Choice, Decision
from rpsd.jobs import JOBS
from rpsd.jobs.backup import BACKUP
from rpsd.jobs.job import JobContext
from rpsd.jobs.retrain import RETRAIN
from rpsd.jobs.schedule import parse
from rpsd.jobs.upkeep import UPKEEP
from rpsd.jobs.watch import WATCH
from rpsd.services.access.service import AccessService
from rpsd.services.backup.service import BackupService
from rpsd.services.events import EventHub
from rpsd.services.job import JobService
from rpsd.services.upkeep import COLD_NS
from rpsd.store import job as rows
from rpsd.store import series
from rpsd.store.db import Database
from rpsd.store.idempotency import Once
from rpsd.telemetry import Metrics

NOW = moment("2026-03-01T00:00:00Z")
DAY = 86_400 * 10**9


def context(services, *, args=None, cancelled=lambda: False, told=None, by="tester"):
    return JobContext(services, args or {}, by, lambda *step: told.append(step) if told is not None else None, cancelled)


class Regime:
    """Stands for the regime service: remembers what it was asked, refuses one name, keeps another back."""

    def __init__(self, bad=(), kept=()):
        self.asked, self.bad, self.kept = [], bad, kept

    def train(self, name, *, progress, cancelled, by):
        done = self.train_many([name], progress=progress, cancelled=cancelled, by=by)[name]
        if isinstance(done, TooShort):
            raise done
        return done

    def train_many(self, names, *, progress, cancelled, by):
        if cancelled():
            raise Cancelled("stopped")
        self.asked.append((names, by))
        progress(0.5, "half")
        return {name: TooShort("too few returns") if name in self.bad else self.outcome(name) for name in names}

    def outcome(self, name):
        kept = name in self.kept
        stage = "candidate" if kept else "production"
        return {"name": name, "version": 3, "stage": stage, "promoted": not kept, "reason": "worse", "card": {"long": "story"}}

    def models_to_train(self):
        return [f"regime:{symbol}:1d:3_state" for symbol in "ADEF"]


class Retraining:
    """Stands for the service that decides: F is to wait, the others are fitted; remembers what it was told."""

    def __init__(self):
        self.told = []

    def plan(self, names, *, job, only=None):
        assert (job, only) == (0, None)
        choices = {name: Choice.WAIT if ":F:" in name else Choice.RETRAIN for name in names}
        return {name: Decision(name, choice, Cause.SCHEDULE, "because") for name, choice in choices.items()}

    def tell(self, outcomes, causes, *, job):
        self.told.append((list(outcomes), list(causes)))


class Watch:
    """Stands for the watch: remembers what it was to look at."""

    def __init__(self):
        self.looked = []

    def look(self, names=None, *, job, cancelled):
        self.looked.append(names)
        return {"scored": 0, "rolled_back": []}

    def prune(self):
        return 3


@pytest.fixture
def services(tmp_path):
    settings = read(None, {}, {"storage.data_dir": str(tmp_path / "data"), "storage.min_free_bytes": "1MiB"})
    with Database.open(settings.storage.data_dir, clock=lambda: NOW) as database:
        backup = BackupService(settings, database, Metrics(), lambda: NOW)
        yield SimpleNamespace(
            settings=settings,
            database=database,
            clock=lambda: NOW,
            backup=backup,
            access=AccessService(settings, database, Metrics(), lambda: NOW, bytes(32)),
            job=JobService(database, lambda: NOW, EventHub(lambda: NOW)),
            retraining=Retraining(),
            watch=Watch(),
        )


def test_the_catalogue_names_every_file_of_the_folder():
    machinery = {"__init__", "job", "runner", "schedule", "trained"}
    files = {path.stem for path in Path(rpsd.jobs.__file__).parent.glob("*.py")} - machinery
    assert {job.name for job in JOBS} == files


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_every_schedule_of_the_defaults_can_be_read(job, services):
    if (text := job.schedule(services.settings)) is not None:  # one without a schedule runs when asked for
        assert parse(text, services.settings.jobs.timezone).after(NOW) > NOW
    assert job.summary.endswith(".")
    assert job.lease_seconds > 0


def test_retrain_trains_what_is_due_and_goes_on_after_a_refusal(services):
    services.regime, told = Regime(bad={"regime:D:1d:3_state"}, kept={"regime:E:1d:3_state"}), []
    result = RETRAIN.run(context(services, told=told, by="scheduler"))
    assert services.regime.asked == [([f"regime:{symbol}:1d:3_state" for symbol in "ADE"], "scheduler")]
    assert result == {
        "trained": 2,
        "promoted": 1,
        "failed": [{"model": "regime:D:1d:3_state", "code": "too_short", "detail": "too few returns"}],
        "models": [
            {"name": "regime:A:1d:3_state", "version": 3, "stage": "production"},
            {"name": "regime:E:1d:3_state", "version": 3, "stage": "candidate", "reason": "worse"},
        ],
        "decided": {"retrain": 3, "wait": 1, "skip": 0},
    }
    assert told == [(0.0, "0 of 3"), (0.5, "half")]
    every = [f"regime:{symbol}:1d:3_state" for symbol in "ADEF"]
    assert services.watch.looked == [every]  # before the fits
    assert services.retraining.told == [(every[:3], every)]


def test_the_watch_looks_at_all_that_serves_and_drops_what_is_old(services):
    assert WATCH.run(context(services)) == {"scored": 0, "rolled_back": [], "pruned": 3}
    assert services.watch.looked == [None]


def test_retrain_by_hand_trains_young_models_too(services):
    services.regime = Regime()
    assert RETRAIN.run(context(services))["trained"] == 4


def test_retrain_of_one_model_fails_with_its_error(services):
    services.regime = Regime(bad={"regime:D:1d:3_state"})
    with pytest.raises(TooShort):
        RETRAIN.run(context(services, args={"model": "regime:D:1d:3_state"}))
    assert RETRAIN.run(context(services, args={"model": "regime:B:1d:2_state"}))["models"][0]["name"] == "regime:B:1d:2_state"


def test_retrain_stops_when_it_is_to(services):
    services.regime = Regime()
    with pytest.raises(Cancelled):
        RETRAIN.run(context(services, cancelled=lambda: True))
    assert services.regime.asked == []


def test_upkeep_folds_compresses_and_forgets(services):
    database, old = services.database, NOW - 40 * DAY
    for first in range(0, 400, 100):
        t = NOW - 20 * DAY + np.arange(first, first + 100, dtype=np.int64) * 60 * 10**9
        samples = Samples(t, {"close": np.ones(100)})
        database.write(lambda c, samples=samples: series.upsert(c, "A", "1m", samples, now_ns=old)).result()
    late = Samples(np.array([NOW - 30 * DAY], np.int64), {"close": np.ones(1)})
    database.write(lambda c: series.upsert(c, "A", "1m", late, now_ns=old)).result()
    JobService(database, lambda: old, EventHub(lambda: old)).enqueue("x", {}, by="x", once=Once("k", "x", "r", "h"))
    for _ in range(120):
        run = database.write(lambda c: rows.enqueue(c, "x", {}, "x", old)).result()
        database.write(lambda c, run=run: rows.cancel(c, run.id, old)).result()
    result = UPKEEP.run(context(services))
    assert result["folded"] >= 1
    assert result["compressed"] >= 1
    assert result["idempotency_keys"] == 1
    assert result["job_rows"] == 20  # 121 of the name, the newest 100 stay, the queued one too
    assert result["wal_bytes"] == 0
    assert (result["access_rows"], result["signing_keys_rotated"]) == (0, 0)
    info = database.read(lambda c: series.require(c, "A", "1m"))
    assert database.read(lambda c: series.read(c, info)).n == 401
    again = UPKEEP.run(context(services))
    assert [again[name] for name in ("folded", "compressed", "idempotency_keys", "job_rows")] == [0, 0, 0, 0]


def test_upkeep_leaves_warm_blocks_alone(services):
    t = NOW - np.arange(100, 0, -1, dtype=np.int64) * 60 * 10**9
    services.database.write(lambda c: series.upsert(c, "A", "1m", Samples(t, {"close": np.ones(100)}), now_ns=NOW)).result()
    assert UPKEEP.run(context(services))["compressed"] == 0
    assert COLD_NS == 7 * DAY


def test_the_nightly_backup_verifies_and_prunes(services):
    result = BACKUP.run(context(services))
    assert services.backup.verify(Path(result["path"]))["sha256"] == result["sha256"]
    assert result["pruned"] == []
