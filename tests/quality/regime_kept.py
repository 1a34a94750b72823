"""What the peers answered is kept in .cache: they do not change while rpsd does, and they take most of the time."""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Final

from tests.quality import regime_measure, regime_peers, scenarios
from tests.quality.regime_contestants import libraries
from tests.quality.regime_measure import Task, judged

ROOM: Final = Path(__file__).resolve().parents[2] / ".cache" / "quality"
PACKAGES: Final = ("hmmlearn", "statsmodels", "jumpmodels", "scikit-learn", "scipy", "numpy")


def identity() -> str:
    """Digest of all that the peers' figures depend on: the files that make and judge them, and the versions of the libraries."""
    digest = hashlib.sha256()
    for module in (regime_peers, scenarios, regime_measure):
        digest.update(Path(str(module.__file__)).read_bytes())
    digest.update(" ".join(version(name) for name in PACKAGES).encode())
    return digest.hexdigest()[:16]


def peers_of(task: Task) -> dict[str, list[float]]:
    """MEASURES of the peers on one draw, from the cache or anew."""
    place = ROOM / identity() / f"{task.case}-{task.block}-{task.number}.json"
    if place.exists():
        kept: dict[str, list[float]] = json.loads(place.read_text(encoding="utf-8"))
        return kept
    drawn, scenario = task.drawn(), scenarios.SCENARIOS[task.case]
    figures = {label: judged(drawn, decoded, scenario.k) for label, decoded in libraries(drawn, scenario).items()}
    place.parent.mkdir(parents=True, exist_ok=True)
    unfinished = place.with_suffix(".part")
    unfinished.write_text(json.dumps(figures), encoding="utf-8")
    unfinished.replace(place)
    return figures
