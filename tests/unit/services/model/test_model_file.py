"""Model files: what leaves comes in again elsewhere, and nothing that is no model is ever let in."""

import gzip
import io
import json
import pickle
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rpsd.config import read
from rpsd.core.errors import BadModelFile, CorruptData, GateRefused
from rpsd.core.model import Packet
from rpsd.services.model import file as model_file
from rpsd.services.wiring import Services, open_services
from tests.unit.services.conftest import daily, two_moods

NAME = "regime:X:1d:2_state"


@pytest.fixture
def stocked(services: Services) -> Services:
    services.series.append("X", "1d", daily(two_moods(400)))
    services.regime.train(NAME)
    return services


def refused(services: Services, data: bytes, match: str, **more: Any) -> None:
    """The file is refused for that reason, set aside, and nothing is registered or loaded."""
    before = len(services.model.versions(NAME))
    with pytest.raises(BadModelFile, match=match):
        services.model_file.imported(data, "me", **more)
    assert len(services.model.versions(NAME)) == before
    row = services.quarantine.page(None, 1)[0][0]
    assert (row["origin"], row["bytes"], row["noted_by"]) == ("import", len(data), "me")


def changed(data: bytes, *, card: Any = None, head: Any = None, arrays: Any = None, outer: Any = None) -> bytes:
    """The file with parts replaced, well signed as malice would have it."""
    whole = Packet.unpack(data)
    inner = Packet.unpack(whole.arrays["state"].tobytes())
    kept = {name: array for name, array in {**inner.arrays, **(arrays or {})}.items() if array is not None}
    state = Packet({**inner.head, **(head or {})}, kept).pack()
    told = {**whole.head, "card": {**whole.head["card"], **(card or {})}, **(outer or {})}
    return Packet(told, {"state": np.frombuffer(state, np.uint8)}).pack()


def test_a_version_goes_out_and_comes_in_again_as_a_candidate(stocked: Services) -> None:
    data, digest = stocked.model_file.exported(NAME, "champion")
    made = stocked.model_file.imported(data, "me", digest=digest.upper())
    assert (made["version"], made["stage"], made["file_digest"]) == (2, "candidate", digest)
    first, second = reversed(stocked.model.versions(NAME))
    assert second["digest"] == first["digest"]
    run = first["card"]["lineage"]["run"]
    assert second["card"]["imported"]["from"] == {"name": NAME, "version": 1, "predecessor": None, "run": run}
    assert second["card"]["gate"] == {"promoted": False, "reason": model_file.VERDICT}
    with pytest.raises(GateRefused, match="evaluate it here"):
        stocked.model.promote(NAME, 2, "it was good there", "me")
    assert stocked.access.audit(None, 1)[0][0]["action"] == "model.import"


def test_another_appliance_serves_what_was_imported_once_it_is_forced(stocked: Services, tmp_path, clock) -> None:
    data, _ = stocked.model_file.exported(NAME, "1")
    settings = read(environ={"RPSD_STORAGE__DATA_DIR": str(tmp_path / "other"), "RPSD_STORAGE__MIN_FREE_BYTES": "1MiB"})
    with open_services(settings, clock=clock, worker=False) as other:
        other.series.append("X", "1d", daily(two_moods(400)))
        other.model_file.imported(data, "me")
        other.model.promote(NAME, 1, "try it", "boss", force=True)
        assert other.regime.current("X", "1d", "2_state") == stocked.regime.current("X", "1d", "2_state")
        assert other.regime.history("X", "1d", "2_state")["regimes"] == stocked.regime.history("X", "1d", "2_state")["regimes"]
        assert other.regime.statistics("X", "1d", "2_state")["states"] == stocked.regime.statistics("X", "1d", "2_state")["states"]


def test_numbers_of_another_appliance_are_no_lineage_here(stocked: Services) -> None:
    data = changed(stocked.model_file.exported(NAME, "1")[0], card={"predecessor": 1}, outer={"version": 7})
    made = stocked.model_file.imported(data, "me")
    [link] = stocked.model_card.lineage(NAME, made["version"], 10)["chain"]
    assert (link["predecessor"], link["run"]) == (None, None)
    assert (link["imported"]["from"]["version"], link["imported"]["from"]["predecessor"]) == (7, 1)


class Dangerous:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return exec, ("raise SystemExit('opened')",)


def archive() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("model", b"\0" * 10_000_000)
    return held.getvalue()


