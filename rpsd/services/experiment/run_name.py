"""What parameters, metrics, tags and artifacts may be called: names that are safe as paths below the directory of their run."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from rpsd.core.errors import Fault, InvalidRequest, StateConflict

LONGEST: Final = 250
"""Characters of the name of a parameter, metric or tag; what stock trackers of experiments take."""
LONGEST_ARTIFACT: Final = 255
"""Characters, and UTF-8 bytes, of the name of an artifact."""
_DEEPEST: Final = 16
_WORDS: Final = re.compile(r"[A-Za-z0-9_\-. /]+")
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories of characters that cannot be seen or turn the reading: controls, formats, surrogates, private and unassigned ones."""


def key_fault(name: str) -> str:
    """Why this cannot name a parameter, metric or tag; empty when it can."""
    if not 1 <= len(name) <= LONGEST:
        return f"expected a name of 1 to {LONGEST} characters"
    if not _WORDS.fullmatch(name):
        return "expected letters, digits, spaces and _ - . / of ASCII"
    return _path_fault(name)


def artifact_fault(name: str) -> str:
    """Why this cannot name an artifact; empty when it can. Names are relative, forward, visible and in one spelling only (NFKC)."""
    if not name or len(name) > LONGEST_ARTIFACT:
        return f"expected a name of 1 to {LONGEST_ARTIFACT} characters"
    if any(unicodedata.category(letter) in _UNSEEN for letter in name):
        return "holds a character that cannot be seen"
    if len(name.encode()) > LONGEST_ARTIFACT:
        return f"expected at most {LONGEST_ARTIFACT} bytes of UTF-8"
    if unicodedata.normalize("NFKC", name) != name:
        return "holds a character that stands for others; write those (NFKC)"
    if bad := next((letter for letter in '\\:*?"<>|%' if letter in name), ""):
        return f"holds {bad!r}"
    return _path_fault(name)


def _path_fault(name: str) -> str:
    parts = name.split("/")
    if name.startswith("/"):
        return "is absolute"
    if len(parts) > _DEEPEST:
        return f"nests deeper than {_DEEPEST} directories"
    if any(part in ("", ".", "..") for part in parts):
        return "has an empty part, or one that is . or .."
    if any(part != part.strip() or part.endswith(".") for part in parts):
        return "has a part that begins or ends with a space, or ends with a dot"
    return ""


def refuse_keys(names: Iterable[str], where: str) -> None:
    """Raise InvalidRequest, naming every bad name below the pointer `where`."""
    faults = [Fault(f"{where}/{name[:40]}", fault) for name in names if (fault := key_fault(name))]
    if faults:
        raise InvalidRequest(f"{faults[0].pointer}: {faults[0].reason}", errors=faults)


def refuse_clash(new: Iterable[str], held: set[str], kind: str) -> None:
    """Raise StateConflict when a new name would be a file where another is a directory, or the other way round. O(names)."""
    fresh = [name for name in new if name not in held]
    together = held.union(fresh)
    if not any("/" in name for name in together):
        return
    folders = {"/".join(parts[:n]) for name in together for parts in [name.split("/")] for n in range(1, len(parts))}
    if clash := sorted(folders & together):
        reason = f"the {kind} {clash[0]!r} would be both a name and the beginning of one"
        raise StateConflict(reason, hint="Names with / are paths: choose another name.")
