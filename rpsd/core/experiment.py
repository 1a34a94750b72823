"""Experiments in words: runs with their parameters, metrics, tags and artifacts."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class RunState(StrEnum):
    """Where a run stands; the last three are final."""

    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"


class Visibility(StrEnum):
    """Who beside owner and administrator may touch an experiment: nobody, readers, or whoever may train as well."""

    PRIVATE = "private"
    READ = "read"
    SHARED = "shared"


@dataclass(frozen=True, slots=True)
class Experiment:
    """A place for runs that belong together. `owner` is the id of a key, or "rpsd" for what the product fits itself."""

    id: int
    name: str
    owner: str
    scope: Visibility
    description: str
    created_ns: int
    runs: int


@dataclass(frozen=True, slots=True)
class Run:
    """One fit. `params` never change once set; `metrics` are the last values. Times in ns UTC."""

    id: str
    experiment: int
    name: str
    state: RunState
    owner: str
    parent: str | None
    started_ns: int
    finished_ns: int | None
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
