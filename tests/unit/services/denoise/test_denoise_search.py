"""The search: refused with the place before anything is queued, else a job with a table."""

import json
from typing import Any

import numpy as np
import pytest

from rpsd.core.errors import BadParameter, BodyTooLarge, InvalidRequest, NotFinite, RpsdError, TooShort, UnknownMethod
from rpsd.services.denoise import search as denoise_search
from rpsd.services.denoise.search import Asked

FINE = {"method": "ema"}


def noisy(n: int = 800) -> np.ndarray:
    rng = np.random.default_rng(4)
    return 100 + 0.3 * np.cumsum(rng.normal(size=n)) + rng.normal(size=n)


def grid(**more: Any) -> Asked:
    return Asked(**{"method": "ema", "grid": {"span": [2, 5.0, 20.0], "strength": [0.5, 1.0]}, "causality": "causal", "folds": 3} | more)


def test_a_search_is_a_job_whose_result_is_the_table(services) -> None:
    job = services.denoise_search.submit(grid(), noisy(), None, by="me")
    assert (job["name"], job["state"], job["args"]) == ("search", "queued", {"method": "ema", "data": "values", "settings": "6"})
    told: list[float] = []
    found = services.denoise_search.work(job["id"], progress=lambda share, _words: told.append(share))
    json.dumps(found, allow_nan=False)
    assert [row["params"]["span"] for row in found["rows"]] == [2.0, 2.0, 5.0, 5.0, 20.0, 20.0]
    assert sorted(row["rank"] for row in found["rows"]) == [1, 2, 3, 4, 5, 6]
    assert found["best"]["mean"] == min(row["mean"] for row in found["rows"])
    assert [len(row["scores"]) for row in found["rows"]] == [3] * 6
    assert found["folds"] == [{"from": 200, "to": 400}, {"from": 400, "to": 600}, {"from": 600, "to": 800}]
    assert (found["criterion"], found["baseline"], len(told)) == ("log_loss", 0.0, 6)


def test_the_same_search_gives_the_same_table(services) -> None:
    asked = Asked(configurations=[{"method": "wavelet", "params": {"level": level}} for level in (2, 3)], folds=2, seed=9)
    tables = []
    for _ in range(2):
        table = services.denoise_search.work(services.denoise_search.submit(asked, noisy(), None)["id"])
        for row in table["rows"]:
            row.pop("seconds")
        tables.append(table)
    assert tables[0].pop("run") != tables[1].pop("run")
    assert tables[0] == tables[1]
    assert (tables[0]["criterion"], tables[0]["baseline"], tables[0]["seed"]) == ("risk", 1.0, 9)
    assert tables[0]["rows"][0]["failed_guardrails"] is not None


def test_what_came_with_a_run_goes_with_it(services) -> None:
    job = services.denoise_search.submit(grid(), noisy(), None)
    assert services.job.given(job["id"]) is not None
    services.job.cancel(job["id"], by="me")
    assert services.job.given(job["id"]) is None
    with pytest.raises(InvalidRequest):
        services.denoise_search.work(job["id"])


@pytest.mark.parametrize(
    ("asked", "error", "pointer"),
    [
        (grid(grid={}), InvalidRequest, "/grid"),
        (grid(grid={"span": []}), InvalidRequest, "/grid/span"),
        (grid(grid={"span": [5.0, -1.0]}), BadParameter, "/grid/span/1"),
        (grid(grid={"pace": [1]}), BadParameter, "/grid/pace/0"),
        (grid(grid={"span": [[1]]}), BadParameter, "/grid/span/0"),
        (grid(params={"strength": 2.0}, grid={"span": [5.0]}), BadParameter, "/params/strength"),
        (grid(params={"span": 2.0}), InvalidRequest, "/params/span"),
        (grid(grid={"span": list(range(1, 1001)), "strength": [i / 1000 for i in range(1000)]}), InvalidRequest, "/grid"),
        (grid(method="magic"), UnknownMethod, "/method"),
        (grid(method="wavelet", grid={"level": [1]}), UnknownMethod, "/method"),
        (grid(method="wavelet", causality="hindsight", grid={"wavelet": ["db4", "nope"]}), BadParameter, "/grid/wavelet/1"),
        (grid(causality="lag"), InvalidRequest, "/causality"),
        (grid(folds=1), InvalidRequest, "/folds"),
        (grid(method=""), InvalidRequest, "/method"),
        (grid(configurations=[{"method": "ema"}]), InvalidRequest, "/method"),
        (grid(method="", configurations=[{"method": "ema"}]), InvalidRequest, "/grid"),
        (
            Asked(configurations=[{"method": "ema"}, {"method": "ema", "params": {"span": 0}}]),
            BadParameter,
            "/configurations/1/params/span",
        ),
        (Asked(configurations=[FINE] * 201), InvalidRequest, "/configurations"),
        (grid(scale="odd"), InvalidRequest, "/scale"),
    ],
)
def test_refusals_name_the_place_and_queue_nothing(services, asked: Asked, error: type[RpsdError], pointer: str) -> None:
    with pytest.raises(error) as caught:
        services.denoise_search.submit(asked, noisy(), None)
    assert caught.value.errors[0].pointer == pointer
    assert services.job.page()[0] == []


def test_data_is_refused_before_anything_is_queued(services, monkeypatch) -> None:
    for values, error in ((noisy(100), TooShort), (np.append(noisy(), np.nan), NotFinite)):
        with pytest.raises(error):
            services.denoise_search.submit(grid(), values, None)
    monkeypatch.setattr(denoise_search, "MOST_POINTS", 700)
    with pytest.raises(BodyTooLarge):
        services.denoise_search.submit(grid(), noisy(), None)
    assert services.job.page()[0] == []
