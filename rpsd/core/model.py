"""Models as data: JSON scalars and raw arrays with a digest, never code."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rpsd.core.errors import CorruptData

Array = npt.NDArray[Any]
_MAGIC: Final = b"RPSD1\n"
_DTYPES: Final[dict[str, np.dtype[Any]]] = {"<f8": np.dtype("<f8"), "<i8": np.dtype("<i8"), "|u1": np.dtype("|u1")}
_DIGEST: Final = 32
_MOST_DIMENSIONS: Final = 8
_LONGEST: Final = 2**31


@dataclass(frozen=True, slots=True)
class Packet:
    """A header of JSON scalars, lists and objects, and named arrays of float64, int64 or uint8 of any shape.

    The one wire form of the appliance: model files and the frames between server and worker are packets.
    """

    head: Mapping[str, Any]
    arrays: Mapping[str, Array]

    def pack(self) -> bytes:
        """Bytes: magic, header length, JSON header, raw little-endian arrays, SHA-256 over all before it."""
        layout, blobs = [], []
        for name, array in self.arrays.items():
            flat = np.ascontiguousarray(array)
            dtype = flat.dtype.newbyteorder("<").str
            if dtype not in _DTYPES:
                raise TypeError(f"array {name} is of {flat.dtype}; only float64, int64 and uint8 travel")
            layout.append([name, dtype, list(np.shape(array))])
            blobs.append(flat.astype(_DTYPES[dtype], copy=False).tobytes())
        header = json.dumps({"head": dict(self.head), "arrays": layout}, allow_nan=False).encode()
        body = b"".join([_MAGIC, len(header).to_bytes(4, "little"), header, *blobs])
        return body + hashlib.sha256(body).digest()

    @classmethod
    def unpack(cls, data: bytes) -> "Packet":
        """The packet in data. Raises CorruptData when digest, layout or length do not fit."""
        body, digest = data[:-_DIGEST], data[-_DIGEST:]
        if not data.startswith(_MAGIC) or hashlib.sha256(body).digest() != digest:
            raise CorruptData("the packet's digest does not match its content")
        start = len(_MAGIC) + 4
        end = start + int.from_bytes(body[len(_MAGIC) : start], "little")
        if end > len(body):
            raise CorruptData("the packet's header is longer than the packet")
        try:
            header = json.loads(body[start:end], parse_constant=_refused)
            head, layout = header["head"], header["arrays"]
            arrays, at = _arrays(body, layout, end)
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise CorruptData("the packet's layout cannot be read") from error
        if at != len(body):
            raise CorruptData("the packet is longer than its layout says")
        if type(head) is not dict:
            raise CorruptData("the packet's head is no object")
        return cls(head, arrays)


def _refused(constant: str) -> float:
    """NaN and the infinities are no JSON, though Python's reader knows them."""
    raise ValueError(f"{constant} is no JSON")


def _arrays(body: bytes, layout: list[Any], at: int) -> tuple[dict[str, Array], int]:
    """The arrays as views of body, and where the last of them ends. Raises KeyError, TypeError, ValueError.

    Digests keep out accidents, not malice: whoever writes a file can sign it. So no length is believed before it is known to fit.
    """
    arrays: dict[str, Array] = {}
    for name, dtype, shape in layout:
        if type(name) is not str or name in arrays:
            raise ValueError("an array has no name, or that of another")
        if type(shape) is not list or len(shape) > _MOST_DIMENSIONS or any(type(n) is not int or not 0 <= n <= _LONGEST for n in shape):
            raise ValueError("a shape is no list of lengths")
        kind, count = _DTYPES[dtype], math.prod(shape)
        if count * kind.itemsize > len(body) - at:
            raise ValueError("an array is longer than the packet")
        arrays[name] = np.frombuffer(body, kind, count, at).reshape(shape)
        at += count * kind.itemsize
    return arrays, at


def fingerprint(*arrays: Array) -> str:
    """SHA-256 (hex) over shapes, types and bytes of the arrays: the identity of the data a model saw."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


class Stage(StrEnum):
    """Where a model version stands; exactly one version of a name is in production."""

    CANDIDATE = "candidate"
    STAGING = "staging"
    PRODUCTION = "production"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version in the registry. Times in ns UTC; `card` is the model card (JSON), `state` the packed ModelState."""

    name: str
    version: int
    stage: Stage
    created_ns: int
    trained_from_ns: int
    trained_until_ns: int
    data_fingerprint: str
    digest: str
    card: Mapping[str, Any]
    reason: str
    promoted_by: str | None
    promoted_ns: int | None
    predecessor: int | None
