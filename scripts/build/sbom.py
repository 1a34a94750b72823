"""The bill of materials of a release, in CycloneDX 1.5: every distribution in it, with version, licence and the hash it was pinned by."""

import json
import re
import uuid
from datetime import UTC, datetime
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from typing import Any


def sbom(version: str, site: Path, report: Path, epoch: int) -> dict[str, Any]:
    """The document for what is installed in `site`; `report` is pip's account of the archives that it took."""
    hashes = {}
    for item in json.loads(report.read_text(encoding="utf-8"))["install"]:
        hashes[_normal(item["metadata"]["name"])] = item["download_info"]["archive_info"].get("hashes", {}).get("sha256")
    found = [HeaderParser().parsestr((info / "METADATA").read_text(encoding="utf-8")) for info in sorted(site.glob("*.dist-info"))]
    components = [_component(metadata, hashes.get(_normal(metadata["Name"]))) for metadata in found]
    own = next(one for one in components if one["name"] == "rpsd")
    others = sorted((one for one in components if one is not own), key=lambda one: one["name"])
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(components, sort_keys=True))}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch, UTC).isoformat().replace("+00:00", "Z"),
            "component": own | {"type": "application", "version": version},
        },
        "components": others,
        "dependencies": [{"ref": own["bom-ref"], "dependsOn": [one["bom-ref"] for one in others]}],
    }


def _component(metadata: Message, digest: str | None) -> dict[str, Any]:
    name, version = _normal(metadata["Name"]), metadata["Version"]
    purl = f"pkg:pypi/{name}@{version}"
    component: dict[str, Any] = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    if licence := licence_of(metadata):
        component["licenses"] = [{"license": {"name": licence}}]
    if digest:
        component["hashes"] = [{"alg": "SHA-256", "content": digest}]
    return component


def licence_of(metadata: Message) -> str:
    """The licence that a distribution states: as an expression, by its classifiers, or the first line of its own words."""
    if expression := metadata["License-Expression"]:
        return str(expression)
    listed = [line.rsplit(" :: ", 1)[-1] for line in metadata.get_all("Classifier", []) if line.startswith("License :: ")]
    if listed:
        return ", ".join(listed)
    return str(metadata["License"] or "").strip().split("\n")[0][:80]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
