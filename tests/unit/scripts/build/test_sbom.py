"""The bill of materials names everything that is installed, with the archive it came from."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.build.sbom import sbom

EPOCH = 1_772_323_200
INSTALLED = {"rpsd": "0.1.0", "Some.Library": "2.5", "other_one": "1.0"}


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, Path]:
    """A site directory with three distributions, and pip's account of the archives of two."""
    for name, version in INSTALLED.items():
        place = tmp_path / "site" / f"{name}-{version}.dist-info"
        place.mkdir(parents=True)
        named = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        words = f"{named}Classifier: License :: OSI Approved :: MIT License\n\nLong words.\n"
        (place / "METADATA").write_text(words)
    taken = [
        {"metadata": {"name": name}, "download_info": {"archive_info": {"hashes": {"sha256": name * 3}}}}
        for name in ("some-library", "other_one")
    ]
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"install": taken}))
    return tmp_path / "site", report


def test_every_library_is_named_with_version_licence_and_hash(made: tuple[Path, Path]) -> None:
    document = sbom("0.1.0", *made, EPOCH)
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.5")
    assert document["metadata"]["timestamp"] == "2026-03-01T00:00:00Z"
    assert document["metadata"]["component"]["purl"] == "pkg:pypi/rpsd@0.1.0"
    assert [(one["purl"], one["hashes"][0]["content"]) for one in document["components"]] == [
        ("pkg:pypi/other-one@1.0", "other_one" * 3),
        ("pkg:pypi/some-library@2.5", "some-library" * 3),
    ]
    assert all(one["licenses"] == [{"license": {"name": "MIT License"}}] for one in document["components"])
    assert document["dependencies"] == [{"ref": "pkg:pypi/rpsd@0.1.0", "dependsOn": [one["purl"] for one in document["components"]]}]


def test_the_same_release_has_the_same_document(made: tuple[Path, Path]) -> None:
    """Also in another process, whose hashes of words differ."""
    program = (
        "import json, sys; from pathlib import Path; from scripts.build.sbom import sbom; "
        "print(json.dumps(sbom('0.1.0', Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))))"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", program, *map(str, made), str(EPOCH)],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert said[0] == said[1]


def test_another_version_of_a_library_is_another_document(made: tuple[Path, Path]) -> None:
    before = sbom("0.1.0", *made, EPOCH)
    metadata = made[0] / "other_one-1.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("Version: 1.0", "Version: 1.1"))
    after = sbom("0.1.0", *made, EPOCH)
    assert after["serialNumber"] != before["serialNumber"]
    assert "pkg:pypi/other-one@1.1" in [one["purl"] for one in after["components"]]
