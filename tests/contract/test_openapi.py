"""The stored OpenAPI document is the one that the routes give."""

import json
import subprocess
import sys
from pathlib import Path


def test_the_stored_document_is_up_to_date(root: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "scripts.openapi", "--check"], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_operation_stands_below_a_heading(root: Path) -> None:
    """/docs shows operations by the tags of the document; one whose tag is missing there would be nowhere."""
    told = json.loads((root / "etc" / "openapi.json").read_text(encoding="utf-8"))
    used = {tag for path in told["paths"].values() for operation in path.values() for tag in operation["tags"]}
    assert used == {tag["name"] for tag in told["tags"]}
