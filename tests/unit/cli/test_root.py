"""`rpsd serve` starts without the code of the other commands, and is the same command."""

import subprocess
import sys

from rpsd.__main__ import run
from rpsd.cli.app import app

_SERVE = """
import sys
from rpsd.__main__ import run
code = run(["serve", "--help"])
print(sorted(name for name in sys.modules if name.startswith("rpsd.cli.")), file=sys.stderr)
sys.exit(code)
"""


def test_the_code_of_other_commands_is_not_loaded() -> None:
    done = subprocess.run([sys.executable, "-c", _SERVE], capture_output=True, text=True, check=True)
    assert "'rpsd.cli.serve'" in done.stderr
    assert "rpsd.cli.books" not in done.stderr
    assert "rpsd.cli.app" not in done.stderr


def test_serve_tells_the_same_of_itself(capsys) -> None:  # type: ignore[no-untyped-def]
    assert run(["serve", "--help"]) == 0
    alone = capsys.readouterr().out
    assert app(args=["serve", "--help"], standalone_mode=False, prog_name="rpsd") in (0, None)
    assert capsys.readouterr().out == alone
    assert "--port" in alone
