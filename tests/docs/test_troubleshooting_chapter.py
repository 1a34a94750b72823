"""The chapter on troubleshooting knows every code that a part of the health can show."""

import re
from pathlib import Path

from tests.docs.pages import ROOT

CHAPTER = (ROOT / "rpsd" / "manual" / "troubleshooting.md").read_text(encoding="utf-8")


def codes(file: Path) -> set[str]:
    """Codes beside the word degraded or unhealthy in the source."""
    text = file.read_text(encoding="utf-8")
    found = set(re.findall(r'\(?"degraded", "(\w+)"', text)) | set(re.findall(r'"(\w+)" if \w+ else ""\)', text))
    found -= {"healthy", "degraded", "unhealthy"}
    return found | set(re.findall(r'database = "(\w+)" if', text)) | set(re.findall(r'else "(writer_silent)"', text))


def test_every_code_of_health_has_its_line() -> None:
    services = ROOT / "rpsd" / "services"
    known = codes(services / "health.py") | codes(services / "access" / "certificate.py")
    assert {"unavailable", "disk_full", "stale_model", "source_failed", "certificate_expired", "not_beating"} <= known
    assert {code for code in known if f"`{code}`" not in CHAPTER} == set()
