"""Bodies are refused before anything parses them."""

import asyncio
import gc
import gzip
import json
import weakref
import zlib
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from rpsd.core.errors import BodyTooLarge, MalformedBody, RequestTimeout, UnsupportedMediaType
from rpsd.web.limits import DEEPEST, BoundedBody, check_depth, inflater


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


def test_depth_at_the_bound_passes_and_one_more_is_refused() -> None:
    check_depth(nested(DEEPEST))
    with pytest.raises(MalformedBody, match="32 levels"):
        check_depth(nested(DEEPEST + 1))


def test_depth_counts_objects_and_unknown_fields() -> None:
    with pytest.raises(MalformedBody):
        check_depth(b'{"unknown":' * 33 + b"1" + b"}" * 33)


def test_brackets_in_strings_do_not_count() -> None:
    check_depth(json.dumps(["[" * 100, '\\"' + "{" * 100]).encode())


def test_a_wide_body_is_not_deep() -> None:
    check_depth(json.dumps([{"t": [n]} for n in range(1000)]).encode())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=60
)


def depth_of(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


@given(json_values, st.integers(0, 40))
def test_depth_agrees_with_a_walk(value: Any, wraps: int) -> None:
    for _ in range(wraps):
        value = [value]
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
    if depth_of(value) > DEEPEST:
        with pytest.raises(MalformedBody):
            check_depth(text)
    else:
        check_depth(text)


def read_all(pieces: list[bytes], *, most: int = 1 << 20, encoding: str = "", timeout: float = 5.0, pause: float = 0.0) -> bytes:
    async def run() -> bytes:
        queue = list(pieces)

        async def receive() -> dict[str, Any]:
            if pause:
                await asyncio.sleep(pause)
            piece = queue.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(queue)}

        body = BoundedBody(receive, most=most, timeout_seconds=timeout, inflate=inflater(encoding))
        found = b""
        while not body.complete:
            found += (await body())["body"]
        return found

    return asyncio.run(run())


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)] or [b""]


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("encoding", ["", "gzip", "zstd"])
def test_a_body_arrives_whole_however_it_is_cut(encoding: str, size: int) -> None:
    plain = bytes(range(256)) * 20
    sent = {"": plain, "gzip": gzip.compress(plain), "zstd": zstandard.compress(plain)}[encoding]
    assert read_all(cut(sent, size), encoding=encoding) == plain


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_members_in_a_row_are_one_body(encoding: str) -> None:
    pack = gzip.compress if encoding == "gzip" else zstandard.compress
    assert read_all([pack(b"one,") + pack(b"two")], encoding=encoding) == b"one,two"


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_bomb_is_met_at_the_decoded_limit(encoding: str) -> None:
    pack = gzip.compress if encoding == "gzip" else zstandard.compress
    with pytest.raises(BodyTooLarge, match="decoded"):
        read_all([pack(bytes(50 << 20))], encoding=encoding)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_damage_and_cuts_are_malformed(encoding: str) -> None:
    packed = gzip.compress(b"x" * 5000) if encoding == "gzip" else zstandard.compress(b"x" * 5000)
    with pytest.raises(MalformedBody, match="cut off"):
        read_all([packed[:-1]], encoding=encoding)
    with pytest.raises(MalformedBody, match="damaged"):
        read_all([b"no " + packed], encoding=encoding)


def test_deflate_is_not_read() -> None:
    with pytest.raises(UnsupportedMediaType):
        read_all([zlib.compress(b"x")], encoding="deflate")


def test_size_is_bounded_without_an_announced_length() -> None:
    with pytest.raises(BodyTooLarge):
        read_all([b"x" * 600, b"x" * 600], most=1000)


def test_a_body_that_drips_meets_its_deadline() -> None:
    with pytest.raises(RequestTimeout):
        read_all([b"x"] * 50, timeout=0.1, pause=0.02)


