"""`rpsd manual`: the chapters that ship with the package."""

from pathlib import Path
from typing import Annotated

import typer

from rpsd.cli.output import AsJson, answer
from rpsd.core.errors import UnknownFile

CHAPTERS = Path(__file__).parent.parent / "manual"


def manual(
    chapter: Annotated[str, typer.Argument(help="Name of a chapter; without one the list of chapters is printed.")] = "index",
    as_json: AsJson = False,
) -> None:
    """Print a chapter of the manual."""
    names = sorted(file.stem for file in CHAPTERS.glob("*.md"))
    if chapter not in names:
        raise UnknownFile(f"the manual has no chapter {chapter!r}", hint=f"Chapters: {', '.join(names)}.")
    text = (CHAPTERS / f"{chapter}.md").read_text("utf-8")
    answer({"chapter": chapter, "text": text}, as_json, text.removesuffix("\n"))
