"""The catalogue of channels against what is published and what the manual says of it."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rpsd.config import read
from rpsd.core.book import Tape
from rpsd.core.market import DAY_NS, SECOND_NS, Samples
from rpsd.services.channel import CHANNELS, parse
from rpsd.services.denoise.live import Wanted
from rpsd.services.wiring import Services, open_services
from tests.flow.web.book_model import serve

MANUAL = (Path(__file__).parents[2] / "rpsd" / "manual" / "channels.md").read_text(encoding="utf-8")
HEARD = ("jobs", "alerts", "drift", "models", "samples:X:1d", "denoise:X:1d", "regime:X:1d", "book:SB.A", "prediction:SB.A")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The newest event of every channel, after something has happened on each."""
    settings = read(environ={"RPSD_DATA_DIR": str(tmp_path_factory.mktemp("d")), "RPSD_STORAGE__MIN_FREE_BYTES": "0"})
    now_ns = time.time_ns()
    with open_services(settings, clock=lambda: now_ns, worker=False) as services, services.events.listen(HEARD) as reader:
        _live_through(services, now_ns)
        found: dict[str, Any] = {}
        until = time.monotonic() + 60.0
        while set(found) < set(HEARD) and time.monotonic() < until:
            found |= {event.channel: event.data for event in reader.take(1.0)}
        yield found


def _live_through(services: Services, now_ns: int) -> None:
    rng = np.random.default_rng(5)
    steps = np.where((np.arange(700) // 60) % 2 == 1, rng.normal(-0.002, 0.025, 700), rng.normal(0.001, 0.006, 700))
    prices = 100 * np.exp(np.cumsum(steps))
    t = (now_ns // DAY_NS - 701 + np.arange(700, dtype=np.int64)) * DAY_NS
    services.series.append("X", "1d", Samples(t[:-1], {"close": prices[:-1].copy()}))
    services.live.declare("X", "1d", [Wanted("close", "ema", name="smooth")])
    services.regime.train("regime:X:1d:2_state")
    services.series.append("X", "1d", Samples(t[-1:], {"close": prices[-1:].copy()}))
    services.job.enqueue("upkeep", {}, by="test")
    services.alert.raise_("drift", "nothing", "LOW", "nothing has happened")
    services.drift.scan(progress=lambda *_: None, cancelled=lambda: False)
    serve(services, "book:SB.A:next_mid_move", tick=0.5)
    quotes = np.array([[[99.5, 3.0]], [[99.5, 4.0]]]), np.array([[[100.5, 1.0]], [[100.5, 2.0]]])
    services.book.ingest("SB.A", Tape.of_books(now_ns - np.array([SECOND_NS, 0]), *quotes, np.full((2, 2), 1)), tick=0.5)


def shape(value: Any) -> Any:
    """Names all the way down; of a list those of its first element. Maps from names of the user's own have none."""
    if isinstance(value, dict):
        return {name: shape(child) for name, child in value.items() if name not in ("volume", "args")}
    return [shape(child) for child in value[:1]] if isinstance(value, list) and value and isinstance(value[0], dict) else None


def test_every_family_is_heard_here() -> None:
    assert [parse(name).family for name in HEARD] == list(CHANNELS)


@pytest.mark.parametrize("name", HEARD)
def test_what_is_published_has_the_shape_that_the_manual_shows(told: dict[str, Any], name: str) -> None:
    family = name.split(":", maxsplit=1)[0]
    section = MANUAL.split(f"\n### {family}\n")[1].split("\n### ")[0]
    example = json.loads(re.search(r"```json\n(.*?)```", section, re.S)[1])  # type: ignore[index]
    assert name in told, f"nothing was published on {name}"
    assert shape(told[name]) == shape(example)
    json.dumps(told[name], allow_nan=False)


def test_the_manual_lists_the_catalogue() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| `(\w+)` \| ([^|]+) \|", MANUAL, re.M)
    assert rows == [(family.pattern, family.scope, family.sentence) for family in CHANNELS]
