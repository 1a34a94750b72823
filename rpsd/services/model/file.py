"""Model files: a version on its way to another appliance, and what is looked at before a foreign one is let in."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from rpsd import __version__
from rpsd.core import instant, market
from rpsd.core.errors import BadModelFile, BadSymbol, CorruptData, UnknownModel
from rpsd.core.foreign import array, require, table, tame, whole, words
from rpsd.core.model import ModelVersion, Packet
from rpsd.core.regime import states_of
from rpsd.services.model.alias import ModelAliases
from rpsd.services.model.name import RegimeName, parse
from rpsd.services.model.quarantine import Quarantine
from rpsd.services.model.served import present_graph
from rpsd.services.model.service import brief
from rpsd.store import audit
from rpsd.store import model as rows
from rpsd.store.db import Connection, Database
from rpsd.store.idempotency import run_once

if TYPE_CHECKING:
    from rpsd.store.idempotency import Once

FORMAT: Final = 1
LARGEST: Final = 32 << 20
"""Bytes of the largest model file."""
VERDICT: Final = "imported: evaluate it here"
"""What the gate says of a foreign version: its evaluation was on data of another appliance."""

_EVER_NS: Final = 2**62
_PICKLE: Final = "is a pickle or the like, which runs whatever code it names when it is opened, so none is ever read here"
_PACKED: Final = "is compressed, and model files never are: nothing is unpacked here, so that nothing can blow up"
_FOREIGN: Final = (
    (b"\x80\x02", _PICKLE),
    (b"\x80\x03", _PICKLE),
    (b"\x80\x04", _PICKLE),
    (b"\x80\x05", _PICKLE),
    (b"(", _PICKLE),
    (b"c", _PICKLE),
    (b"PK", _PACKED),
    (b"\x1f\x8b", _PACKED),
    (b"BZh", _PACKED),
    (b"\xfd7zXZ", _PACKED),
    (b"\x28\xb5\x2f\xfd", _PACKED),
    (b"\x78\x01", _PACKED),
    (b"\x78\x9c", _PACKED),
    (b"\x78\xda", _PACKED),
    (b"\x93NUMPY", "is an array of numpy, which may hold objects, and those are pickles"),
    (b"\x89HDF", "is an HDF5 file, as other libraries write models; rpsd reads its own model files alone"),
)


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A version in a file: its name and number where it comes from, its card, and its state, packed and opened. Times in ns UTC."""

    name: str
    version: int
    trained_from_ns: int
    trained_until_ns: int
    data_fingerprint: str
    card: Mapping[str, Any]
    state: bytes
    packet: Packet


class ModelFiles:
    """Export and import; what is imported becomes a candidate, whatever its file says."""

    def __init__(self, database: Database, clock: Callable[[], int], aliases: ModelAliases, quarantine: Quarantine) -> None:
        self._database, self._clock, self._aliases, self._quarantine = database, clock, aliases, quarantine

    def exported(self, name: str, version: str) -> tuple[bytes, str]:
        """The file of a version, named by its number or an alias, and its SHA-256 (hex). Raises UnknownModel, CorruptData."""
        chosen = self._aliases.resolve(name, version)
        try:
            state = self._database.read(lambda c: rows.packed(c, chosen.name, chosen.version))
        except CorruptData as error:
            self._quarantine.note_damaged(chosen.name, chosen.version, error)
            raise
        data = written(chosen, state)
        return data, hashlib.sha256(data).hexdigest()

    def imported(self, data: bytes, by: str, *, digest: str = "", once: "Once | None" = None) -> dict[str, Any]:
        """Register the version in the file as the next of its name, a candidate; audited. Answer: the version and the file's digest.

        `digest`: what the sender says that the file's SHA-256 is, empty if nothing. What is not valid is set aside in the quarantine.
        Raises BadModelFile, IdempotencyConflict.
        """
        seen = hashlib.sha256(data).hexdigest()
        try:
            require(not digest or digest.strip().lower() == seen, f"its SHA-256 is {seen}, and not what was said")
            file = opened(data)
        except BadModelFile as error:
            self._quarantine.note_file(data, _name_of(data), error.detail, by)
            raise
        now_ns = self._clock()
        origin = {"from": _origin(file), "digest": seen, "by": by, "at": instant.text(now_ns)}
        here = {"predecessor": None, "lineage": {}, "imported": origin, "gate": {"promoted": False, "reason": VERDICT}}
        card = {"evaluation": None, **file.card, **here}

        def write(c: Connection) -> dict[str, Any]:
            made = rows.add(
                c,
                file.name,
                file.state,
                trained_from_ns=file.trained_from_ns,
                trained_until_ns=file.trained_until_ns,
                data_fingerprint=file.data_fingerprint,
                card=card,
                now_ns=now_ns,
                reason=VERDICT,
            )
            audit.append(c, by, "model.import", file.name, {"version": made.version, "digest": seen, "from": file.version}, now_ns)
            return brief(made) | {"file_digest": seen}

        return self._database.write(lambda c: run_once(c, once, now_ns, lambda: write(c))[0]).result()


