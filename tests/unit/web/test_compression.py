"""Accept-Encoding is followed, and what is compressed unpacks to the same bytes."""

import gzip

import brotli
import pytest
import zstandard

from rpsd.web.compression import chosen, compressor


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [
        (b"gzip, deflate, br, zstd", "zstd"),
        (b"br;q=1.0, gzip;q=0.5", "br"),
        (b"gzip", "gzip"),
        (b"gzip;q=0", ""),
        (b"zstd;q=0.0, gzip", "gzip"),
        (b"identity", ""),
        (b"", ""),
        (b"xgzip", ""),
    ],
)
def test_choice(accept: bytes, encoding: str) -> None:
    assert chosen(accept, b"application/json") == encoding


def test_float_frames_stay_as_they_are() -> None:
    assert chosen(b"gzip", b"application/octet-stream") == ""


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd"])
def test_streams_unpack(encoding: str) -> None:
    pack = compressor(encoding)
    sent = pack(b"one " * 500, False) + pack(b"two " * 500, False) + pack(b"", True)
    unpack = {
        "gzip": gzip.decompress,
        "br": brotli.decompress,
        "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
    }
    assert unpack[encoding](sent) == b"one " * 500 + b"two " * 500
