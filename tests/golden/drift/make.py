"""Record river's alarms: `python -m tests.golden.drift.make` in an environment with river (the peers have it)."""

import json
from pathlib import Path
from typing import Any

from tests.golden.drift.streams import KINDS, SEEDS, stream


def places(detector: Any, kind: str, seed: int) -> list[int]:
    """Where river's detector cries."""
    found = []
    for t, value in enumerate(stream(kind, seed)):
        detector.update(float(value))
        if detector.drift_detected:
            found.append(t)
    return found


def main() -> None:
    """Write river.json beside this file."""
    from river import drift  # which the tests of `make test` do without

    told = {
        f"{kind}/{seed}": {"adwin": places(drift.ADWIN(), kind, seed), "page_hinkley": places(drift.PageHinkley(), kind, seed)}
        for kind in KINDS
        for seed in SEEDS
    }
    Path(__file__).with_name("river.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
