"""The first second after a start: the worker loads the numerics on a core of its own and denoises short series until this process can."""

import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Final

from rpsd.config import Settings
from rpsd.core.errors import RpsdError
from rpsd.core.market import Times, Vector
from rpsd.core.model import Packet
from rpsd.core.result import DenoiseResult, unpacked
from rpsd.services.compute import Compute, LocalCompute, slots_for
from rpsd.services.spawning import Spawned
from rpsd.services.turn import SHORT

_LOAD_SECONDS: Final = 30.0
_RELIEF_SECONDS: Final = 5.0


class Deputy:
    """Denoises in the worker from begin(), once that has loaded the numerics, until relieve(). The answers are the same."""

    def __init__(self, compute: Compute) -> None:
        self.compute = compute
        self._began, self._settled, self._relieved = False, threading.Event(), threading.Event()
        self._able = False

    @classmethod
    def here(cls, settings: Settings, first: Spawned | None = None) -> "Deputy":
        """One over workers of this machine; `first` as in LocalCompute."""
        return cls(LocalCompute(slots_for(settings.performance.max_workers), first=first))

    def begin(self) -> None:
        """Have the worker load what it needs; returns at once. Only for who calls relieve() soon: long series wait for that."""
        self._began = True
        threading.Thread(target=self._make_ready, name="deputy", daemon=True).start()

    @property
    def on_duty(self) -> bool:
        """Whether short series are denoised in the worker now."""
        return self._able and not self._relieved.is_set()

    def await_duty(self, seconds: float) -> bool:
        """Wait until the worker can denoise, or cannot, for so long at most; whether it is on duty."""
        if self._began:
            self._settled.wait(seconds)
        return self.on_duty

    def relieve(self) -> None:
        """This process denoises by itself from now on."""
        self._relieved.set()

    def takes(self, samples: int) -> bool:
        """Whether a series of so many samples is denoised in the worker. A long one waits here until this process can."""
        if not self.on_duty:
            return False
        if samples < SHORT:
            return True
        self._relieved.wait(_RELIEF_SECONDS)
        return False

    def run(self, values: Vector, t: Times | None, settled: Mapping[str, Any], deadline_seconds: float) -> DenoiseResult:
        """The answer of denoise.run.denoise. Raises what that raises, DeadlineExceeded, WorkerFailed, Unavailable."""
        head = {**settled, "guardrails": asdict(settled["guardrails"])}
        arrays = {"values": values} | ({} if t is None else {"t": t})
        return unpacked(self.compute.run("denoise", Packet(head, arrays), deadline_seconds=deadline_seconds))

    def _make_ready(self) -> None:
        with suppress(RpsdError):  # then nobody stands in, and requests wait for this process
            asked = Packet({"kernels": os.environ.get("NUMBA_CACHE_DIR", "")}, {})
            self._able = self.compute.run("denoise_ready", asked, deadline_seconds=_LOAD_SECONDS).head["ready"]
        self._settled.set()
