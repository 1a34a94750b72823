"""A run in the contract's words."""

import json

from rpsd.core.job import JobRun, JobState


def test_a_run_reads_as_the_contract_says() -> None:
    run = JobRun(
        7, "retrain", JobState.FAILED, {"model": "m"}, 0.5, "no", "too_short", "k1", None, 0, 10**9, 2 * 10**9, None, False, {"n": 1}
    )
    shown = run.as_dict()
    assert json.loads(json.dumps(shown)) == {
        "id": 7, "name": "retrain", "state": "failed", "progress": 0.5, "message": "no", "error_code": "too_short",
        "started": "1970-01-01T00:00:01Z", "finished": "1970-01-01T00:00:02Z", "result": {"n": 1},
        "queued": "1970-01-01T00:00:00Z", "occasion": None, "by": "k1", "args": {"model": "m"},
    }  # fmt: skip


def test_the_last_four_states_are_final() -> None:
    assert [state.value for state in JobState if not state.final] == ["queued", "running"]
