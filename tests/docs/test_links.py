"""Every relative link of the pages leads to a file and, with an anchor, to a heading that exists."""

import re
from pathlib import Path

import pytest

from rpsd.web.pages import anchor as served_anchor
from tests.docs.pages import PAGES, ROOT, anchor, prose

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
DOCUMENTS = (*PAGES, ROOT / "CHANGELOG.md", *sorted((ROOT / "rpsd").rglob("PROVENANCE.md")))


def anchors(page: Path) -> set[str]:
    """Anchors of the page as a repository's browser names them, and as the running server does."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    explicit = set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", text))
    return explicit | {name(heading) for heading in re.findall(r"^#+ (.+)$", text, re.M) for name in (anchor, served_anchor)}


def broken(page: Path) -> list[str]:
    """Links of the page that lead nowhere."""
    found = []
    for target in LINK.findall(prose(page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target) or target.startswith("/"):
            continue  # another site, or a path of the running server
        name, _, wanted = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (wanted and wanted not in anchors(file)):
            found.append(target)
    return found


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_a_broken_link_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A page, of `mine`\n[a](#a-page-of-mine) [b](#nowhere) [c](gone.md) [d](https://example.org/x) `[e](code.md)`\n")
    assert broken(page) == ["#nowhere", "gone.md"]
