"""Stages and aliases in the user's words, and promotions that meet."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from rpsd.core.errors import GateRefused, InvalidRequest, RpsdError, StateConflict, UnknownModel
from rpsd.core.model import Packet
from rpsd.services.model.service import Candidate, Verdict

NAME = "regime:X:1d:2_state"


def register(services, *, promoted: bool = False, evaluation: object = True) -> int:
    packet = Packet({"trained_from_ns": 0, "trained_until_ns": 1}, {})
    verdict = Verdict(promoted, "by hand")
    card = {"data_fingerprint": "f", "evaluation": None if evaluation is None else {}, "gate": {"promoted": True}}
    return services.model.register(Candidate(NAME, packet, card, verdict), "me").version


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """The packets of these tests hold no fit."""
    monkeypatch.setattr("rpsd.services.model.service.require_servable", lambda *_: None)


def test_aliases_are_set_listed_and_dropped_with_a_trace(services) -> None:
    register(services, promoted=True)
    register(services)
    aliases = services.model_alias
    assert aliases.put(NAME, "blue", 1, "me")["version"] == 1
    assert [(row["alias"], row["version"]) for row in aliases.listed(NAME)] == [("blue", 1), ("challenger", 2), ("champion", 1)]
    assert (aliases.resolve(NAME, "blue").version, aliases.resolve(NAME, "2").version, aliases.challenger(NAME).version) == (1, 2, 2)
    aliases.drop(NAME, "blue", "me")
    assert [row["action"] for row in services.access.audit(None, 2)[0]] == ["model.unalias", "model.alias"]
    for word in ("Blue", "", "7", "a" * 33, "a b"):
        with pytest.raises(InvalidRequest):
            aliases.put(NAME, word, 1, "me")
    for asked in (
        lambda: aliases.drop(NAME, "blue", "me"),
        lambda: aliases.resolve(NAME, "blue"),
        lambda: aliases.resolve(NAME, "9" * 30),
        lambda: aliases.listed("none"),
    ):
        with pytest.raises(UnknownModel):
            asked()


def test_a_stage_is_changed_with_a_trace(services) -> None:
    register(services)
    assert services.model_alias.move(NAME, 1, "staging", "soon", "me")["stage"] == "staging"
    row = services.access.audit(None, 1)[0][0]
    assert (row["action"], row["detail"]["from"], row["detail"]["to"]) == ("model.stage", "candidate", "staging")
    for stage in ("production", "nonsense"):
        with pytest.raises(InvalidRequest):
            services.model_alias.move(NAME, 1, stage, "", "me")


def test_what_was_never_evaluated_is_promoted_by_force_alone(services, whole) -> None:
    register(services, evaluation=None)
    with pytest.raises(GateRefused, match="never evaluated"):
        services.model.promote(NAME, 1, "hope", "me")
    assert services.model.promote(NAME, 1, "hope", "boss", force=True)["stage"] == "production"


def test_of_two_promotions_at_a_time_one_wins(services, whole, monkeypatch) -> None:
    for _ in range(3):
        register(services)
    services.model.promote(NAME, 1, "first", "me")
    look, both_looked = services.model.serving_version, threading.Barrier(2)

    def looked(name: str) -> int:
        serving = look(name)
        both_looked.wait(30)
        return serving

    monkeypatch.setattr(services.model, "serving_version", looked)

    def promote(version: int) -> int | RpsdError:
        try:
            return services.model.promote(NAME, version, "mine", "me")["version"]
        except RpsdError as error:
            return error

    with ThreadPoolExecutor(2) as threads:
        outcomes = list(threads.map(promote, (2, 3)))
    [lost] = [one for one in outcomes if isinstance(one, StateConflict)]
    [won] = [one for one in outcomes if isinstance(one, int)]
    assert services.model_alias.find(NAME, "champion").version == won
    assert f"version {won}" in lost.detail


def test_a_promotion_names_what_it_expects_to_replace(services, whole) -> None:
    register(services)
    register(services)
    with pytest.raises(StateConflict, match="no version"):
        services.model.promote(NAME, 2, "mine", "me", expected=1)
    assert services.model.promote(NAME, 1, "mine", "me", expected=0)["version"] == 1
    with pytest.raises(StateConflict, match="version 1"):
        services.model.rollback(NAME, 2, "mine", "me", force=True, expected=2)