def test_a_body_that_is_late_is_not_waited_for_again() -> None:
    async def run() -> bool:
        async def receive() -> dict[str, Any]:
            await asyncio.sleep(60)
            raise AssertionError

        body = BoundedBody(receive, most=10, timeout_seconds=0.05, inflate=None)
        with pytest.raises(RequestTimeout):
            await body()
        async with asyncio.timeout(0.1):
            return await body.drain()

    assert asyncio.run(run()) is False


def test_the_servers_own_time_does_not_count_against_a_body() -> None:
    async def run() -> bytes:
        pieces = [b"one", b"two"]

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

        body = BoundedBody(receive, most=10, timeout_seconds=0.02, inflate=None)
        found: bytes = (await body())["body"]
        await asyncio.sleep(0.05)  # the handler computes
        return found + bytes((await body())["body"])

    assert asyncio.run(run()) == b"onetwo"


def test_a_body_that_has_come_leaves_no_alarm_behind() -> None:
    async def run() -> int:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"all", "more_body": False}

        bodies = [BoundedBody(receive, most=10, timeout_seconds=60, inflate=None) for _ in range(3)]
        for body in bodies:
            await body()
        references = [weakref.ref(body) for body in bodies]
        del body, bodies
        await asyncio.sleep(0)
        gc.collect()
        return sum(reference() is not None for reference in references)

    assert asyncio.run(run()) == 0


def test_a_cancelled_wait_is_no_late_body() -> None:
    async def run() -> None:
        async def receive() -> dict[str, Any]:
            await asyncio.sleep(60)
            raise AssertionError

        task = asyncio.create_task(BoundedBody(receive, most=10, timeout_seconds=60, inflate=None)())
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run())


@pytest.mark.parametrize("body", [b"[" * 40 + b'"' + b"a" * 100_000, b"[" * 40 + b'"' + b'\\"' * 100_000, b"[" * 40 + b'"\\'])
def test_a_string_that_does_not_end_takes_no_time(body: bytes) -> None:
    with pytest.raises(MalformedBody):  # a pattern that backtracks would need longer than the universe has
        check_depth(body)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_what_unfolds_comes_in_pieces(encoding: str) -> None:
    plain = bytes(30 << 20)
    inflate = inflater(encoding)
    assert inflate is not None
    sizes = [len(inflate.feed(gzip.compress(plain) if encoding == "gzip" else zstandard.compress(plain)))]
    while inflate.waiting:
        sizes.append(len(inflate.feed(b"")))
    inflate.finish()
    assert sum(sizes) == len(plain)
    assert max(sizes) <= 6 << 20


@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(1, 50), st.sampled_from(["gzip", "zstd"]))
def test_members_and_cuts_do_not_matter(parts: list[bytes], size: int, encoding: str) -> None:
    pack = gzip.compress if encoding == "gzip" else zstandard.compress
    assert read_all(cut(b"".join(map(pack, parts)), size), encoding=encoding) == b"".join(parts)


def test_the_client_that_goes_away_is_told_so() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    with pytest.raises(MalformedBody, match="cut off"):
        asyncio.run(BoundedBody(receive, most=10, timeout_seconds=1, inflate=None)())


def drained(messages: list[dict[str, object]], pause: float = 0.0) -> tuple[bool, int]:
    """What drain() says, and how many messages it left."""

    async def run() -> bool:
        async def receive() -> dict[str, object]:
            await asyncio.sleep(pause)
            return messages.pop(0)

        return await BoundedBody(receive, most=10, timeout_seconds=1, inflate=None).drain()

    return asyncio.run(run()), len(messages)


def piece(size: int, *, more: bool = True) -> dict[str, object]:
    return {"type": "http.request", "body": bytes(size), "more_body": more}


def test_the_rest_of_a_body_is_let_by_within_bounds() -> None:
    assert drained([piece(20), piece(20, more=False), {"type": "http.disconnect"}]) == (True, 1)
    assert drained([piece(40_000)] * 5) == (False, 3)
    assert drained([piece(1), {"type": "http.disconnect"}, piece(1)]) == (False, 1)
    assert drained([piece(1, more=False)], pause=5.0) == (False, 1)
