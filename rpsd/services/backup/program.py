"""Work beside what is served: threads that come after all others, and programs as child processes, without a shell."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from rpsd.core.errors import Cancelled, MissingExtra

_NICENESS: Final = 10
_LONGEST_SECONDS: Final = 6 * 3600.0
_MOST_WORDS: Final = 300


def be_nice() -> None:
    """Let this thread, for as long as it lives, have what processor time the others leave. Linux keeps a priority for each thread."""
    if sys.platform == "linux":
        with suppress(OSError):  # a sandbox that forbids it: then it works like all others
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def run(
    command: Sequence[str],
    *,
    source: BinaryIO | None = None,
    target: BinaryIO | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> str | None:
    """Run it to its end with those files (None: nothing) as standard input and output; why it failed, or None.

    Raises MissingExtra when there is no such program, Cancelled, also after six hours.
    """
    with tempfile.TemporaryFile() as words:
        try:
            child = subprocess.Popen(  # noqa: S603 - a fixed program, or the operator's
                command, stdin=source or subprocess.DEVNULL, stdout=target or subprocess.DEVNULL, stderr=words
            )
        except FileNotFoundError as error:
            raise MissingExtra(f"the program {command[0]} is not there", hint="Install it, or mend the setting.") from error
        with child:
            until = time.monotonic() + _LONGEST_SECONDS
            while child.poll() is None:
                if cancelled() or time.monotonic() > until:
                    child.kill()
                    raise Cancelled("the work was stopped")
                time.sleep(0.05)
        return f"{Path(command[0]).name} ended with status {child.returncode}: {said(words)}" if child.returncode else None


def said(words: BinaryIO) -> str:
    """The first of what a program has written, on one line."""
    words.seek(0)
    return " ".join(words.read(_MOST_WORDS).decode("utf-8", "replace").split()) or "it said nothing"
