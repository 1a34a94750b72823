"""A catalogue is one explicit tuple: whoever adds a file and forgets its line finds the file's name here."""

import importlib
import pkgutil
from pathlib import Path

import pytest

from rpsd import samples

FAMILIES = (
    ("rpsd.denoise", "METHODS"),
    ("rpsd.regime", "MODELS"),
    ("rpsd.book", "PREDICTORS"),
    ("rpsd.services.book.feed", "FORMATS"),
    ("rpsd.jobs", "JOBS"),
    ("rpsd.drift", "DETECTORS"),
    ("rpsd.feature", "FEATURES"),
    ("rpsd.source", "SOURCES"),
)


def members(package: str, catalogue: str) -> tuple[object, ...]:
    return tuple(getattr(importlib.import_module(package), catalogue))


@pytest.mark.parametrize(("package", "catalogue"), FAMILIES)
def test_every_member_of_the_folder_is_in_the_catalogue(package: str, catalogue: str) -> None:
    """Whatever a file of the folder declares with the catalogue's own type is in the tuple, and nothing else is."""
    listed = members(package, catalogue)
    assert listed
    kind = type(listed[0])
    declared: dict[int, str] = {}
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, kind):
                declared.setdefault(id(value), f"{module.name}.{name}")
    forgotten = [place for key, place in declared.items() if key not in {id(member) for member in listed}]
    assert forgotten == []
    assert all(isinstance(member, kind) for member in listed)


@pytest.mark.parametrize(("package", "catalogue"), FAMILIES)
def test_names_are_unique_words(package: str, catalogue: str) -> None:
    names = [member.name for member in members(package, catalogue)]  # type: ignore[attr-defined]
    assert len(set(names)) == len(names)
    assert all(name.replace("_", "").isalnum() and name == name.lower() for name in names)


def test_every_bundled_file_is_in_the_samples() -> None:
    folder = Path(samples.__file__).parent
    assert {sample.file for sample in samples.SAMPLES} == {file.name for file in folder.iterdir() if file.suffix in {".csv", ".gz"}}