def objects() -> bytes:
    held = io.BytesIO()
    np.save(held, np.array([None, Dangerous()], object), allow_pickle=True)
    return held.getvalue()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        *((pickle.dumps(Dangerous(), protocol), "pickle") for protocol in range(6)),
        (archive(), "compressed"),
        (gzip.compress(b"\0" * 10_000_000), "compressed"),
        (objects(), "those are pickles"),
        (b"", "damaged"),
        (b"model", "damaged"),
        (b"RPSD1\n", "damaged"),
        (Packet({}, {}).pack(), "no model file"),
        (Packet({"file": 2}, {}).pack(), "no model file"),
        (Packet({"file": 1}, {}).pack(), "one model"),
    ],
)
def test_what_is_no_model_file_is_named_as_what_it_is(stocked: Services, data: bytes, reason: str) -> None:
    refused(stocked, data, reason)


def test_damage_on_the_way_is_found(stocked: Services) -> None:
    data = stocked.model_file.exported(NAME, "1")[0]
    refused(stocked, data[:-1], "damaged")
    refused(stocked, data[:100] + bytes([data[100] ^ 1]) + data[101:], "damaged")
    refused(stocked, data, "SHA-256", digest="0" * 64)
    refused(stocked, data + b"\0", "damaged")


def deep(n: int) -> Any:
    held: Any = 0
    for _ in range(n):
        held = [held]
    return held


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"arrays": {"location": np.full((2, 1), np.nan)}}, "location holds NaN"),
        ({"arrays": {"transmat": np.full((2, 2), np.inf)}}, "transmat holds infinity"),
        ({"arrays": {"transmat": np.full((2, 2), 0.7)}}, "sum to one"),
        ({"arrays": {"transmat": np.full((3, 3), 1 / 3)}}, "shape"),
        ({"arrays": {"startprob": np.ones((2, 1))}}, "shape"),
        ({"arrays": {"startprob": np.array([1.5, -0.5])}}, "sum to one"),
        ({"arrays": {"startprob": np.array([1, 0])}}, "int64"),
        ({"arrays": {"dispersion": -np.ones((2, 1, 1))}}, "covariance"),
        ({"arrays": {"df": np.zeros(2)}}, "degrees of freedom"),
        ({"arrays": {"variances": np.zeros(2)}}, "variance"),
        ({"arrays": {"carry": np.zeros(3)}}, "carry"),
        ({"arrays": {"carry": np.array([1.0, 1.0, -5.0, 0.0, 0.0, 0.0])}}, "price"),
        ({"arrays": {"pits": np.array([2.0])}}, "pits"),
        ({"arrays": {"alpha": None}}, "alpha is missing"),
        ({"arrays": {"surplus": np.zeros(2)}}, "surplus"),
        ({"arrays": {"trial": np.zeros(90, np.uint8)}}, "trial"),
        ({"arrays": {"trial": np.frombuffer(Packet({}, {}).pack(), np.uint8)}}, "trial"),
        ({"head": {"k": 3}}, "states"),
        ({"head": {"k": True}}, "whole number"),
        ({"head": {"labels": ["<script>", "Bull"]}}, "labels"),
        ({"head": {"columns": ["return", "nonsense"]}}, "computed otherwise"),
        ({"head": {"columns": 7}}, "computed otherwise"),
        ({"head": {"columns": None, "graph": None}}, "columns"),
        ({"head": {"graph": "0" * 64}}, "computed otherwise"),
        ({"head": {"regime_type": "3_state"}}, "its name says"),
        ({"head": {"carry_ns": 2**63}}, "carry_ns"),
        ({"head": {"step_ns": -1}}, "step_ns"),
        ({"head": {"current": {}}}, "state"),
        ({"head": {"current": {"state": 2, "since_ns": 0, "bars_in_regime": 1}}}, "state"),
        ({"head": {"states": [{}]}}, "rows of states"),
        ({"head": {"warnings": ["x"]}}, "warnings"),
        ({"head": {"engine": "pickle"}}, "engine"),
        ({"head": {"x": deep(13)}}, "too deep"),
        ({"card": {"x": deep(13)}}, "too deep"),
        ({"card": {"symbol": "Y"}}, "another model"),
        ({"card": {"window": 1}}, "window"),
        ({"card": {"params": []}}, "params"),
        ({"card": {"evaluation": [1]}}, "evaluation"),
        ({"card": {"labels": ["Bull", "Bear"]}}, "disagree"),
        ({"card": {"predecessor": "x"}}, "predecessor"),
        ({"card": {"predecessor": [1]}}, "predecessor"),
        ({"card": {"lineage": 7}}, "lineage"),
        ({"card": {"lineage": {"run": {}}}}, "the run"),
        ({"outer": {"name": "regime:X:1d:3_state"}}, "its name"),
        ({"outer": {"name": "regime:x:1d:2_state"}}, "as rpsd writes it"),
        ({"outer": {"name": "../../etc/passwd"}}, "not the name"),
        ({"outer": {"name": ["regime"]}}, "whose model"),
        ({"outer": {"trained_until_ns": 0}}, "training windows"),
        ({"outer": {"version": -1}}, "version"),
    ],
)
def test_a_well_signed_file_of_no_sound_model_is_refused(stocked: Services, parts: dict[str, Any], reason: str) -> None:
    refused(stocked, changed(stocked.model_file.exported(NAME, "1")[0], **parts), reason)


