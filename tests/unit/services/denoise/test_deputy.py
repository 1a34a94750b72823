"""The worker that stands in while the server loads its numerics: the same answers, and nobody is lost when it cannot."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from rpsd.core.errors import BadParameter, GuardrailFailed, RpsdError, WorkerFailed
from rpsd.core.model import Packet
from rpsd.denoise import METHODS
from rpsd.kernels import jit
from rpsd.services.compute import LocalCompute
from rpsd.services.denoise.deputy import Deputy
from rpsd.services.denoise.service import DenoiseService, account
from rpsd.services.inline import InlineCompute
from rpsd.services.turn import SHORT

VALUES = 100.0 + np.cumsum(np.random.default_rng(3).standard_normal(300))
HOUR_NS = 3_600_000_000_000


class Wire(InlineCompute):
    """Tasks in this thread, with both packets as bytes in between; `ready` overrides what the worker says of itself."""

    def __init__(self, *, ready: bool = True, error: RpsdError | None = None) -> None:
        self.ready, self.error, self.asked = ready, error, list[str]()

    def run(self, task: str, packet: Packet, **how: Any) -> Packet:
        self.asked.append(task)
        if task == "denoise_ready":
            return Packet({"ready": self.ready}, {})
        if self.error is not None:
            raise self.error
        return Packet.unpack(super().run(task, Packet.unpack(packet.pack()), **how).pack())


Standing = Callable[..., tuple[DenoiseService, Deputy, Wire]]


@pytest.fixture
def standing(services: Any) -> Standing:
    """A service whose deputy is on duty as soon as its worker says so, and that worker."""

    def make(**how: Any) -> tuple[DenoiseService, Deputy, Wire]:
        wire = Wire(**how)
        deputy = Deputy(wire)
        deputy.begin()
        deputy.await_duty(10.0)
        return DenoiseService(services.settings, services.database, services.metrics, services.clock, deputy), deputy, wire

    return make


def asked() -> Iterator[Any]:
    for method in METHODS:
        yield pytest.param({"method": method.name, "causality": "causal" if method.causal else "hindsight"}, id=method.name)
    yield pytest.param({"band": True, "method": "kalman"}, id="a band")
    yield pytest.param({"band": True}, id="a band that there is not")
    yield pytest.param({"t": True}, id="sessions")
    yield pytest.param({"scale": "log", "params": {"wavelet": "db6", "level": 3}}, id="parameters")
    yield pytest.param({"method": "auto"}, id="auto")
    yield pytest.param({"guardrails": {"on_failure": "flag"}}, id="guardrails")


@pytest.mark.parametrize("how", list(asked()))
def test_the_answer_is_that_of_the_server(services: Any, standing: Standing, how: dict[str, Any]) -> None:
    service, _, wire = standing()
    more = dict(how)
    t = np.cumsum(np.where(np.arange(VALUES.size) % 100 == 0, 60, 1)) * HOUR_NS if more.pop("t", None) else None
    theirs, ours = service.run(VALUES, t=t, **more), services.denoise.run(VALUES, t=t, **more)
    assert wire.asked[-1] == "denoise"
    assert account(theirs, 0.0) == account(ours, 0.0)
    for name in ("values", "lower", "upper", "deviation"):
        one, other = getattr(theirs, name), getattr(ours, name)
        assert (one is None and other is None) or one.tobytes() == other.tobytes()


def test_what_is_refused_is_refused_in_the_same_words(services: Any, standing: Standing) -> None:
    for how in ({"params": {"level": -1}}, {"guardrails": {"policy": "classic", "on_failure": "reject", "correlation_threshold": 1.0}}):
        told = []
        for service in (standing()[0], services.denoise):
            with pytest.raises((BadParameter, GuardrailFailed)) as caught:
                service.run(VALUES, **how)
            told.append((caught.type, caught.value.detail, caught.value.errors))
        assert told[0] == told[1]


def test_on_duty_from_ready_to_relieved(standing: Standing) -> None:
    service, deputy, wire = standing()
    assert deputy.on_duty
    deputy.relieve()
    assert not deputy.on_duty
    service.run(VALUES)
    assert wire.asked == ["denoise_ready"]


def test_never_on_duty_where_nobody_will_relieve_it(services: Any) -> None:
    """The demonstration and the command line have workers, too, and load the numerics by themselves."""
    wire = Wire()
    deputy = Deputy(wire)
    assert not deputy.await_duty(1.0)
    service = DenoiseService(services.settings, services.database, services.metrics, services.clock, deputy)
    assert service.run(np.tile(VALUES, SHORT // 300 + 1)).values.size > SHORT
    assert wire.asked == []


def test_a_long_series_waits_for_the_server_and_holds_up_nobody(standing: Standing) -> None:
    service, deputy, wire = standing()
    done = threading.Event()
    waiting = threading.Thread(target=lambda: (service.run(np.tile(VALUES, SHORT // 300 + 1)), done.set()))
    waiting.start()
    service.run(VALUES)
    assert not done.wait(0.2)
    deputy.relieve()
    waiting.join()
    assert done.is_set()
    assert wire.asked == ["denoise_ready", "denoise"]


def test_a_worker_that_is_not_ready_does_not_stand_in(standing: Standing) -> None:
    service, deputy, wire = standing(ready=False)
    assert not deputy.on_duty
    assert service.run(VALUES).values.size == VALUES.size
    assert wire.asked == ["denoise_ready"]


def test_a_worker_that_is_lost_loses_no_request(standing: Standing) -> None:
    service, _, wire = standing(error=WorkerFailed("the worker was lost"))
    assert service.run(VALUES).values.size == VALUES.size
    assert wire.asked == ["denoise_ready", "denoise"]


def test_a_real_worker_says_whether_its_kernels_are_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for place, ready in ((None, jit.is_cached()), (tmp_path, False)):
        if place is not None:
            monkeypatch.setenv("NUMBA_CACHE_DIR", str(place))
        compute = LocalCompute(1)
        try:
            assert compute.run("denoise_ready", Packet({"kernels": ""}, {}), deadline_seconds=60).head == {"ready": ready}
        finally:
            compute.close()
