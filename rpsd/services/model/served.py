"""Models in production, as much of each as serving needs, remembered by version."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from rpsd.core.errors import CorruptData, FeatureGraphChanged, InvalidRequest, NoModel
from rpsd.core.model import Packet
from rpsd.core.observed import graph, observed
from rpsd.store import model as rows
from rpsd.store.db import Connection

if TYPE_CHECKING:
    from rpsd.services.model.quarantine import Quarantine

BOOK: Final = "book"
"""The kind in the head of a packet that holds a model of an order book."""
_REMEMBERED: Final = 4096
_NOT_SERVED: Final = frozenset({"states", "selection", "evaluation", "annualisation"})
"""What a header tells of the fit alone: the larger part of it."""
_OF_THE_FIT: Final = frozenset({"trace", "trial", "pits"})
"""Arrays that serve retraining alone."""


@dataclass(frozen=True)
class ServedModel:
    """A version of a model with its state; the packet lacks what only statistics tell."""

    name: str
    version: int
    created_ns: int
    packet: Packet

    @cached_property
    def opened(self) -> Any:
        """The state as the kernels read it, made when a bar first moves the filter: it takes longer than the bar."""
        from rpsd.regime.state import opened  # numerics wait for the warm-up

        return opened(self.packet)

    @property
    def trained_until_ns(self) -> int:
        """The last bar that the parameters have seen."""
        return int(self.packet.head["trained_until_ns"])

    @property
    def last_bar_ns(self) -> int:
        """The last bar of the training window; it lies behind trained_until_ns when it followed a gap."""
        return int(self.packet.head["carry_ns"])


def is_whole(packet: Packet) -> bool:
    """Whether this release can serve the model: it kept what the next bar needs, and its features still mean what they meant."""
    return _keeps_its_end(packet) and packet.head.get("graph") == present_graph(packet)


def present_graph(packet: Packet) -> str | None:
    """SHA-256 (hex) of the features that the model observes as they are computed now; None when there are no such features any more."""
    if packet.head.get("kind") == BOOK:
        from rpsd.book.features import GRAPH  # numerics wait for the warm-up

        return GRAPH
    try:
        return graph(observed(packet.head["columns"]))
    except InvalidRequest:
        return None


def require_servable(name: str, version: int, packet: Packet) -> None:
    """Raise NoModel when an older release fitted the model, FeatureGraphChanged when it observes what is now computed otherwise."""
    hint = f"Train it: POST /api/v1/models/{name}/retrain."
    if not _keeps_its_end(packet):
        reason = f"version {version} of {name} was fitted by an older rpsd, which did not keep what this one goes on from"
        raise NoModel(reason, hint=hint)
    if packet.head.get("graph") != present_graph(packet):
        trained = str(packet.head.get("graph"))[:12]
        raise FeatureGraphChanged(
            f"version {version} of {name} was trained on features {trained}, which are now computed otherwise", hint=hint
        )


def _keeps_its_end(packet: Packet) -> bool:
    return packet.head.get("kind") == BOOK or "carry" in packet.arrays


class ServedModels:
    """The most recently used ones; a version never changes."""

    def __init__(self, quarantine: "Quarantine") -> None:
        self._quarantine = quarantine
        self._held: OrderedDict[tuple[str, int], ServedModel] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, c: Connection, name: str, version: int) -> ServedModel:
        """That version. Raises UnknownModel, CorruptData, NoModel for one that an older release has fitted, FeatureGraphChanged."""
        key = (name, version)
        with self._lock:
            if (held := self._held.get(key)) is not None:
                self._held.move_to_end(key)
                return held
        created_ns = rows.find(c, name, version).created_ns
        try:
            whole = rows.packet(c, name, version)
        except CorruptData as error:
            self._quarantine.note_damaged(name, version, error)
            raise
        require_servable(name, version, whole)
        head = {word: value for word, value in whole.head.items() if word not in _NOT_SERVED}
        # copies: a view would keep the whole packet in memory
        arrays = {word: array.copy() for word, array in whole.arrays.items() if word not in _OF_THE_FIT}
        made = ServedModel(name, version, created_ns, Packet(head, arrays))
        with self._lock:
            self._held[key] = made
            while len(self._held) > _REMEMBERED:
                self._held.popitem(last=False)
        return made
