"""Print the size budget of the code and fail where it is broken: `python scripts/measure.py [DIRECTORY ...]`.

Hard limits: a file has at most 400 lines, a function 60, and control flow nests at most 4 deep. There is no list of
exemptions. Without arguments all of rpsd, tests and scripts are measured.
"""

import ast
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIMITS = {"file lines": 400, "function lines": 60, "nesting": 4}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)


@dataclass(frozen=True, slots=True)
class Size:
    """One measured thing: which budget it draws on, where it stands, how large it is."""

    budget: str
    place: str
    value: int


def nesting(node: ast.AST, depth: int = 0) -> int:
    """How deep control flow nests below `node`; elif stays level, an inner function starts anew."""
    deepest = depth
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (*FUNCTIONS, ast.ClassDef, ast.Lambda)):
            continue
        is_elif = isinstance(node, ast.If) and node.orelse == [child] and isinstance(child, ast.If)
        deeper = isinstance(child, BLOCKS) and not is_elif
        deepest = max(deepest, nesting(child, depth + deeper))
    return deepest


def sizes(file: Path, name: str) -> Iterator[Size]:
    """Everything that one Python file adds to the budgets; `name` is how reports call the file."""
    text = file.read_text(encoding="utf-8")
    yield Size("file lines", name, text.count("\n"))
    for node in ast.walk(ast.parse(text, name)):
        if isinstance(node, FUNCTIONS):
            place = f"{name}:{node.lineno} {node.name}"
            yield Size("function lines", place, (node.end_lineno or node.lineno) - node.lineno + 1)
            yield Size("nesting", place, nesting(node))


def percentile(values: Sequence[int], share: float) -> int:
    """The smallest value that at least `share` of the sorted values do not exceed."""
    return values[max(0, -(-len(values) * round(share * 100) // 100) - 1)]


def report(title: str, measured: Sequence[Size]) -> list[str]:
    """Print one line per budget; returns a line for each breach."""
    breaches = []
    for budget, limit in LIMITS.items():
        rows = sorted((size for size in measured if size.budget == budget), key=lambda size: size.value)
        if not rows:
            continue
        values = [size.value for size in rows]
        p50, p90 = percentile(values, 0.5), percentile(values, 0.9)
        print(f"{title:8} {budget:15} n {len(values):5}  p50 {p50:4}  p90 {p90:4}  max {values[-1]:4} of {limit:4}  ({rows[-1].place})")
        breaches += [f"{size.place}: {budget} {size.value}, the limit is {limit}" for size in rows if size.value > limit]
    return breaches


def main(arguments: Sequence[str]) -> int:
    folders = [Path(argument) for argument in arguments] or [ROOT / name for name in ("rpsd", "tests", "scripts")]
    breaches = []
    for folder in folders:
        files = sorted(folder.rglob("*.py"))
        breaches += report(folder.name, [size for file in files for size in sizes(file, f"{folder.name}/{file.relative_to(folder)}")])
    for breach in breaches:
        print(f"over budget: {breach}", file=sys.stderr)
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
