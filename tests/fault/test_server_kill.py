"""SIGKILL of the whole server during ingest over HTTP: what was acknowledged is there, and what is sent again happens once.

RPSD_FAULT_KILLS says how often (200 unless told otherwise; never longer than eight minutes).
"""

import os
import statistics
from pathlib import Path

import pytest

from tests.fault.conftest import Record
from tests.fault.lives import MOMENTS, Tally, many_lives

pytestmark = pytest.mark.fault

KILLS = int(os.environ.get("RPSD_FAULT_KILLS", "200"))
CONTROL_KILLS = 12


def sentence(tally: Tally) -> str:
    """The tally in words."""
    moments = ", ".join(f"{tally.kills[moment]} {moment}" for moment in MOMENTS)
    unanswered = ", ".join(f"{count} {outcome}" for outcome, count in tally.unanswered.items())
    return (
        f"{tally.killed} kills ({moments}); {tally.rows} rows acknowledged in {tally.requests} requests, {tally.revised} as corrections; "
        f"{tally.lost} rows lost or altered, {tally.strange} never sent, {tally.torn} requests torn; "
        f"requests without an answer: {unanswered}; "
        f"{tally.replays} requests sent again with their key, {tally.wrong_replays} wrong"
    )


def test_no_acknowledged_row_is_lost(tmp_path: Path, record: Record) -> None:
    tally = many_lives(tmp_path / "server", KILLS, seed=5)
    record("server killed", sentence(tally))
    record("server killed, start after it", f"{statistics.median(tally.restarts):.2f} s median, {max(tally.restarts):.2f} s worst")
    record("server killed, its file at the end", f"integrity_check ok, {tally.file['rows']} rows, {tally.file['bytes']} bytes")
    assert (tally.lost, tally.strange, tally.torn, tally.wrong_replays) == (0, 0, 0, 0)
    assert tally.killed >= min(KILLS, 50)  # the time was up before that
    assert tally.rows > 10 * tally.killed  # killed at work, not before it
    assert tally.replays > tally.killed / 2


def test_failing_control_acknowledging_before_the_commit_loses_rows(tmp_path: Path, record: Record) -> None:
    """The same lives of a server that answers too early must show losses: else the test above could not show them either."""
    tally = many_lives(tmp_path / "server", CONTROL_KILLS, seed=6, entry=("tests.fault.broken_server", "early", "serve"))
    record("control, server that acknowledges before its commit", sentence(tally))
    assert tally.lost > 0


def test_failing_control_forgotten_keys_are_noticed(tmp_path: Path, record: Record) -> None:
    """Without its key, a request sent again can also put an older value over a correction: rows altered may be above 0 here."""
    tally = many_lives(tmp_path / "server", 4, seed=7, entry=("tests.fault.broken_server", "forgetful", "serve"))
    record("control, server that forgets idempotency keys", sentence(tally))
    assert tally.wrong_replays > 0
