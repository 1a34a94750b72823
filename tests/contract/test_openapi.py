"""The stored OpenAPI document is the one that the routes give."""

import subprocess
import sys
from pathlib import Path


def test_the_stored_document_is_up_to_date(root: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "scripts.openapi", "--check"], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
