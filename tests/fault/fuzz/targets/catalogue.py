"""The targets by name; apart from the package, so that a fuzzer can prepare for what they import."""

from collections.abc import Callable
from typing import Final

from tests.fault.fuzz.targets import backup, config, csv, frames, jwt, model_file

TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    "backup": backup.one,
    "config": config.one,
    "csv": csv.one,
    "frames": frames.one,
    "jwt": jwt.one,
    "model_file": model_file.one,
}
"""Each raises nothing, but for what is a defect."""
