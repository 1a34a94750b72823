"""The texts that a package carries about itself: version, changes, copyright."""

import re
from email.parser import HeaderParser
from email.utils import formatdate
from pathlib import Path

from scripts.build.sbom import licence_of
from scripts.build.tree import ROOT

MAINTAINER = "rpsd maintainers <rpsd@example.org>"


def version_of() -> str:
    """The version that the sources state."""
    found = re.search(r'__version__ = "([^"]+)"', (ROOT / "rpsd" / "__init__.py").read_text(encoding="utf-8"))
    assert found is not None
    return found[1]


def changelog(version: str, epoch: int) -> str:
    """A Debian changelog with the one entry that this build is; CHANGELOG.md tells what changed."""
    entry = "  * Release of rpsd; what changed is told in the CHANGELOG of its sources."
    return f"rpsd ({version}) stable; urgency=medium\n\n{entry}\n\n -- {MAINTAINER}  {formatdate(epoch)}\n"


def copyright_text(stage: Path) -> str:
    """The machine-readable copyright: rpsd's licence in full, and for each distribution within its licence and where its text lies."""
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8").strip()
    body = "\n".join(f" {line}" if line.strip() else " ." for line in licence.splitlines())
    parts = [
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: rpsd\n"
        "Source: this package is built from rpsd's own sources"
    ]
    parts.append(f"Files: *\nCopyright: rpsd contributors\nLicense: Expat\n{body}")
    lines = []
    for info in sorted(stage.rglob("*.dist-info")):
        metadata = HeaderParser().parsestr((info / "METADATA").read_text(encoding="utf-8"))
        if metadata["Name"] != "rpsd":
            lines.append(f" {metadata['Name']} {metadata['Version']}: {licence_of(metadata) or 'see its files'}")
    told = "\n".join(lines)
    parts[0] += f"\nComment: The package holds these distributions, each with its licence in its .dist-info directory:\n{told}"
    return "\n\n".join(parts) + "\n"
