"""Models in production, as much of each as serving needs, remembered by version."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from rpsd.core.model import Packet
from rpsd.store import model as rows
from rpsd.store.db import Connection

_REMEMBERED: Final = 4096
_NOT_SERVED: Final = frozenset({"states", "selection", "evaluation", "annualisation"})
"""What a header tells of the fit alone: the larger part of it."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A version of a model with its state; the packet lacks what only statistics tell."""

    name: str
    version: int
    created_ns: int
    packet: Packet

    @property
    def trained_until_ns(self) -> int:
        """The last bar that the parameters have seen."""
        return int(self.packet.head["trained_until_ns"])


class ServedModels:
    """The most recently used ones; a version never changes."""

    def __init__(self) -> None:
        self._held: OrderedDict[tuple[str, int], ServedModel] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, c: Connection, name: str, version: int) -> ServedModel:
        """That version. Raises UnknownModel, CorruptData."""
        key = (name, version)
        with self._lock:
            if (held := self._held.get(key)) is not None:
                self._held.move_to_end(key)
                return held
        created_ns, whole = rows.find(c, name, version).created_ns, rows.packet(c, name, version)
        head = {word: value for word, value in whole.head.items() if word not in _NOT_SERVED}
        # copies: a view would keep the whole packet in memory
        arrays = {word: array.copy() for word, array in whole.arrays.items() if word != "trace"}
        made = ServedModel(name, version, created_ns, Packet(head, arrays))
        with self._lock:
            self._held[key] = made
            while len(self._held) > _REMEMBERED:
                self._held.popitem(last=False)
        return made
