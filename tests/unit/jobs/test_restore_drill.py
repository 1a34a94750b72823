"""The drill restores for real, asks the restored, and says so when it is not what it was."""

from pathlib import Path

import numpy as np
import pytest

from rpsd.config import read
from rpsd.core.errors import BadBackup, Cancelled, UnknownFile
from rpsd.core.market import Samples
from rpsd.jobs.job import JobContext
from rpsd.jobs.restore_drill import elsewhere, run
from rpsd.services.backup import answers, taking
from rpsd.services.wiring import open_services


@pytest.fixture
def services(tmp_path):
    with open_services(read(None, {}, {"storage.data_dir": str(tmp_path / "data"), "storage.min_free_bytes": "0"}), worker=False) as opened:
        t = np.arange(5000, dtype=np.int64) * 60 * 10**9
        for name in ("AAA", "BBB"):
            opened.series.append(name, "1m", Samples(t, {"close": np.sqrt(np.arange(5000.0))}), by="test")
        yield opened


def context(services, cancelled=lambda: False):
    return JobContext(services, {}, "test", lambda _share, _words: None, cancelled)


def gauge(services):
    return services.metrics.restore_drill_last_success_timestamp_seconds._value.get()


def test_the_newest_backup_is_restored_and_asked(services):
    made = services.backup.create()
    answer = run(context(services))
    assert {name: answer[name] for name in ("path", "created", "rows", "series")} == {
        "path": made["path"], "created": made["created"], "rows": 10_000, "series": 2,
    }  # fmt: skip
    assert gauge(services) > 1.7e9
    assert services.alert.active() == []
    assert not list(services.settings.storage.cache_dir.glob(".rpsd-*"))
    again = taking.archive.manifest(Path(made["path"]))
    assert set(again["answers"]) == {"AAA 1m", "BBB 1m"}


def test_answers_that_differ_fail_the_drill_and_a_good_one_resolves_it(services, monkeypatch):
    real = answers.answers
    monkeypatch.setattr(taking, "answers", lambda c: real(c) | {"BBB 1m": "0" * 32})
    services.backup.create()
    with pytest.raises(BadBackup, match="BBB 1m"):
        run(context(services))
    assert [alert["name"] for alert in services.alert.active()] == ["restore_drill_failed"]
    assert gauge(services) == 0
    monkeypatch.undo()
    services.backup.create()
    run(context(services))
    assert services.alert.active() == []


def test_a_damaged_or_missing_backup_fails_the_drill(services):
    with pytest.raises(UnknownFile):
        run(context(services))
    path = Path(services.backup.create()["path"])
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(BadBackup):
        run(context(services))
    assert services.alert.active()[0]["severity"] == "HIGH"


def test_a_cancelled_drill_is_no_failed_one(services):
    services.backup.create()
    with pytest.raises(Cancelled):
        run(context(services, lambda: True))
    assert services.alert.active() == []


def test_the_restored_speak_to_nobody(services, tmp_path):
    there = elsewhere(services.settings, tmp_path / "x")
    assert (there.alerts.webhooks, dict(there.sources), there.storage.data_dir) == ((), {}, tmp_path / "x")
