"""The walls of the house: the tree keeps its import contracts, and each contract is seen to fail on a planted breach."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

CONFIG = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
CONTRACTS = {contract["name"]: contract for contract in CONFIG["tool"]["importlinter"]["contracts"]}
HOMES = CONTRACTS["one home for each dependency"]
LINTER = Path(sys.executable).with_name("lint-imports")


@pytest.fixture
def house(tmp_path: Path, root: Path) -> Path:
    """A copy of the tree that a test may damage."""
    shutil.copytree(
        root / "rpsd", tmp_path / "rpsd", ignore=lambda _, names: {name for name in names if name.endswith((".csv", "__pycache__"))}
    )
    shutil.copy(root / "pyproject.toml", tmp_path)
    return tmp_path


def plant(house: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        file = house / "rpsd" / name
        file.parent.mkdir(exist_ok=True)
        (file.parent / "__init__.py").touch()
        file.write_text(text, encoding="utf-8")


def lint(house: Path) -> tuple[int, str]:
    done = subprocess.run([LINTER, "--no-cache", "--no-logo"], cwd=house, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, re.sub(r"\s+", " ", done.stdout + done.stderr)


BREACHES = {
    "layers: upward": ("layers", {"core/planted.py": "import rpsd.services\n"}),
    "layers: sideways": ("layers", {"store/planted.py": "import rpsd.denoise.planted\n", "denoise/planted.py": ""}),
    "layers: a folder that no layer names": ("layers", {"utils/__init__.py": ""}),
    "store behind the back of services": ("only services open the store", {"cli/planted.py": "import rpsd.store\n"}),
    "resource on resource": ("web resources stand alone", {"web/series.py": "import rpsd.web.job\n"}),
    "cycle": ("no cycles between neighbours", {"core/planted.py": "import rpsd.core.twin\n", "core/twin.py": "import rpsd.core.planted\n"}),
}


def test_the_tree_keeps_every_contract(house: Path) -> None:
    status, output = lint(house)
    assert status == 0, output
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in output


@pytest.mark.parametrize("breach", BREACHES)
def test_a_planted_breach_is_seen(house: Path, breach: str) -> None:
    contract, files = BREACHES[breach]
    plant(house, files)
    status, output = lint(house)
    assert status == 1
    assert f"{contract} BROKEN" in output


def test_every_dependency_is_seen_outside_its_home(house: Path) -> None:
    """`core` is the home of none of them, so that one planted file breaks the contract once for each."""
    plant(house, {"core/planted.py": "".join(f"import {name}\n" for name in HOMES["forbidden_modules"])})
    status, output = lint(house)
    assert status == 1
    unseen = [name for name in HOMES["forbidden_modules"] if f"rpsd.core.planted -> {name} " not in output]
    assert unseen == []


def test_every_breached_contract_has_its_plant() -> None:
    proven = {contract for contract, _ in BREACHES.values()} | {HOMES["name"]}
    assert proven == set(CONTRACTS)


def test_every_dependency_has_a_home() -> None:
    """A new dependency in pyproject.toml needs its line in the contract; numpy is everywhere, the others are data or codecs."""
    distributions = {re.split(r"[^\w.-]", line)[0].lower() for line in CONFIG["project"]["dependencies"]}
    modules = {
        "pywavelets": "pywt",
        "pyyaml": "yaml",
        "prometheus-client": "prometheus_client",
        "markdown-it-py": "markdown_it",
        "scikit-learn": "sklearn",
        "pyjwt": "jwt",
    }
    unhoused = {"numpy", "tzdata", "zstandard", "brotli"}
    missing = {modules.get(name, name) for name in distributions - unhoused} - set(HOMES["forbidden_modules"])
    assert missing == set()


def test_every_web_resource_is_in_its_contract(root: Path) -> None:
    """A resource is a file below web/ with ROUTES of its own."""
    files = [file for file in (root / "rpsd" / "web").rglob("*.py") if re.search(r"^ROUTES\b", file.read_text(encoding="utf-8"), re.M)]
    resources = {".".join(file.relative_to(root).with_suffix("").parts) for file in files} - {"rpsd.web.app"}  # app gathers them
    assert resources == set(CONTRACTS["web resources stand alone"]["modules"])