ODD: tuple[Any, ...] = (None, True, -1, 0, 2**62, 1e300, "", "x", [], {}, [1], ["x"], [{}], {"a": 1}, [[]])


def test_any_part_replaced_by_anything_is_refused_in_words_or_harmless(stocked: Services) -> None:
    data = stocked.model_file.exported(NAME, "1")[0]
    outer = Packet.unpack(data)
    inner = Packet.unpack(outer.arrays["state"].tobytes())
    parts = [("head", word) for word in (*inner.head, "new")] + [("outer", word) for word in outer.head]
    parts += [("card", word) for word in outer.head["card"]]
    let_in = set()
    for part, word in parts:
        for value in ODD:
            try:
                model_file.opened(changed(data, **{part: {word: value}}))
            except BadModelFile:
                continue
            let_in.add((part, word))
    needed = ("k", "d", "columns", "labels", "graph", "current", "states", "engine", "scale", "n_states", "regime_type", "interval")
    assert not let_in & {("head", word) for word in needed}
    assert not let_in & {("outer", word) for word in ("file", "name")}
    shapes = (
        np.zeros(0),
        np.zeros((0, 2)),
        np.zeros(2),
        np.zeros((2, 2)),
        np.zeros((1, 2, 3)),
        np.zeros(2, np.int64),
        np.zeros(9, np.uint8),
    )
    for word in inner.arrays:
        for array in shapes:
            if word not in ("pits", "trace", "location", "means", "weights"):  # of these some are sound
                with pytest.raises(BadModelFile):
                    model_file.opened(changed(data, arrays={word: array}))


def test_a_file_too_large_is_refused_and_kept_by_its_digest_alone(stocked: Services) -> None:
    refused(stocked, b"RPSD1\n" + bytes(model_file.LARGEST), "the most")
    assert stocked.quarantine.page(None, 1)[0][0]["kept"] is False


def test_a_stored_version_that_is_damaged_is_set_aside_once_and_the_one_before_is_offered(stocked: Services) -> None:
    data, _ = stocked.model_file.exported(NAME, "1")
    stocked.series.append("Y", "1d", daily(two_moods(400, seed=3)))
    stocked.regime.train("regime:Y:1d:2_state")
    stocked.model_file.imported(data, "me")
    stocked.model.promote(NAME, 2, "try", "boss", force=True)
    damage = "UPDATE model SET packet = zeroblob(9) WHERE version = 2"
    stocked.database.write(lambda c: c.execute(damage) and None).result()
    for _ in range(2):
        with pytest.raises(CorruptData) as met:
            stocked.regime.current("X", "1d", "2_state")
        assert "Version 1 is whole" in str(met.value.advice)
    stocked.database.write(lambda c: None).result()  # behind the note
    rows = [row for row in stocked.quarantine.page()[0] if row["origin"] == "store"]
    assert [(row["name"], row["version"], row["bytes"]) for row in rows] == [(NAME, 2, 9)]
    [alert] = stocked.alert.page()[0]
    assert (alert["name"], alert["subject"], alert["severity"]) == ("model_damaged", NAME, "HIGH")
    assert stocked.regime.current("Y", "1d", "2_state")["model_version"] == 1  # the others go on serving
    assert stocked.model.rollback(NAME, 1, "damaged", "me")["version"] == 1
    assert stocked.regime.current("X", "1d", "2_state")["model_version"] == 1
    assert stocked.alert.active() == []


def test_the_quarantine_is_listed_and_emptied(stocked: Services) -> None:
    for data in (b"a", b"b", b"d"):
        refused(stocked, data, "damaged")
    first, cursor = stocked.quarantine.page(None, 2)
    rest, end = stocked.quarantine.page(cursor, 2)
    assert ([row["id"] for row in first + rest], end) == ([3, 2, 1], None)
    assert json.dumps(stocked.quarantine.drop(3, "me"))
    assert [row["id"] for row in stocked.quarantine.page()[0]] == [2, 1]
