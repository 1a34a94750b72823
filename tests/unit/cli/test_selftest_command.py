"""`rpsd selftest`: a step that goes wrong is named, and what was made is taken away all the same."""

from collections.abc import Callable
from typing import Any

import pytest

from rpsd.cli import selftest
from rpsd.config import read
from rpsd.core.errors import InternalError, Unavailable


class Box:
    """A server that remembers what was asked, and denoises as it is told to."""

    def __init__(self, denoised: Callable[[list[float]], list[float]]) -> None:
        self.asked: list[tuple[str, str]] = []
        self.denoised = denoised

    def ask(self, method: str, path: str, **_: Any) -> Any:
        self.asked.append((method, path))
        return {}

    def denoise(self, values: list[float]) -> dict[str, Any]:
        return {"values": self.denoised(values)}

    def series(self) -> list[dict[str, Any]]:
        return []

    experiments = series


def trial(denoised: Callable[[list[float]], list[float]]) -> selftest.Trial:
    return selftest.Trial(Box(denoised), read(environ={}))  # type: ignore[arg-type]


def test_a_denoiser_that_does_nothing_fails() -> None:
    idle = trial(lambda values: values)
    with pytest.raises(InternalError, match="the error went"):
        selftest.denoise(idle)
    good = trial(lambda _: good_clean)
    good_clean = good.clean
    assert "error" in selftest.denoise(good)


def test_what_was_made_is_taken_away_even_when_it_is_interrupted() -> None:
    tried = trial(lambda values: values)

    def interrupted(_: selftest.Trial) -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(selftest.run(tried, lambda _share, _name: None, (("store", interrupted),)))
    assert ("DELETE", tried.place) in tried.client.asked  # type: ignore[attr-defined]


def test_a_failed_step_is_told_and_the_others_go_on() -> None:
    def broken(_: selftest.Trial) -> str:
        raise InternalError("it broke")

    rows = list(selftest.run(trial(lambda v: v), lambda _share, _name: None, (("denoise", broken), ("last", lambda _: "fine"))))
    assert [(row["step"], row["passed"]) for row in rows] == [("denoise", False), ("last", True)]
    assert "it broke" in rows[0]["detail"]


def test_a_server_that_is_not_ready_is_asked_nothing_more() -> None:
    def never(_: selftest.Trial) -> str:
        raise Unavailable("not ready")

    rows = list(selftest.run(trial(lambda v: v), lambda _share, _name: None, (("ready", never), ("last", lambda _: "fine"))))
    assert [row["step"] for row in rows] == ["ready"]


def test_without_a_server_it_says_how_to_start_one(rpsd: Callable[..., tuple[int, str, str]]) -> None:
    code, _, err = rpsd("selftest")
    assert (code, "rpsd serve" in err) == (75, True)
    assert rpsd("bench")[0] == 77
