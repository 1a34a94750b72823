"""A hundred thousand spoilt requests at a real server: every one is answered, in words, and nothing grows. RPSD_FUZZ_REQUESTS: how many."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fault.conftest import Record
from tests.fault.fuzz.appliance import make_data, under_fire
from tests.fault.fuzz.link import Link
from tests.fault.fuzz.outcome import MOST_GROWTH, WARM, Outcome, report
from tests.fault.fuzz.routes import codes
from tests.fault.fuzz.run import Campaign
from tests.fault.fuzz.seeds import SEEDS, request_of
from tests.fault.fuzz.sockets import spoilt_frames

pytestmark = pytest.mark.fault

REQUESTS = int(os.environ.get("RPSD_FUZZ_REQUESTS", "100000"))
CONTROL_REQUESTS = 12_000
SHORT_GROWTH = 0.05
"""Of a campaign that ends before all that is bounded is filled: 250 bytes a request, where the control loses four thousand."""
FRAMES = 10_000
BROKEN = ("tests.fault.broken_server",)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data directory as the demo makes it, to be copied."""
    directory = tmp_path_factory.mktemp("fuzz") / "data"
    make_data(directory)
    yield directory


def fired(directory: Path, data: Path, requests: int, entry: tuple[str, ...] = ("rpsd", "serve"), seed: int = 7) -> tuple[Outcome, str]:
    """The outcome of a campaign and its report."""
    directory.mkdir()
    with under_fire(directory, data, entry) as (server, bindings, _):
        outcome = Campaign(server, bindings, seed).run(range(requests))
        return outcome, report([outcome], "make test-fault", server.port)


def test_every_operation_has_a_right_request(tmp_path: Path, data: Path) -> None:
    """What is spoilt was right before: else the fuzzer would try the same refusal again and again."""
    with under_fire(tmp_path, data) as (_, bindings, routes):
        assert set(routes) == {seed.route for seed in SEEDS}
        wrong = []
        for seed in SEEDS:
            link, answer = Link(bindings.port), None
            link.send(request_of(seed, bindings, "all"), 0, 0.0)
            while answer is None:
                answer = link.receive()
            link.close()
            if answer.status != seed.expects and not (seed.expects == 0 and answer.status < 300):
                wrong.append((seed.route, seed.path, answer.status, answer.body[:300]))
        assert wrong == []


def test_spoilt_requests_are_answered_and_cost_no_memory(tmp_path: Path, data: Path, record: Record) -> None:
    outcome, told = fired(tmp_path / "d", data, REQUESTS)
    assert outcome.count == 0, told
    assert outcome.done == REQUESTS
    assert outcome.growth < (MOST_GROWTH if REQUESTS >= 2 * WARM else SHORT_GROWTH), told
    served = {route for route, status in outcome.routes if 0 < status < 300}
    assert {seed.route for seed in SEEDS if not seed.expects} <= served, told
    speed = outcome.done / outcome.seconds
    record("spoilt requests", f"{outcome.done} at {speed:.0f} a second, no 5xx, no reset, memory {outcome.growth:+.2%} in the second half")


def test_spoilt_frames_are_answered(tmp_path: Path, data: Path, record: Record) -> None:
    with under_fire(tmp_path, data) as (server, bindings, _):
        told = spoilt_frames(server.port, bindings.keys["all"], codes(), seed=7, frames=FRAMES)
    assert told.complaints == []
    assert {"ack", "subscribe_confirmed", "bad_frame"} <= set(told.answers), told.answers
    record("spoilt frames over WebSocket", f"{FRAMES}, answers {dict(told.answers.most_common(5))}, closes {dict(told.closes)}")


@pytest.mark.parametrize(("change", "word"), [("brittle", "status 500"), ("talkative", "internals")])
def test_a_planted_fault_is_found(tmp_path: Path, data: Path, record: Record, change: str, word: str) -> None:
    """The control: a server that breaks on rare input, or tells too much, does not pass."""
    outcome, told = fired(tmp_path / "d", data, CONTROL_REQUESTS, (*BROKEN, change, "serve"))
    assert any(word in words for one in outcome.complaints for words in one.words), told
    record(f"spoilt requests, control: {change}", f"{outcome.count} of {outcome.done} answers were complained of")


def test_a_planted_leak_is_found(tmp_path: Path, data: Path, record: Record) -> None:
    """The control of the memory's figure."""
    outcome, told = fired(tmp_path / "d", data, 2 * CONTROL_REQUESTS, (*BROKEN, "hoarding", "serve"))
    assert outcome.growth > SHORT_GROWTH, told
    record("spoilt requests, control: hoarding", f"memory {outcome.growth:+.2%} after {outcome.done} requests")
