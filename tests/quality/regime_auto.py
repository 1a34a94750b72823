"""How often `auto` finds the number of regimes, asked through the front door: prices in, packet out."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rpsd.core.parameters import HmmParameters
from rpsd.regime.run import detect
from tests.quality.chapter import table
from tests.quality.measure import pool
from tests.quality.scenarios import CONTROLS, SCENARIOS, TRAIN, draw, generator

_DAY_NS: Final = 86_400_000_000_000
CASES: Final = (*SCENARIOS, *CONTROLS)
TRUE: Final = {name: s.k for name, s in SCENARIOS.items()} | {name: 1 for name in CONTROLS if name.startswith("iid")}
"""The true number of regimes; GARCH has none."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What auto said of the draws of one case: numbers of regimes and whether it called them doubtful."""

    case: str
    counts: tuple[int, ...]
    doubtful: tuple[bool, ...]

    @property
    def hits(self) -> float:
        """Share of draws with the true number; NaN where there is none."""
        return float(np.mean([k == TRUE[self.case] for k in self.counts])) if self.case in TRUE else float("nan")

    @property
    def doubts(self) -> float:
        """Share of draws whose regimes were called doubtful, or of which there was but one."""
        return float(np.mean([k == 1 or doubt for k, doubt in zip(self.counts, self.doubtful, strict=True)]))


def asked(task: tuple[str, int, int]) -> tuple[int, bool]:
    """The number of regimes of one draw, and whether they are doubtful."""
    case, block, number = task
    rng = generator(block, f"auto {case}", number)
    x = draw(SCENARIOS[case], rng).seen if case in SCENARIOS else CONTROLS[case](TRAIN, rng)
    close = 100.0 * np.exp(np.concatenate([[0.0], np.cumsum(x / 100.0)]))
    t = np.arange(close.size) * _DAY_NS
    answer = detect(close, t, regime_type="auto", mode="filtered", params=HmmParameters(), interval="1d", seed=0)
    warned = {row["code"] for row in answer.head["warnings"]}
    return int(answer.head["n_states"]), "regimes_doubtful" in warned


def run(block: int, count: int, workers: int) -> dict[str, Answered]:
    """Auto on so many draws of every scenario and control."""
    tasks = [(case, block, number) for case in CASES for number in range(count)]
    with pool(workers) as executor:
        results = list(executor.map(asked, tasks, chunksize=4))
    found = {}
    for place, case in enumerate(CASES):
        mine = results[place * count : (place + 1) * count]
        found[case] = Answered(case, tuple(k for k, _ in mine), tuple(doubt for _, doubt in mine))
    return found


def rendered(found: dict[str, Answered]) -> str:
    """One row for each case."""
    rows = []
    for case, answer in found.items():
        counts = [str(sum(k == number for k in answer.counts)) for number in range(1, 6)]
        true = str(TRUE.get(case, "none"))
        rows.append([case, true, *counts, "–" if np.isnan(answer.hits) else f"{answer.hits:.0%}", f"{answer.doubts:.0%}"])
    return table(["case", "true", *map(str, range(1, 6)), "right", "one, or doubtful"], rows)
