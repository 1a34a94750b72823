"""A cache of packets, bounded by number, age and bytes, in which equal questions at one time are asked once."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

from rpsd.core.model import Packet

_MOST_BYTES: Final = 64 << 20


class PacketCache:
    """The least recently used packet goes first; a packet larger than a quarter of the room is not kept."""

    def __init__(
        self, size: int, ttl_seconds: float, *, most_bytes: int = _MOST_BYTES, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._size, self._ttl, self._most_bytes, self._monotonic = size, ttl_seconds, most_bytes, monotonic
        self._held: OrderedDict[str, tuple[float, int, Packet]] = OrderedDict()
        self._asked: dict[str, Future[Packet]] = {}
        self._lock = threading.Lock()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._held)

    def fetch(self, key: str, make: Callable[[], Packet]) -> tuple[Packet, bool]:
        """The packet and whether it was there already. While one caller makes it, others of the same key wait for it.

        An exception of make() is raised for the caller that makes; the others then try by themselves.
        """
        with self._lock:
            if (packet := self._fresh(key)) is not None:
                return packet, True
            waiting = self._asked.get(key)
            if waiting is None:
                self._asked[key] = mine = Future[Packet]()
        if waiting is not None:
            if waiting.exception() is None:
                return waiting.result(), True
            return self.fetch(key, make)
        try:
            packet = make()
        except BaseException as error:
            with self._lock:
                del self._asked[key]
            mine.set_exception(error)
            del mine  # it holds the error, and that this frame: a ring that would stay until the collector comes by
            raise
        with self._lock:
            del self._asked[key]
            self._keep(key, packet)
        mine.set_result(packet)
        return packet, False

    def _fresh(self, key: str) -> Packet | None:
        held = self._held.get(key)
        if held is None:
            return None
        if self._monotonic() - held[0] > self._ttl:
            self._drop(key)
            return None
        self._held.move_to_end(key)
        return held[2]

    def _keep(self, key: str, packet: Packet) -> None:
        size = 4096 + sum(array.nbytes for array in packet.arrays.values())  # the header is a few kilobytes
        if self._size == 0 or size > self._most_bytes // 4:
            return
        self._held[key] = (self._monotonic(), size, packet)
        self.bytes += size
        while len(self._held) > self._size or self.bytes > self._most_bytes:
            self._drop(next(iter(self._held)))

    def _drop(self, key: str) -> None:
        self.bytes -= self._held.pop(key)[1]
