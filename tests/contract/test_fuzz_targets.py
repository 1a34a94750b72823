"""Each parser of what strangers send against its corpus and a few hundred spoilt copies of it; `make fuzz` looks further."""

import random

import pytest

from tests.fault.fuzz.mutate import numbers, octets
from tests.fault.fuzz.request import Request
from tests.fault.fuzz.targets.__main__ import CORPUS, NAMES
from tests.fault.fuzz.targets.catalogue import TARGETS

SPOILT = 300


def test_every_target_has_a_corpus() -> None:
    assert tuple(sorted(TARGETS)) == NAMES == tuple(sorted(path.name for path in CORPUS.iterdir()))


@pytest.mark.parametrize("name", NAMES)
def test_whatever_comes_is_read_or_refused(name: str) -> None:
    rng = random.Random(17)
    files = [file.read_bytes() for file in sorted((CORPUS / name).iterdir())]
    assert files
    for data in files:
        TARGETS[name](data)
    for turn in range(SPOILT):
        request = Request(b"POST", b"/", body=files[turn % len(files)])
        for _ in range(rng.choice((1, 1, 3))):
            rng.choice((octets, octets, numbers))(rng, request)
        TARGETS[name](request.body)
