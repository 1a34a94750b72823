"""The model card: what a version rests on, in sections for people, and the chain of fits that it came from."""

from collections.abc import Mapping
from typing import Any, Final

from rpsd.core.errors import UnknownModel
from rpsd.core.flat import flat
from rpsd.core.model import ModelVersion
from rpsd.services.model.service import brief
from rpsd.store import model as rows
from rpsd.store import model_past
from rpsd.store.db import Connection, Database

Section = tuple[str, list[tuple[str, Any]]]
"""A heading, and names with values below it."""

_SECTIONS: Final = (
    ("Data", ("symbol", "interval", "label", "window", "data_fingerprint", "columns", "tick", "graph", "schema")),
    ("Fit", ("model", "predictor", "params", "seed", "directions", "l2", "calibration", "started", "converged", "iterations", "n_states")),
    ("Evaluation against baselines", ("evaluation", "log_likelihood", "aic", "bic", "drift", "data_drift", "selection")),
    ("Gate", ("gate",)),
    ("Warnings", ("warnings",)),
    ("Lineage", ("predecessor", "lineage", "imported")),
    ("Code and libraries", ("rpsd", "libraries")),
)


class ModelCards:
    """Cards and lineage of stored versions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def sections(self, model: Mapping[str, Any]) -> list[Section]:
        """The card of `ModelService.card` in sections; what belongs to none stands at the end."""
        card = dict(model["card"])
        facts = {"replaced" if name == "predecessor" else name: value for name, value in model.items() if name != "card"}
        facts.pop("data_fingerprint", None)  # it stands with the data
        told: list[Section] = [("Version", flat(facts))]
        for heading, names in _SECTIONS:
            if chosen := {name: card.pop(name) for name in names if name in card}:
                told.append((heading, flat(chosen)))
        return [*told, ("Further", flat(card))] if card else told

    def lineage(self, name: str, version: int | None, limit: int) -> dict[str, Any]:
        """From the version, else the one in production, else the newest, back along the versions that each fit went on from.

        Each with its data, features and run; `next` is the version to go on from when the chain is longer than limit. Raises UnknownModel.
        """

        def run(c: Connection) -> dict[str, Any]:
            chain: list[dict[str, Any]] = []
            at: int | None = _start(c, name, version)
            while at is not None and len(chain) < limit:
                link = _link(c, name, at)
                chain.append(link)
                before = link["predecessor"]
                at = before if before is not None and before < at else None  # a file from outside may say anything
            return {"name": name, "chain": chain, "next": at}

        return self._database.read(run)


def _start(c: Connection, name: str, version: int | None) -> int:
    """Where a chain begins. Raises UnknownModel."""
    if version is None:
        return (rows.production(c, name) or rows.newest(c, name)).version
    return version if model_past.find(c, name, version) is not None else rows.find(c, name, version).version


def _link(c: Connection, name: str, version: int) -> dict[str, Any]:
    """One version of a chain, also one whose state is gone."""
    try:
        return told(rows.find(c, name, version))
    except UnknownModel:
        past = model_past.find(c, name, version)
        return {"version": version, "stage": "gone", "predecessor": None} | (dict(past) if past is not None else {})


def told(version: ModelVersion) -> dict[str, Any]:
    """What the chain tells of a version: data, features, run, and what it went on from."""
    card, facts = version.card, brief(version)
    window = card.get("window") or {}
    kept = ("version", "stage", "created", "trained_from", "trained_until", "data_fingerprint", "digest", "reason", "promoted")
    return {word: facts[word] for word in kept} | {
        "predecessor": card.get("predecessor"),
        "replaced": version.predecessor,
        "graph": card.get("graph"),
        "run": (card.get("lineage") or {}).get("run"),
        "imported": card.get("imported"),
        "bars": window.get("bars"),
        "events": window.get("events"),
        "rpsd": card.get("rpsd"),
    }
