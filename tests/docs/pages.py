"""The pages that readers follow, and their console blocks."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "rpsd" / "manual").glob("*.md")))
FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<body>.*?)^```\s*$", re.M | re.S)


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a console block and what the page says it prints (empty: not compared)."""

    line: int
    command: str
    expected: tuple[str, ...]


def steps(text: str) -> Iterator[Step]:
    """Commands of all ```console blocks in order; a command ends with its first line that does not end in a backslash."""
    for block in FENCE.finditer(text):
        if block["info"].split()[:1] != ["console"]:
            continue
        first = text.count("\n", 0, block.start("body")) + 1
        yield from _block(first, block["body"].splitlines())


def _block(first: int, lines: list[str]) -> Iterator[Step]:
    number, command, expected = 0, "", list[str]()
    for offset, line in enumerate(lines):
        if line.startswith("$ "):
            if command:
                yield _step(number, command, expected)
            number, command, expected = first + offset, line[2:], []
        elif command.endswith("\\"):
            command += "\n" + line.removeprefix("> ")
        else:
            expected.append(line)
    if command:
        yield _step(number, command, expected)


def _step(line: int, command: str, printed: list[str]) -> Step:
    return Step(line, command, tuple("\n".join(printed).rstrip().splitlines()))


def matches(expected: tuple[str, ...], printed: list[str]) -> bool:
    """Whether a page's output describes the printed one: `…` in a line stands for any text, a line of `…` for any lines."""
    if not expected:
        return not printed
    if expected[0].strip() == "…":
        return any(matches(expected[1:], printed[skipped:]) for skipped in range(len(printed) + 1))
    if not printed:
        return False
    pattern = ".*".join(re.escape(part) for part in expected[0].rstrip().split("…"))
    return re.fullmatch(pattern, printed[0].rstrip()) is not None and matches(expected[1:], printed[1:])


def anchor(heading: str) -> str:
    """The anchor that a heading gets: lower case, words joined by hyphens, punctuation dropped."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower().replace("`", "")).replace(" ", "-")


def prose(text: str) -> str:
    """The page without its code: neither links nor headings are looked for there."""
    return re.sub(r"`[^`\n]*`", "``", FENCE.sub("", text))