def written(version: ModelVersion, state: bytes) -> bytes:
    """The file of a version: a packet around the packet of its state."""
    import numpy as np

    facts = ("name", "version", "trained_from_ns", "trained_until_ns", "data_fingerprint")
    head = {"file": FORMAT, "rpsd": __version__, **{name: getattr(version, name) for name in facts}, "card": dict(version.card)}
    return Packet(head, {"state": np.frombuffer(state, np.uint8)}).pack()


def opened(data: bytes) -> ModelFile:
    """The version in a file, every part of which has been looked at. Raises BadModelFile."""
    _require_packet(data)
    try:
        outer = Packet.unpack(data)
    except CorruptData as error:
        raise BadModelFile(f"the file is damaged: {error.detail}") from error
    head = outer.head
    tame(head, "the head of the file")
    require(type(head.get("file")) is int and head["file"] == FORMAT, f"the file is no model file of format {FORMAT}")
    require(set(outer.arrays) == {"state"}, "the file holds other things than one model")
    name, version = head.get("name"), whole(head, "version", 1, 2**31)
    begins, ends = (whole(head, word, -_EVER_NS, _EVER_NS) for word in ("trained_from_ns", "trained_until_ns"))
    seen = head.get("data_fingerprint")
    require(
        isinstance(name, str) and isinstance(seen, str) and len(seen) <= 128, "the file does not say whose model it is, or of which data"
    )
    state = array(outer, "state", (None,), "|u1").tobytes()
    try:
        packet = Packet.unpack(state)
    except CorruptData as error:
        raise BadModelFile(f"the model within the file is damaged: {error.detail}") from error
    card = table(head, "card")
    _require_model(str(name), packet, card)
    fits = (begins, ends) == (packet.head["trained_from_ns"], packet.head["trained_until_ns"])
    require(fits, "the file and the model within tell of different training windows")
    return ModelFile(str(name), version, begins, ends, str(seen), card, state, packet)


def _origin(file: ModelFile) -> dict[str, Any]:
    """Where the version comes from; numbers of versions and ids of runs over there mean others here, or none."""
    run = (file.card.get("lineage") or {}).get("run")
    return {"name": file.name, "version": file.version, "predecessor": file.card.get("predecessor"), "run": run}


def _require_packet(data: bytes) -> None:
    """Tell by the first bytes what is none of rpsd's files, before anything of it is read."""
    require(len(data) <= LARGEST, f"the file has {len(data)} bytes; {LARGEST} are the most")
    for begin, reason in _FOREIGN:
        require(not data.startswith(begin), f"the file {reason}")


def _require_model(name: str, packet: Packet, card: Mapping[str, Any]) -> None:
    """The model behind the name, its card, and its features."""
    try:
        wanted = parse(name)
    except UnknownModel as error:
        raise BadModelFile(error.detail) from error
    require(str(wanted) == name, f"the name {name[:80]!r} is not written as rpsd writes it")
    kind = "regime" if isinstance(wanted, RegimeName) else "book"
    require(card.get("kind") == kind and card.get("symbol") == wanted.symbol, "the card is that of another model")
    require(isinstance(card.get("evaluation"), dict | None), "the card's evaluation is no object")
    table(card, "params")
    if card.get("predecessor") is not None:
        whole(card, "predecessor", 1, 2**31)
    if card.get("lineage") is not None:
        run = table(card, "lineage").get("run")
        require(run is None or (isinstance(run, str) and len(run) <= 64), "the run of the lineage is no id")
    window = table(card, "window")
    for word in ("from_ns", "until_ns"):
        whole(window, word, -_EVER_NS, _EVER_NS)
    require(_graph(packet) == packet.head.get("graph"), "the model was trained on features that are computed otherwise here")
    if isinstance(wanted, RegimeName):
        from rpsd.regime.foreign import require_regime  # numerics wait for the warm-up

        require_regime(packet, wanted.regime_type, wanted.interval, states_of(wanted.regime_type))
        for word in ("columns", "labels"):
            require(card.get(word) == packet.head[word], f"the card and the model disagree about {word}")
        whole(card, "cold_ns", -_EVER_NS, _EVER_NS)
    else:
        require("cold_ns" not in card, "the card tells of cold starts, which models of order books do not have")
        symbols = words(window, "symbols", 1000)
        require(bool(symbols) and all(_is_symbol(one) for one in symbols), "the window names no order books")
        from rpsd.book.foreign import require_book  # numerics wait for the warm-up

        require_book(packet, asdict(wanted.label))


def _is_symbol(text: str) -> bool:
    try:
        return market.symbol(text) == text
    except BadSymbol:
        return False


def _graph(packet: Packet) -> str | None:
    """The features of the model as they are computed here."""
    try:
        return present_graph(packet)
    except (KeyError, TypeError, AttributeError):  # columns that are none, or no list of words
        return None


def _name_of(data: bytes) -> str | None:
    """The name that a file claims, if it can be read so far."""
    try:
        found = Packet.unpack(data).head.get("name")
    except CorruptData:
        return None
    return found[:200] if isinstance(found, str) else None
