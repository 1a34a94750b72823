"""Models of order books in production, ready for the kernel, remembered until another version may serve."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

from rpsd.core.errors import CorruptData, NoModel
from rpsd.core.model import ModelVersion, Packet
from rpsd.services.model.name import BookName, label_word
from rpsd.services.model.served import require_servable
from rpsd.services.model.service import ModelService

_REMEMBERED: Final = 4096
"""Names of models; each is held with some kilobytes, and so is the knowledge that a name has none."""
_UNSEEN: Final[tuple[int, None]] = (-1, None)


@dataclass(frozen=True, slots=True)
class ServedBook:
    """A version of a model of an order book. `tick` is the step that its training prices were multiples of; None of a pooled one."""

    name: BookName
    text: str
    version: int
    label: str
    tick: float | None
    is_calibrated: bool
    alpha: float
    packed: Any


class ServedBooks:
    """The models in production by name. The registry's count of changes says when to look again."""

    def __init__(self, model: ModelService) -> None:
        self._model = model
        self._held: OrderedDict[str, tuple[int, ServedBook | None]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def changes(self) -> int:
        """Counts up once another version may serve."""
        return self._model.changes

    def are_known(self, name: BookName, *, exact: bool) -> bool:
        """Whether find() needs neither the disk nor an import."""
        changes = self._model.changes
        for one in _in_turn(name, exact):
            seen, found = self._held.get(one, _UNSEEN)
            if seen != changes or found is not None:
                return seen == changes  # find() stops at the first that there is
        return True

    def find(self, name: BookName, *, exact: bool) -> ServedBook:
        """The model of that name or, unless it is to be exactly that one, the pooled one for its label.

        Raises NoModel, CorruptData, FeatureGraphChanged.
        """
        for one in _in_turn(name, exact):
            if (found := self._of(one)) is not None:
                return found
        raise self._none(str(name))

    def _of(self, name: str) -> ServedBook | None:
        changes = self._model.changes  # before the read: a version that comes meanwhile is looked for again
        with self._lock:
            held = self._held.get(name)
            if held is not None and held[0] == changes:
                self._held.move_to_end(name)
                return held[1]
        production = self._model.production(name)
        if production is not None:
            require_servable(name, production[0].version, production[1])
        found = None if production is None else opened(*production)
        with self._lock:
            self._held[name] = (changes, found)
            self._held.move_to_end(name)
            while len(self._held) > _REMEMBERED:
                self._held.popitem(last=False)
        return found

    def _none(self, name: str) -> NoModel:
        told = f"{name} has no version in production"
        if kept_back := self._model.refusal(name):
            hint = f"`rpsd models show {name}` prints what it was tested on; train it on more events, or promote it by force."
            return NoModel(f"{told}; the newest was kept back or replaced: {kept_back}", hint=hint)
        return NoModel(told, hint=f"Train it: POST /api/v1/models/{name}/retrain, or `rpsd retrain --model {name}`.")


def _in_turn(name: BookName, exact: bool) -> tuple[str, ...]:
    """The names to try; a pooled model stands in where the symbol has none of its own."""
    return (str(name),) if exact or name.is_pooled else (str(name), str(name.pooled))


def opened(version: ModelVersion, packet: Packet) -> ServedBook:
    """A version as the kernel reads it. Raises CorruptData for the packet of another kind of model."""
    from rpsd.book.forecast import opened as made  # numerics wait for the warm-up
    from rpsd.kernels.forecast import packed

    head, name = packet.head, BookName.parse(version.name)
    if head.get("kind") != "book":
        raise CorruptData(f"version {version.version} of {version.name} is no model of an order book")
    tick = None if name.is_pooled or head["tick"] is None else float(head["tick"])
    calibrated, alpha = bool(head["calibration"]), float(head["alpha"])
    return ServedBook(name, version.name, version.version, label_word(name.label), tick, calibrated, alpha, packed(made(packet)))
