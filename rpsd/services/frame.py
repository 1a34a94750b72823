"""Frames on the socket between server and worker: the length in eight little-endian bytes, then a packet."""

from typing import Final

from rpsd.core.errors import CorruptData
from rpsd.core.model import Packet

_PREFIX: Final = 8
_LARGEST: Final = 4 << 30
"""No task sends 4 GiB; a longer frame is a broken stream."""


def framed(packet: Packet) -> bytes:
    """The bytes of one frame."""
    body = packet.pack()
    return len(body).to_bytes(_PREFIX, "little") + body


class FrameReader:
    """Packets out of a byte stream that arrives in pieces of any size."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, piece: bytes) -> list[Packet]:
        """The packets that this piece completes, in order. Raises CorruptData on a stream that is not ours."""
        self._held += piece
        packets = []
        while (packet := self._next()) is not None:
            packets.append(packet)
        return packets

    def _next(self) -> Packet | None:
        if len(self._held) < _PREFIX:
            return None
        end = _PREFIX + int.from_bytes(self._held[:_PREFIX], "little")
        if end > _LARGEST:
            raise CorruptData("a frame between server and worker is impossibly long")
        if len(self._held) < end:
            return None
        with memoryview(self._held) as view:
            packet = Packet.unpack(bytes(view[_PREFIX:end]))
        del self._held[:end]
        return packet
